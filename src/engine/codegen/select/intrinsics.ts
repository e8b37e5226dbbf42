import { utf8Text } from "../../base/utf8.ts";
import type { IrInstruction, IrValue } from "../../ir/module.ts";
import { sizeOf } from "../../ir/types.ts";
import type { Reg } from "../machine.ts";
import { accessStep } from "./access-index.ts";
import { selectBitIntrinsic } from "./bit-intrinsics.ts";
import { selectMemcpy, selectMemset } from "./block-memory.ts";
import { moveValue } from "./conditions.ts";
import { bitsOf } from "./known-bits.ts";
import { addressOf } from "./memory.ts";
import { selectNumberIntrinsic } from "./number-intrinsics.ts";
import type { Selector } from "./selector.ts";

/** The kfunc that stands for `__builtin_trap`: the verifier refuses a program that can reach it. */
export const TRAP = "__bpf_trap";

export type Call = IrInstruction & { op: "call" };

/** Intrinsics that only tell the optimiser something. */
const NOTHING =
  /^llvm\.(lifetime|dbg|assume|experimental\.noalias|var\.annotation|donothing|prefetch|sideeffect|invariant\.(start|end)|pseudoprobe|stackrestore|fake\.use|allow)/;
/** Their result is their first argument. */
const SAME = /^llvm\.(expect|launder|strip|ssa\.copy|ptr\.annotation|annotation|ptrmask\.none)/;

/** The value of an argument; a missing one is reported as such and reads as undef. */
export function argument(insn: Call, index: number): IrValue {
  return insn.args[index]?.value ?? { kind: "undef", type: insn.type };
}

/** Lowers a call of `llvm.…`. */
export function selectIntrinsic(s: Selector, insn: Call, name: string): void {
  if (NOTHING.test(name)) return;
  if (SAME.test(name)) {
    same(s, insn, argument(insn, 0));
    return;
  }
  const [, base = ""] = /^llvm\.([a-z0-9_.]+?)(?:\.(?=i[0-9]|p0|v[0-9]).*)?$/.exec(name) ?? [];
  switch (base) {
    case "memcpy":
    case "memcpy.inline":
      selectMemcpy(s, insn, false);
      return;
    case "memmove":
      selectMemcpy(s, insn, true);
      return;
    case "memset":
    case "memset.inline":
      selectMemset(s, insn);
      return;
    case "is.constant":
      s.set(insn, s.constant(argument(insn, 0).kind === "int" ? 1n : 0n, 1));
      return;
    case "objectsize":
      s.set(insn, s.constant(s.constantOf(argument(insn, 1)) === 1n ? 0n : 0xffff_ffff_ffff_ffffn, bitsOf(insn.type)));
      return;
    case "stacksave":
      s.set(insn, s.constant(0n, 64));
      return;
    case "bpf.passthrough":
      same(s, insn, argument(insn, 1));
      return;
    case "preserve.array.access.index":
    case "preserve.struct.access.index":
    case "preserve.union.access.index":
      s.set(insn, s.placeAddress(addressOf(s, { kind: "local", type: insn.type, index: insn.result })));
      return;
    case "bpf.preserve.field.info":
    case "bpf.preserve.type.info":
    case "bpf.preserve.enum.value": {
      const value = preservedInfo(s, insn, base);
      if (value === null) s.fail("this CO-RE query needs the running kernel's types, which are not here");
      else s.set(insn, s.constant(value, bitsOf(insn.type)));
      return;
    }
    case "trap":
    case "debugtrap":
    case "ubsantrap":
      s.call({ kind: "symbol", symbol: TRAP }, 0, false);
      return;
    case "bpf.load.byte":
    case "bpf.load.half":
    case "bpf.load.word":
      packetLoad(s, insn, base.endsWith("byte") ? 1 : base.endsWith("half") ? 2 : 4);
      return;
    case "returnaddress":
    case "frameaddress":
      s.fail(`'__builtin_${base.replace("address", "_address")}' is not supported by BPF`);
      return;
    case "read_register":
    case "write_register":
      s.fail("variables in a register of their own are not supported outside of inline assembly");
      return;
    case "threadlocal.address":
      s.fail("thread-local storage is not supported by BPF");
      return;
    case "va_start":
    case "va_end":
    case "va_copy":
      s.fail("variadic functions are not supported");
      return;
  }
  if (selectNumberIntrinsic(s, insn, base) || selectBitIntrinsic(s, insn, base)) return;
  s.fail(`the compiler's '${name}' is not supported by BPF`);
}

function same(s: Selector, insn: Call, value: IrValue): void {
  if (insn.result >= 0) s.set(insn, ...s.regs(value));
}

/** What a CO-RE query answers of the program's own types; null when the answer is not a plain one. */
function preservedInfo(s: Selector, insn: Call, base: string): bigint | null {
  if (base === "bpf.preserve.field.info") {
    const query = s.constantOf(argument(insn, 1));
    if (query === 2n) return 1n;
    let offset = 0;
    let value = argument(insn, 0);
    const first = accessStep(s.definition(value));
    for (let step = first; step !== null; step = accessStep(s.definition(value))) {
      offset += step.offset;
      value = step.base;
    }
    if (query === 0n) return first === null ? null : BigInt(offset);
    return query === 1n && first?.type != null ? BigInt(sizeOf(first.type)) : null;
  }
  if (base === "bpf.preserve.type.info") {
    // 0: exists, 2: matches
    const query = s.constantOf(argument(insn, 1));
    return query === 0n || query === 2n ? 1n : null;
  }
  if (s.constantOf(argument(insn, 2)) === 0n) return 1n;
  const name = argument(insn, 1);
  const text = name.kind === "global" ? s.context.globals.get(name.name)?.initialiser : null;
  const digits = text?.kind === "bytes" ? /:(-?[0-9]+)/.exec(utf8Text(text.bytes))?.[1] : undefined;
  return digits === undefined ? null : BigInt.asUintN(64, BigInt(digits));
}

/** LD_ABS and LD_IND: the context must be in r6. */
function packetLoad(s: Selector, insn: Call, size: number): void {
  moveValue(s, 6, argument(insn, 0), 0);
  const offset = argument(insn, 1);
  const imm = s.immediate(offset, 64);
  const index: Reg = imm === null ? s.reg(offset) : -1;
  s.emit({ op: "packet", size, index, imm: imm ?? 0 });
  s.forgetSmallConstants();
  s.set(insn, s.copy(0));
}
