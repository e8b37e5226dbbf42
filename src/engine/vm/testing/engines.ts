import type { Instruction } from "../../isa/instruction.ts";
import { type Executable, makeExecutable } from "../executable.ts";
import { compileProgram } from "../jit/compile.ts";
import { guestAddress } from "../memory.ts";
import { STANDALONE_STRIDE, type StandaloneResult, StandaloneVm } from "../standalone.ts";
import { testWasmHost } from "./wasm-host.ts";

export const ENGINES = ["interpreter", "jit", "jit-checked"] as const;
export type EngineName = (typeof ENGINES)[number];

export interface EngineRun {
  readonly result: StandaloneResult;
  /** The memory that r1 pointed to, afterwards. */
  readonly memory: Uint8Array;
}

/** Runs programs on any engine, on one machine. r1 points to a copy of `memory`, r2 is its length; loads of a map value give r1. */
export class EngineBench {
  readonly vm: StandaloneVm;
  readonly #at: number;
  readonly #size: number;

  constructor(size: number) {
    const linear = testWasmHost.makeMemory(2 << 20);
    if (linear === null) throw new Error("no memory");
    this.vm = new StandaloneVm(linear);
    this.#size = size;
    this.#at = this.vm.place(new Uint8Array(size), "memory");
    this.vm.packet = { at: this.#at, size };
  }

  executable(insns: readonly Instruction[]): Executable {
    return makeExecutable({
      name: "test",
      insns,
      functions: null,
      lines: null,
      kfuncs: new Map(),
      codeBase: 0xffff_ffff_c000_0000n,
      resolve: (_slot, first) => (first.src === 2 ? guestAddress(this.#at) : null),
    });
  }

  run(engine: EngineName, program: Executable, memory: Uint8Array): EngineRun {
    const { vm } = this;
    vm.memory.bytes.fill(0, this.#at, this.#at + this.#size);
    vm.memory.bytes.set(memory, this.#at);
    const r1 = guestAddress(this.#at);
    const r2 = BigInt(memory.length);
    let result: StandaloneResult;
    if (engine === "interpreter") result = vm.interpret(program, r1, r2);
    else {
      const compiled = compileProgram(program, {
        access: engine === "jit" ? "bare" : "checked",
        watched: false,
        frameStride: STANDALONE_STRIDE,
        inlineLoop: true,
        arrayAt: () => null,
        hashAt: () => null,
      });
      const instance = vm.instantiate(program, compiled, testWasmHost);
      result = vm.runCompiled(program, instance, r1, r2);
    }
    return { result, memory: vm.memory.slice(this.#at, this.#size) };
  }
}
