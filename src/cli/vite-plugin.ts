import { execFile } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from "node:fs";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { gzipSync } from "node:zlib";
import type { Plugin } from "vite";
import { clangModulePath } from "./clang-package.ts";

const ROOT = fileURLToPath(new URL("../../", import.meta.url));
const CACHE = path.join(ROOT, ".cache/");
const PROGRAMS = fileURLToPath(new URL("../demos/programs/", import.meta.url));
const ASSETS = "virtual:clang-asset";
const DEMOS = "virtual:precompiled-demos";

interface PackedModule {
  readonly fileName: string;
  readonly bytes: Uint8Array;
  readonly moduleBytes: number;
  readonly version: string;
}

/**
 * clang's module, packed with gzip, because every static server sends a file of unknown kind as it is. The packed file is kept
 * in `.cache/`: packing takes some seconds.
 */
export function packedClangModule(): PackedModule {
  const source = clangModulePath();
  const { size, mtimeMs } = statSync(source);
  const stamp = createHash("sha256").update(`${PACKING}:${size}:${mtimeMs}`).digest("hex").slice(0, 12);
  const kept = path.join(CACHE, `clang-${stamp}.pack`);
  const packedModule = (bytes: Uint8Array): PackedModule => {
    const version = createHash("sha256").update(bytes).digest("hex").slice(0, 12);
    // The last four bytes of a gzip file are the length of what is inside.
    const moduleBytes = new DataView(bytes.buffer, bytes.byteOffset).getUint32(bytes.length - 4, true);
    return { fileName: `clang/clang-${version}.pack`, bytes, moduleBytes, version };
  };
  if (existsSync(kept)) return packedModule(readFileSync(kept));
  mkdirSync(CACHE, { recursive: true });
  for (const old of readdirSync(CACHE)) if (/^clang-.*\.pack$/.test(old)) rmSync(path.join(CACHE, old));
  const packed = gzipSync(readFileSync(source), { level: 9 });
  // Under another name first: a build that is stopped here leaves no half file behind.
  writeFileSync(`${kept}.part`, packed);
  renameSync(`${kept}.part`, kept);
  return packedModule(packed);
}

/** Changes when the way of packing does. */
const PACKING = 1;

/** Built in a process of its own, so that loading the build's configuration does not load the whole engine. */
async function precompiledDemosModule(): Promise<string> {
  const script = fileURLToPath(new URL("./precompile-demos.ts", import.meta.url));
  const { stdout } = await promisify(execFile)(process.execPath, ["--import", "tsx", script], {
    maxBuffer: 64 << 20,
    cwd: ROOT,
  });
  return [
    "const bytes = (text) => Uint8Array.from(atob(text), (c) => c.charCodeAt(0));",
    `const entries = ${stdout.trim()};`,
    "export const precompiledDemos = entries.map((e) => ({ ...e, object: e.object === null ? null : bytes(e.object) }));",
  ].join("\n");
}

/**
 * Ships what the page needs of the compiler: `virtual:clang-asset` says where clang's module is (packed, beside the page), and
 * `virtual:precompiled-demos` holds the demos' objects, so that the page runs before clang has arrived.
 */
export function compilerPlugin(): Plugin {
  let packed: PackedModule | undefined;
  let demos: Promise<string> | undefined;
  const module = (): PackedModule => {
    packed ??= packedClangModule();
    return packed;
  };
  return {
    name: "playground-compiler",
    resolveId: (id) => (id === ASSETS || id === DEMOS ? `\0${id}` : null),
    async load(id) {
      if (id === `\0${ASSETS}`) {
        const { fileName, bytes, moduleBytes, version } = module();
        return [
          `const path = ${JSON.stringify(fileName)};`,
          "export const clangAsset = {",
          "  url: new URL(path, document.baseURI).href,",
          `  packedBytes: ${bytes.length},`,
          `  moduleBytes: ${moduleBytes},`,
          `  version: ${JSON.stringify(version)},`,
          "};",
        ].join("\n");
      }
      if (id === `\0${DEMOS}`) {
        for (const file of readdirSync(PROGRAMS)) this.addWatchFile(path.join(PROGRAMS, file));
        demos ??= precompiledDemosModule();
        return demos;
      }
      return null;
    },
    handleHotUpdate({ file, server }) {
      if (!file.startsWith(PROGRAMS)) return;
      demos = undefined;
      const stale = server.moduleGraph.getModuleById(`\0${DEMOS}`);
      if (stale) server.moduleGraph.invalidateModule(stale);
    },
    configureServer(server) {
      server.middlewares.use((request, response, next) => {
        if (!request.url?.includes("/clang/clang-")) return next();
        const { bytes } = module();
        response.setHeader("content-type", "application/octet-stream");
        response.setHeader("content-length", bytes.length);
        response.end(bytes);
      });
    },
    generateBundle() {
      const { fileName, bytes } = module();
      this.emitFile({ type: "asset", fileName, source: bytes });
    },
  };
}
