import { execFile } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from "node:fs";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { gzipSync } from "node:zlib";
import type { Plugin } from "vite";
import { packModule } from "../toolchain/module-pack/pack.ts";
import { unpackModule } from "../toolchain/module-pack/unpack.ts";
import { clangModulePath } from "./clang-package.ts";

const ROOT = fileURLToPath(new URL("../../", import.meta.url));
const CACHE = path.join(ROOT, ".cache/");
const PROGRAMS = fileURLToPath(new URL("../demos/programs/", import.meta.url));
const ASSETS = "virtual:clang-asset";
const DEMOS = "virtual:precompiled-demos";

interface PackedModule {
  readonly fileName: string;
  readonly bytes: Uint8Array;
  readonly version: string;
}

/**
 * clang's module as the page downloads it: rearranged, and packed with gzip, because a static server sends a file of unknown kind as it
 * is. The packed file is kept in `.cache/`: making it takes some ten seconds.
 */
export function packedClangModule(): PackedModule {
  const source = clangModulePath();
  const { size, mtimeMs } = statSync(source);
  const stamp = createHash("sha256").update(`${PACKING}:${size}:${mtimeMs}`).digest("hex").slice(0, 12);
  const kept = path.join(CACHE, `clang-${stamp}.pack`);
  if (existsSync(kept)) return describeModule(readFileSync(kept));
  mkdirSync(CACHE, { recursive: true });
  for (const old of readdirSync(CACHE)) if (/^clang-.*\.pack$/.test(old)) rmSync(path.join(CACHE, old));
  const rearranged = packModule(readFileSync(source));
  if (!WebAssembly.validate(unpackModule(rearranged) as BufferSource))
    throw new Error("clang's module does not survive packing");
  const packed = gzipSync(rearranged, { level: 9, memLevel: 9 });
  // Under another name first: a build that is stopped here leaves no half file behind.
  const part = `${kept}.${process.pid}.part`;
  writeFileSync(part, packed);
  renameSync(part, kept);
  return describeModule(packed);
}

function describeModule(bytes: Uint8Array): PackedModule {
  const version = createHash("sha256").update(bytes).digest("hex").slice(0, 12);
  return { fileName: `clang/clang-${version}.pack`, bytes, version };
}

/** Changes when the way of packing does. */
const PACKING = 2;

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
        const { fileName, bytes, version } = module();
        return [
          `const path = ${JSON.stringify(fileName)};`,
          "export const clangAsset = {",
          "  url: new URL(path, document.baseURI).href,",
          `  packedBytes: ${bytes.length},`,
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
