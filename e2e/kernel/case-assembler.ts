import type { Instruction } from "../../src/engine/isa/instruction.ts";
import * as op from "../../src/engine/isa/opcodes.ts";

/** A function header among the lines of a case, `static sub(u64 *p @nonnull):`. */
export interface CaseFunction {
  readonly insn: number;
  readonly name: string;
  readonly linkage: "main" | "static" | "global";
  /** `(…)` of the header; null without parentheses. */
  readonly params: string | null;
  readonly returnsVoid: boolean;
}

export interface AssembledCase {
  readonly insns: readonly Instruction[];
  readonly functions: readonly CaseFunction[];
  /** Map names in `imm` order: a map load's `imm` is the index here. */
  readonly mapLoads: readonly { readonly insn: number; readonly map: string }[];
  readonly kfuncs: ReadonlyMap<number, string>;
}

const SIZES: Record<string, number> = { "8": op.BPF_B, "16": op.BPF_H, "32": op.BPF_W, "64": op.BPF_DW };
const ALU: Record<string, number> = {
  "+=": op.BPF_ADD,
  "-=": op.BPF_SUB,
  "*=": op.BPF_MUL,
  "/=": op.BPF_DIV,
  "|=": op.BPF_OR,
  "&=": op.BPF_AND,
  "<<=": op.BPF_LSH,
  ">>=": op.BPF_RSH,
  "%=": op.BPF_MOD,
  "^=": op.BPF_XOR,
  "=": op.BPF_MOV,
  "s>>=": op.BPF_ARSH,
  "s/=": op.BPF_DIV,
  "s%=": op.BPF_MOD,
};
const JUMPS: Record<string, number> = {
  "==": op.BPF_JEQ,
  ">": op.BPF_JGT,
  ">=": op.BPF_JGE,
  "&": op.BPF_JSET,
  "!=": op.BPF_JNE,
  "s>": op.BPF_JSGT,
  "s>=": op.BPF_JSGE,
  "<": op.BPF_JLT,
  "<=": op.BPF_JLE,
  "s<": op.BPF_JSLT,
  "s<=": op.BPF_JSLE,
};
const ATOMICS: Record<string, number> = { "+": 0x00, "|": 0x40, "&": 0x50, "^": 0xa0 };
const FETCHES: Record<string, number> = { add: 0x01, or: 0x41, and: 0x51, xor: 0xa1 };
const MEM = String.raw`\*?\(([us])(8|16|32|64) \*\)\(r(\d+) ([+-]\d+)\)`;

const num = (text: string): number => Number(text) | 0;

interface Fixup {
  readonly insn: number;
  readonly label: string;
  readonly field: "off" | "imm";
  readonly scope: number;
}

/**
 * Assembles the dialect of the recorded cases: log syntax with labels, `map[m]`, `func[f]`, `call name#N`, `raw OP DST SRC OFF IMM`.
 * Throws on a line it does not know.
 */
