import { createRequire } from "node:module";
import path from "node:path";

/** Path of clang's core module in the installed package. */
export function clangModulePath(): string {
  const entry = createRequire(import.meta.url).resolve("@yowasp/clang");
  return path.join(path.dirname(entry), "llvm.core.wasm");
}
