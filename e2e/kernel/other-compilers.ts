import { execFile } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";

const HEADERS = fileURLToPath(new URL("../../src/toolchain/headers/", import.meta.url));
const CLANG_BUILTINS = "/usr/lib/llvm-22/lib/clang/22/include";
const execute = promisify(execFile);

/** What a tool makes of a text: an object, or null when it refuses it. */
async function made(tool: string, input: string, text: string, args: readonly string[]): Promise<Uint8Array | null> {
  const work = mkdtempSync(path.join(tmpdir(), "compilers-"));
  try {
    const source = path.join(work, input);
    const object = path.join(work, "out.o");
    writeFileSync(source, text);
    await execute(tool, [...args, "-o", object, source]);
    return readFileSync(object);
  } catch {
    return null;
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
}

/** llc's object of IR. */
export function llcObject(ir: string, cpuVersion: string): Promise<Uint8Array | null> {
  return made("llc-22", "a.ll", ir, ["-march=bpf", `-mcpu=${cpuVersion}`, "-filetype=obj"]);
}

/** Native clang's object of C at -O2. */
export function clangObject(text: string, cpuVersion: string): Promise<Uint8Array | null> {
  const target = ["-O2", "-g", "--target=bpf", `-mcpu=${cpuVersion}`, "-nostdinc", "-isystem", CLANG_BUILTINS];
  return made("clang-22", "a.bpf.c", text, [...target, "-isystem", HEADERS, "-w", "-c"]);
}

/** Which of the tools this machine has. */
export async function otherCompilers(): Promise<{ readonly llc: boolean; readonly clang: boolean }> {
  const has = (tool: string): Promise<boolean> =>
    execute(tool, ["--version"]).then(
      () => true,
      () => false,
    );
  return { llc: await has("llc-22"), clang: await has("clang-22") };
}
