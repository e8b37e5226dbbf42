import { makePrng, nextU32 } from "../../base/prng.ts";
import type { IrModule } from "../../ir/module.ts";
import { BUFFER_BASE, IrInterpreter } from "../../ir/testing/interpret-ir.ts";
import { GUEST_BASE } from "../../vm/memory.ts";
import { type StandaloneHelper, StandaloneVm } from "../../vm/standalone.ts";
import { linkObject } from "./link-object.ts";
import { RANDOM_BUFFER } from "./random-ir.ts";

/** What helpers return in these tests: something made of their arguments, so that both sides agree. */
export const helper = (id: number, [a = 0n, b = 0n]: readonly bigint[]): bigint =>
  BigInt.asUintN(64, a * 3n + b + BigInt(id - 4));

export function randomBuffer(seed: number): Uint8Array {
  const prng = makePrng(seed);
  return Uint8Array.from({ length: RANDOM_BUFFER }, () => nextU32(prng) & 255);
}

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString("hex");

/** Helpers that take no part in maps: number, and whether the arguments count. */
const HELPERS: readonly (readonly [number, boolean])[] = [
  [200, true],
  [5, false],
  [7, false],
  [8, false],
];

/** A machine with those helpers. */
export function makeVm(): StandaloneVm {
  return new StandaloneVm(
    null,
    new Map(
      HELPERS.map(([id, counts]): [number, StandaloneHelper] => [
        id,
        (_vm, frame) => {
          const arg = (r: number): bigint =>
            counts ? (BigInt((frame.hi[r] as number) >>> 0) << 32n) | BigInt((frame.lo[r] as number) >>> 0) : 0n;
          const result = helper(id, [arg(1), arg(2)]);
          // Whatever a call may destroy is destroyed.
          for (let r = 0; r <= 5; r++) {
            frame.lo[r] = 0x5a5a5a5a + r;
            frame.hi[r] = 0x25a5a5a5 - r;
          }
          frame.lo[0] = Number(BigInt.asIntN(32, result));
          frame.hi[0] = Number(BigInt.asIntN(32, result >> 32n));
          return true;
        },
      ]),
    ),
  );
}

/** Result and buffer after one run of a function of an object that takes a buffer. */
export function runCompiled(object: Uint8Array, input: Uint8Array, entry = "test", bits: 32 | 64 = 64): string {
  const vm = makeVm();
  const at = vm.place(input, "buffer");
  vm.fuel = 5_000_000;
  const result = vm.interpret(linkObject(object, entry, vm), GUEST_BASE + BigInt(at), 0n);
  if (!result.ok) return `trap: ${result.trap.message} at ${result.pc}`;
  return `${BigInt.asUintN(bits, result.r0)} ${hex(vm.memory.bytes.subarray(at, at + RANDOM_BUFFER))}`;
}

/** The same for the module's meaning. */
export function interpretIr(module: IrModule, input: Uint8Array, entry = "test", bits: 32 | 64 = 64): string {
  const judge = new IrInterpreter(module, helper);
  judge.place(input, BUFFER_BASE);
  const r0 = judge.call(entry, [BUFFER_BASE]);
  return `${BigInt.asUintN(bits, r0 as bigint)} ${hex(judge.bytesAt(BUFFER_BASE, RANDOM_BUFFER))}`;
}
