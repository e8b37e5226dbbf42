import type { IrInstruction } from "../../ir/module.ts";
import { sizeOf, storeSizeOf } from "../../ir/types.ts";
import { BPF_ADD, BPF_AND, BPF_CMPXCHG, BPF_FETCH, BPF_JEQ, BPF_OR, BPF_XCHG, BPF_XOR } from "../../isa/opcodes.ts";
import type { Reg, Width } from "../machine.ts";
import { boolean } from "./conditions.ts";
import { bitsOf } from "./known-bits.ts";
import { addressOf } from "./memory.ts";
import type { Selector } from "./selector.ts";

const OPERATIONS: Record<string, number> = { add: BPF_ADD, sub: BPF_ADD, and: BPF_AND, or: BPF_OR, xor: BPF_XOR };
const WRONG_SIZE = "unsupported atomic operation, please use 32/64 bit version";

function atomicWidth(s: Selector, bits: number): Width | null {
  if (bits !== 32 && bits !== 64) {
    s.fail(WRONG_SIZE);
    return null;
  }
  return s.alu32 && bits === 32 ? 32 : 64;
}

export function selectAtomicRmw(s: Selector, insn: IrInstruction & { op: "atomicrmw" }): void {
  const bits = bitsOf(insn.value.type);
  const width = atomicWidth(s, bits);
  if (width === null) return;
  const size = bits / 8;
  const place = addressOf(s, insn.address);
  const unused = insn.result < 0 || s.uses.count[insn.result] === 0;
  const code = OPERATIONS[insn.operator];
  const operand = s.reg(insn.value);
  // The operand's register is overwritten by the old value.
  const src = insn.operator === "sub" ? s.negate(width, operand) : s.copy(operand, width);
  let imm: number;
  if (code !== undefined) {
    const fetch = s.alu32 && !(unused && insn.ordering === "monotonic");
    if (!s.alu32 && !unused) {
      s.fail("atomic operations whose old value is used need -mcpu=v3");
      return;
    }
    imm = fetch ? code | BPF_FETCH : code;
  } else if (insn.operator === "xchg") {
    if (!s.alu32) {
      s.fail("atomic exchange needs -mcpu=v3");
      return;
    }
    imm = BPF_XCHG;
  } else {
    s.fail(`unsupported atomic operation '${insn.operator}'`);
    return;
  }
  s.emit({ op: "atomic", imm, src, place, size });
  if (!unused) s.set(insn, src);
}

export function selectCmpxchg(s: Selector, insn: IrInstruction & { op: "cmpxchg" }): void {
  const bits = bitsOf(insn.expected.type);
  const width = atomicWidth(s, bits);
  if (width === null) return;
  if (!s.alu32) {
    s.fail("atomic compare and exchange needs -mcpu=v3");
    return;
  }
  const place = addressOf(s, insn.address);
  const expected = s.reg(insn.expected);
  const desired = s.reg(insn.desired);
  s.move(0, expected, width);
  s.emit({ op: "atomic", imm: BPF_CMPXCHG, src: desired, place, size: storeSizeOf(insn.expected.type) });
  const old = s.copy(0, width);
  const asked = s.fn.blocks.some((b) =>
    b.instructions.some(
      (i) => i.op === "extractvalue" && i.value.kind === "local" && i.value.index === insn.result && i.path[0] === 1,
    ),
  );
  const whole = s.uses.count[insn.result] !== 0 && s.uses.user[insn.result]?.op !== "extractvalue";
  const success: Reg = asked || whole ? boolean(s, BPF_JEQ, width, old, expected) : old;
  s.set(insn, old, success);
}

/** A fence orders nothing that BPF's own order leaves open for one thread; across CPUs an atomic operation is one. */
export function selectFence(s: Selector, insn: IrInstruction & { op: "fence" }): void {
  if (insn.singleThread) return;
  if (!s.alu32) {
    s.fail("Runtime fence is not supported at the moment");
    return;
  }
  const slot = s.newSlot(8, 8);
  const place = { base: -1, slot, offset: 0 };
  s.emit({ op: "store", src: s.constant(0n, 64), place, size: sizeOf({ kind: "ptr" }) });
  s.emit({ op: "atomic", imm: BPF_ADD | BPF_FETCH, src: s.copy(s.constant(0n, 64)), place, size: 8 });
}
