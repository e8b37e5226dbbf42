import type { IrInstruction } from "../../ir/module.ts";
import { BPF_ADD, BPF_JEQ, BPF_JLE, BPF_JSGT, BPF_JSLT } from "../../isa/opcodes.ts";
import type { Reg, Width } from "../machine.ts";
import { branchOnImmediate, branchOnRegisters } from "./conditions.ts";
import { bitsOf } from "./known-bits.ts";
import { fitsS32, type Selector } from "./selector.ts";

/** Neighbouring case values that lead to one block. */
interface Cluster {
  readonly low: bigint;
  high: bigint;
  readonly to: number;
}

/** More clusters than this are split in two by a comparison. */
const LINEAR_CLUSTERS = 3;

interface Switch {
  readonly s: Selector;
  readonly reg: Reg;
  readonly width: Width;
  readonly otherwise: number;
}

/** Compares in order of value: a chain when there are few clusters, else a binary search. */
export function selectSwitch(s: Selector, insn: IrInstruction & { op: "switch" }): void {
  const bits = bitsOf(insn.value.type);
  if (bits === 0 || bits > 64) {
    s.fail("a switch on a value of more than 64 bits is not supported");
    return;
  }
  const width = s.width(bits);
  const constant = s.constantOf(insn.value);
  const otherwise = s.target(insn.otherwise);
  if (constant !== null) {
    const found = insn.cases.find((c) => c.value === constant);
    s.end({ kind: "goto", to: found === undefined ? otherwise : s.target(found.block) });
    return;
  }
  // Narrow values are zero-extended, so all their cases count upwards from 0.
  const reading = (value: bigint): bigint => (bits === width ? BigInt.asIntN(bits, value) : value);
  const sorted = insn.cases
    .map((c) => ({ value: reading(c.value), to: s.target(c.block) }))
    .filter((c) => c.to !== otherwise)
    .sort((a, b) => (a.value < b.value ? -1 : 1));
  const clusters: Cluster[] = [];
  for (const { value, to } of sorted) {
    const last = clusters.at(-1);
    if (last !== undefined && last.to === to && last.high + 1n === value) last.high = value;
    else clusters.push({ low: value, high: value, to });
  }
  if (clusters.length === 0) {
    s.end({ kind: "goto", to: otherwise });
    return;
  }
  lower({ s, reg: s.zeroExtended(insn.value, width), width, otherwise }, clusters, null, null);
}

/** `from` and `to`: what is known of the value already. */
function lower(sw: Switch, clusters: readonly Cluster[], from: bigint | null, to: bigint | null): void {
  const { s } = sw;
  if (clusters.length <= LINEAR_CLUSTERS) {
    clusters.forEach((cluster, i) => {
      const last = i === clusters.length - 1;
      const next = last ? null : s.newBlock();
      test(sw, cluster, next?.id ?? sw.otherwise, from, to);
      if (next !== null) s.continueIn(next);
    });
    return;
  }
  const middle = clusters.length >> 1;
  const pivot = clusters[middle] as Cluster;
  const lowerHalf = s.newBlock();
  const upper = s.newBlock();
  // `x > pivot - 1` rather than `x < pivot`, so that the lower half comes next.
  if (fitsS32(pivot.low - 1n)) {
    branchOnImmediate(s, BPF_JSGT, sw.width, sw.reg, Number(pivot.low - 1n), upper.id, lowerHalf.id);
  } else {
    branchOnRegisters(
      s,
      BPF_JSLT,
      sw.width,
      sw.reg,
      s.constant(BigInt.asUintN(64, pivot.low), 64),
      lowerHalf.id,
      upper.id,
    );
  }
  const held = s.saveHeld();
  s.continueIn(lowerHalf);
  lower(sw, clusters.slice(0, middle), from, pivot.low - 1n);
  s.restoreHeld(held);
  s.continueIn(upper);
  lower(sw, clusters.slice(middle), pivot.low, to);
}

function test(
  sw: Switch,
  { low, high, to }: Cluster,
  otherwise: number,
  from: bigint | null,
  upTo: bigint | null,
): void {
  const { s, reg, width } = sw;
  const compare = (code: number, value: bigint, a: Reg = reg): void => {
    if (fitsS32(value)) branchOnImmediate(s, code, width, a, Number(value), to, otherwise);
    else branchOnRegisters(s, code, width, a, s.constant(BigInt.asUintN(64, value), 64), to, otherwise);
  };
  if (low === high) compare(BPF_JEQ, low);
  else if (low === from) compare(BPF_JSLT, high + 1n);
  else if (high === upTo) compare(BPF_JSGT, low - 1n);
  else if (low === 0n) compare(BPF_JLE, high);
  else {
    const shifted = fitsS32(-low)
      ? s.alui(BPF_ADD, width, reg, Number(-low))
      : s.alu(BPF_ADD, width, reg, s.constant(BigInt.asUintN(64, -low), 64));
    compare(BPF_JLE, high - low, shifted);
  }
}