export function assembleCase(lines: readonly string[], kfuncId: (name: string) => number): AssembledCase {
  const insns: Instruction[] = [];
  const functions: CaseFunction[] = [];
  const labels = new Map<string, number>();
  const fixups: Fixup[] = [];
  const mapLoads: { insn: number; map: string }[] = [];
  const kfuncs = new Map<number, string>();
  let scope = 0;

  const emit = (opcode: number, dst = 0, src = 0, off = 0, imm = 0): void => {
    insns.push({ opcode, dst, src, off, imm });
  };
  const wide = (dst: number, src: number, lo: number, hi = 0): void => {
    emit(op.LD_IMM64, dst, src, 0, lo);
    emit(0, 0, 0, 0, hi);
  };
  /** A jump's distance: `+3`, or a label to be resolved. */
  const target = (text: string, field: "off" | "imm"): number => {
    const relative = /^(?:pc)?([+-]\d+)$/.exec(text);
    if (relative) return Number(relative[1]);
    fixups.push({ insn: insns.length, label: text, field, scope });
    return 0;
  };

  const one = (line: string): void => {
    let m: RegExpExecArray | null;
    if ((m = /^(main|static|global)\s+(void\s+)?(\w+)\s*(\((.*)\))?:$/.exec(line))) {
      scope++;
      functions.push({
        insn: insns.length,
        name: m[3]!,
        linkage: m[1] as CaseFunction["linkage"],
        params: m[4] === undefined ? null : m[5]!,
        returnsVoid: m[2] !== undefined,
      });
      labels.set(m[3]!, insns.length);
      return;
    }
    if ((m = /^(\w+):$/.exec(line))) {
      labels.set(`${scope}/${m[1]}`, insns.length);
      if (!labels.has(m[1]!)) labels.set(m[1]!, insns.length);
      return;
    }
    if ((m = /^raw (\S+) (\S+) (\S+) (\S+) (\S+)$/.exec(line))) {
      emit(parseInt(m[1]!, 16), Number(m[2]), Number(m[3]), Number(m[4]), num(m[5]!));
      return;
    }
    if (line === "exit") return emit(op.EXIT);
    if ((m = /^goto (\S+)$/.exec(line))) return emit(op.JA, 0, 0, target(m[1]!, "off"));
    if ((m = /^gotol (\S+)$/.exec(line))) return emit(op.JA32, 0, 0, 0, target(m[1]!, "imm"));
    if ((m = /^may_goto (\S+)$/.exec(line))) return emit(op.MAY_GOTO, 0, 0, target(m[1]!, "off"));
    if ((m = /^call kfunc (\w+)(?:@(\d+))?$/.exec(line))) {
      kfuncs.set(insns.length, m[1]!);
      return emit(op.CALL, 0, op.BPF_PSEUDO_KFUNC_CALL, 0, m[2] === undefined ? kfuncId(m[1]!) : Number(m[2]));
    }
    if ((m = /^call \w+#(-?\d+)$/.exec(line))) return emit(op.CALL, 0, 0, 0, num(m[1]!));
    if ((m = /^call (\S+)$/.exec(line))) return emit(op.CALL, 0, op.BPF_PSEUDO_CALL, 0, target(m[1]!, "imm"));
    if ((m = /^if ([rw])(\d+) (\S+) (\S+) goto (\S+)$/.exec(line))) {
      const cls = m[1] === "r" ? op.BPF_JMP : op.BPF_JMP32;
      const code = JUMPS[m[3]!];
      if (code === undefined) throw new Error(`operator of: ${line}`);
      const right = /^[rw](\d+)$/.exec(m[4]!);
      const off = target(m[5]!, "off");
      if (right) return emit(cls | code | op.BPF_X, Number(m[2]), Number(right[1]), off);
      return emit(cls | code | op.BPF_K, Number(m[2]), 0, off, num(m[4]!));
    }
    if ((m = /^r(\d+) = map\[(\w+)\] ll$/.exec(line))) {
      mapLoads.push({ insn: insns.length, map: m[2]! });
      return wide(Number(m[1]), op.BPF_PSEUDO_MAP_FD, 0);
    }
    if ((m = /^r(\d+) = map_value\[(\w+)\]\+(\S+) ll$/.exec(line))) {
      mapLoads.push({ insn: insns.length, map: m[2]! });
      return wide(Number(m[1]), op.BPF_PSEUDO_MAP_VALUE, 0, num(m[3]!));
    }
    if ((m = /^r(\d+) = func\[(\w+)\] ll$/.exec(line)))
      return wide(Number(m[1]), op.BPF_PSEUDO_FUNC, target(m[2]!, "imm"));
    if ((m = /^r(\d+) = btf_id\[(\d+)\] ll$/.exec(line))) return wide(Number(m[1]), op.BPF_PSEUDO_BTF_ID, Number(m[2]));
    if ((m = /^r(\d+) = (\S+) ll$/.exec(line))) {
      const value = m[2]!.startsWith("-") ? -BigInt(m[2]!.slice(1)) : BigInt(m[2]!);
      return wide(Number(m[1]), 0, Number(BigInt.asIntN(32, value)), Number(BigInt.asIntN(32, value >> 32n)));
    }
    if ((m = /^r(\d+) = load_acquire\(\(u(\d+) \*\)\(r(\d+) ([+-]\d+)\)\)$/.exec(line)))
      return emit(
        op.BPF_STX | op.BPF_ATOMIC | SIZES[m[2]!]!,
        Number(m[1]),
        Number(m[3]),
        Number(m[4]),
        op.BPF_LOAD_ACQ,
      );
    if ((m = /^store_release\(\(u(\d+) \*\)\(r(\d+) ([+-]\d+)\), r(\d+)\)$/.exec(line)))
      return emit(
        op.BPF_STX | op.BPF_ATOMIC | SIZES[m[1]!]!,
        Number(m[2]),
        Number(m[4]),
        Number(m[3]),
        op.BPF_STORE_REL,
      );
    if ((m = new RegExp(String.raw`^lock ${MEM} ([+|&^])= r(\d+)$`).exec(line)))
      return emit(
        op.BPF_STX | op.BPF_ATOMIC | SIZES[m[2]!]!,
        Number(m[3]),
        Number(m[6]),
        Number(m[4]),
        ATOMICS[m[5]!]!,
      );
    if ((m = new RegExp(String.raw`^r(\d+) = atomic(?:64)?_fetch_(\w+)\(${MEM}, r\d+\)$`).exec(line)))
      return emit(
        op.BPF_STX | op.BPF_ATOMIC | SIZES[m[4]!]!,
        Number(m[5]),
        Number(m[1]),
        Number(m[6]),
        FETCHES[m[2]!]!,
      );
    if ((m = new RegExp(String.raw`^r(\d+) = atomic(?:64)?_xchg\(${MEM}, r\d+\)$`).exec(line)))
      return emit(op.BPF_STX | op.BPF_ATOMIC | SIZES[m[3]!]!, Number(m[4]), Number(m[1]), Number(m[5]), op.BPF_XCHG);
    if ((m = new RegExp(String.raw`^r0 = atomic(?:64)?_cmpxchg\(${MEM}, r0, r(\d+)\)$`).exec(line)))
      return emit(op.BPF_STX | op.BPF_ATOMIC | SIZES[m[2]!]!, Number(m[3]), Number(m[5]), Number(m[4]), op.BPF_CMPXCHG);
    if ((m = new RegExp(String.raw`^r(\d+) = ${MEM}$`).exec(line))) {
      const mode = m[2] === "u" ? op.BPF_MEM : op.BPF_MEMSX;
      return emit(op.BPF_LDX | mode | SIZES[m[3]!]!, Number(m[1]), Number(m[4]), Number(m[5]));
    }
    if ((m = new RegExp(String.raw`^${MEM} = r(\d+)$`).exec(line)))
      return emit(op.BPF_STX | op.BPF_MEM | SIZES[m[2]!]!, Number(m[3]), Number(m[5]), Number(m[4]));
    if ((m = new RegExp(String.raw`^${MEM} = (-?\w+)$`).exec(line)))
      return emit(op.BPF_ST | op.BPF_MEM | SIZES[m[2]!]!, Number(m[3]), 0, Number(m[4]), num(m[5]!));
    if ((m = /^r0 = \*\(u(\d+) \*\)skb\[(?:r(\d+) \+ )?(-?\w+)\]$/.exec(line)))
      return emit(
        op.BPF_LD | (m[2] === undefined ? op.BPF_ABS : op.BPF_IND) | SIZES[m[1]!]!,
        0,
        m[2] === undefined ? 0 : Number(m[2]),
        0,
        num(m[3]!),
      );
    if ((m = /^r(\d+) = (le|be|bswap)(16|32|64) r\d+$/.exec(line)))
      return emit(
        (m[2] === "bswap" ? op.BPF_ALU64 : op.BPF_ALU) | op.BPF_END | (m[2] === "be" ? op.BPF_X : 0),
        Number(m[1]),
        0,
        0,
        Number(m[3]),
      );
    if ((m = /^([rw])(\d+) = -[rw]\d+$/.exec(line)))
      return emit((m[1] === "r" ? op.BPF_ALU64 : op.BPF_ALU) | op.BPF_NEG, Number(m[2]));
    if ((m = /^([rw])(\d+) = \(s(8|16|32)\)[rw](\d+)$/.exec(line)))
      return emit(
        (m[1] === "r" ? op.BPF_ALU64 : op.BPF_ALU) | op.BPF_MOV | op.BPF_X,
        Number(m[2]),
        Number(m[4]),
        Number(m[3]),
      );
    if ((m = /^([rw])(\d+) (\S+) ([rw](\d+)|-?\w+)$/.exec(line))) {
      const code = ALU[m[3]!];
      if (code !== undefined) {
        const cls = m[1] === "r" ? op.BPF_ALU64 : op.BPF_ALU;
        const off = m[3] === "s/=" || m[3] === "s%=" ? 1 : 0;
        if (m[5] !== undefined) return emit(cls | code | op.BPF_X, Number(m[2]), Number(m[5]), off);
        return emit(cls | code | op.BPF_K, Number(m[2]), 0, off, num(m[4]!));
      }
    }
    throw new Error(`line of a case not understood: ${line}`);
  };
  for (const line of lines) one(line.trim());

  for (const fixup of fixups) {
    const at = labels.get(`${fixup.scope}/${fixup.label}`) ?? labels.get(fixup.label);
    if (at === undefined) throw new Error(`no label ${fixup.label}`);
    insns[fixup.insn] = { ...insns[fixup.insn]!, [fixup.field]: at - fixup.insn - 1 };
  }
  return { insns, functions, mapLoads, kfuncs };
}
