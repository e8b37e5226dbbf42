import { skipModifiers, typeAt } from "../../btf/layout.ts";
import type { Btf, BtfId } from "../../btf/types.ts";
import type { FormatNames } from "../../isa/format.ts";
import { formatInstruction } from "../../isa/format.ts";
import type { Instruction } from "../../isa/instruction.ts";
import { encodeInstructions, isLdImm64 } from "../../isa/instruction.ts";
import {
  BPF_PSEUDO_CALL,
  BPF_PSEUDO_FUNC,
  BPF_PSEUDO_MAP_FD,
  BPF_PSEUDO_MAP_VALUE,
  CALL,
  JA32,
} from "../../isa/opcodes.ts";
import type { VerifierProgram, XlatedLine } from "../types.ts";
import type { Op, OpList } from "./op.ts";
import { sha256 } from "./sha256.ts";
import type { Part } from "./xlated.ts";

const TAIL_CALL = 12;
const TAG_BYTES = 8;

const signed = (n: number): string => (n < 0 ? `${n}` : `+${n}`);

/** The program as `bpftool prog dump xlated` prints it. Kernel functions stand by name, since nothing here has an address. */
export function printProgram(program: VerifierProgram, list: OpList, parts: readonly Part[]): XlatedLine[] {
  const slots = slotsOf(list);
  const starts = new Map(parts.map((part) => [part.first, part]));
  const lines: XlatedLine[] = [];
  const names: FormatNames = { call: (_insn, _at) => "", wide: () => "" };
  for (const op of list.ops) {
    const part = starts.get(op);
    if (part !== undefined) {
      const heading = headingOf(program, part);
      if (heading !== null) lines.push({ text: `${heading}:`, origin: null });
    }
    const slot = slots.get(op)!;
    const insn = placed(op, slot, list, slots);
    names.call = () => (op.label === "bpf_tail_call" ? `${op.label}#${TAIL_CALL}` : (op.label ?? ""));
    names.wide = (_insn, value) => wideText(op, value, insn);
    const second: Instruction = { opcode: 0, dst: 0, src: 0, off: 0, imm: op.hi };
    let text = formatInstruction(insn, second, slot, names);
    if (insn.opcode === CALL && insn.src === BPF_PSEUDO_CALL) {
      const callee = list.targetOf(op);
      const found = callee === null ? undefined : starts.get(callee);
      text += found === undefined ? "#0x0" : `#${symbolOf(list, slots, parts, found)}`;
    }
    const opcode = insn.opcode.toString(16).padStart(2, "0");
    lines.push({ text: `${String(slot).padStart(4)}: (${opcode}) ${text}`, origin: op.origin });
  }
  return lines;
}

function slotsOf(list: OpList): Map<Op, number> {
  const slots = new Map<Op, number>();
  let at = 0;
  for (const op of list.ops) {
    slots.set(op, at);
    at += op.slots;
  }
  slots.set(list.end, at);
  return slots;
}

/** The instruction with the offset of its jump, call or function load. */
function placed(op: Op, slot: number, list: OpList, slots: ReadonlyMap<Op, number>): Instruction {
  const target = list.targetOf(op);
  if (target === null) return op.insn;
  const distance = slots.get(target)! - slot - 1;
  const inImm = op.insn.opcode === CALL || op.insn.opcode === JA32 || isLdImm64(op.insn);
  return inImm ? { ...op.insn, imm: distance } : { ...op.insn, off: distance };
}

function wideText(op: Op, value: bigint, insn: Instruction): string {
  if (op.label !== null) return op.label;
  return insn.src === BPF_PSEUDO_FUNC ? `subprog[${signed(insn.imm)}]` : `0x${value.toString(16)}`;
}

/** `bpf_prog_TAG_name`: the tag is the first half-line of a hash over the function's instructions, maps left out. */
function symbolOf(list: OpList, slots: ReadonlyMap<Op, number>, parts: readonly Part[], part: Part): string {
  const from = list.ops.indexOf(part.first);
  const next = parts[parts.indexOf(part) + 1];
  const to = next === undefined ? list.ops.length : list.ops.indexOf(next.first);
  const insns: Instruction[] = [];
  for (const op of list.ops.slice(from, to)) {
    const insn = placed(op, slots.get(op)!, list, slots);
    const map = isLdImm64(insn) && (insn.src === BPF_PSEUDO_MAP_FD || insn.src === BPF_PSEUDO_MAP_VALUE);
    insns.push(map ? { ...insn, imm: 0 } : insn);
    if (isLdImm64(insn)) insns.push({ opcode: 0, dst: 0, src: 0, off: 0, imm: map ? 0 : op.hi });
  }
  const tag = sha256(encodeInstructions(insns)).subarray(0, TAG_BYTES);
  const hex = Array.from(tag, (byte) => byte.toString(16).padStart(2, "0")).join("");
  return `bpf_prog_${hex}_${part.subprog?.name ?? "F"}`;
}

/** The function's prototype, as bpftool writes it; null without BTF. */
function headingOf(program: VerifierProgram, part: Part): string | null {
  const { btf } = program;
  const id = part.subprog?.btfId ?? 0;
  if (btf === null || id === 0) return null;
  const func = typeAt(btf, id);
  if (func.kind !== "func") return null;
  const proto = typeAt(btf, func.type);
  if (proto.kind !== "func_proto") return null;
  const params = proto.params.map((p) => {
    const type = typeWords(btf, p.type);
    return type.endsWith("*") || p.name !== "" ? `${type} ${p.name}`.trimEnd() : type;
  });
  return `${typeWords(btf, proto.returnType)} ${func.name}(${params.join(", ")})`;
}

/** A type in the words of a prototype: `struct xdp_md *`. */
function typeWords(btf: Btf, id: BtfId): string {
  const type = typeAt(btf, id);
  switch (type.kind) {
    case "void":
      return "void";
    case "ptr":
      return `${typeWords(btf, type.type)} *`;
    case "const":
    case "volatile":
    case "restrict":
      return `${type.kind} ${typeWords(btf, type.type)}`;
    case "type_tag":
      return typeWords(btf, skipModifiers(btf, type.type));
    case "struct":
    case "union":
    case "enum":
      return `${type.kind} ${type.name}`;
    case "fwd":
      return `${type.union ? "union" : "struct"} ${type.name}`;
    case "array":
      return `${typeWords(btf, type.type)} []`;
    default:
      return "name" in type ? type.name : type.kind;
  }
}
