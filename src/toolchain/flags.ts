/** What a compile depends on besides its sources. */
export interface CompileOptions {
  readonly cpuVersion: "v1" | "v2" | "v3" | "v4";
  readonly optimization: "O0" | "O1" | "O2";
}

/** Where the header files stand in the compiler's file tree. */
export const INCLUDE_ROOT = "/include";

/**
 * Arguments of clang's cc1. They bring its optimiser, which knows no BPF back end, to the code of native
 * `clang --target=bpf`: no vectorisers, no jump tables, no expansion of loop exits; IR with debug metadata to standard
 * output, diagnostics in a form that can be parsed.
 */
export function cc1Arguments(
  mainFile: string,
  { cpuVersion, optimization }: CompileOptions,
  preincludes: readonly string[],
): string[] {
  return [
    "yowasp-llvm",
    "clang",
    "-cc1",
    ..."-triple bpf -target-cpu".split(" "),
    cpuVersion,
    `-${optimization}`,
    ..."-mrelocation-model static -mframe-pointer=all -fmath-errno -ffp-contract=on -fno-rounding-math".split(" "),
    ..."-mconstructor-aliases -fgnuc-version=4.2.1 -fskip-odr-check-in-gmf -ferror-limit 19".split(" "),
    ..."-debug-info-kind=constructor -dwarf-version=5 -debugger-tuning=gdb -fdebug-compilation-dir=".split(" "),
    ..."-fexperimental-assignment-tracking=disabled -fno-jump-tables -mllvm -scev-cheap-expansion-budget=0".split(" "),
    ..."-discard-value-names -disable-llvm-verifier".split(" "),
    ..."-Wall -Wno-unused-function -Wno-compare-distinct-pointer-types -Wno-address-of-packed-member".split(" "),
    ..."-fno-caret-diagnostics -fdiagnostics-print-source-range-info -fdiagnostics-parseable-fixits".split(" "),
    ...preincludes.flatMap((header) => ["-include", header]),
    ..."-emit-llvm -o - -main-file-name".split(" "),
    mainFile,
    "-internal-isystem",
    INCLUDE_ROOT,
    ..."-x c".split(" "),
    mainFile,
  ];
}
