import { readdirSync, readFileSync } from "node:fs";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { type Compiler, createCompiler } from "../toolchain/compile.ts";
import { clangModulePath } from "./clang-package.ts";

const HEADER_ROOT = fileURLToPath(new URL("../toolchain/headers/", import.meta.url));

/** Every header by the path that programs include it by. */
export function readHeaders(): Map<string, string> {
  const headers = new Map<string, string>();
  for (const name of readdirSync(HEADER_ROOT, { recursive: true, encoding: "utf8" }).sort()) {
    if (!name.endsWith(".h")) continue;
    headers.set(name.split(path.sep).join("/"), readFileSync(path.join(HEADER_ROOT, name), "utf8"));
  }
  return headers;
}

let shared: Promise<Compiler> | undefined;

/** The one compiler of this process: its module is compiled once (about half a second). */
export function nodeCompiler(): Promise<Compiler> {
  shared ??= WebAssembly.compile(readFileSync(clangModulePath())).then((module) =>
    createCompiler({ module, headers: readHeaders() }),
  );
  return shared;
}
