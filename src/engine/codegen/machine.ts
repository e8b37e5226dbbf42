import type { Diagnostic } from "../base/diagnostic.ts";
import type { Binding, Loss } from "./debug/operands.ts";
import type { VariableFlow } from "./debug/variable-flow.ts";

/**
 * Code between instruction selection and the object: BPF instructions over virtual registers. Registers 0..10 are the machine's;
 * from {@link FIRST_VIRTUAL} on they are virtual. Two-address operations read and write `dst`.
 */
export type Reg = number;
export const FIRST_VIRTUAL = 16;
export const NO_REG = -1;
export const FRAME_POINTER = 10;

export type Width = 32 | 64;

/** A place in memory: a register or a frame slot, plus bytes. Exactly one of `base` and `slot` is not -1. */
export interface Place {
  base: Reg;
  slot: number;
  offset: number;
}

export type CallTarget =
  | { readonly kind: "helper"; readonly id: number }
  | { readonly kind: "symbol"; readonly symbol: string }
  | { readonly kind: "register"; reg: Reg };

/** An operand of inline assembly, by its number in the template. */
export type AsmOperand =
  | { readonly kind: "reg"; reg: Reg; readonly width: Width }
  | { readonly kind: "imm"; readonly value: bigint }
  | { readonly kind: "symbol"; readonly symbol: string; readonly addend: number }
  | { readonly kind: "memory"; readonly place: Place }
  | { readonly kind: "label"; block: number };

export interface AsmCode {
  readonly op: "asm";
  readonly template: string;
  readonly operands: AsmOperand[];
  /** Registers written and read, virtual ones included. */
  readonly defs: Reg[];
  readonly uses: Reg[];
  /** Those of `defs` that are written while the inputs are still wanted. */
  readonly early: Reg[];
  dbg: number;
  marks?: readonly Mark[];
}

export type MachineInsn = { dbg: number; marks?: readonly Mark[] } & (
  | { op: "mov"; dst: Reg; src: Reg; width: Width }
  /** Moves the lower half and clears the upper one: no mere copy. */
  | { op: "zext"; dst: Reg; src: Reg }
  | { op: "movsx"; dst: Reg; src: Reg; bits: 8 | 16 | 32; width: Width }
  /** `imm` is signed 32 bits; width 64 extends its sign, width 32 clears the upper half. */
  | { op: "imm"; dst: Reg; imm: number; width: Width }
  | { op: "wide"; dst: Reg; value: bigint }
  | { op: "address"; dst: Reg; symbol: string; addend: number }
  | { op: "frame"; dst: Reg; slot: number; offset: number }
  | { op: "alu"; code: number; width: Width; dst: Reg; src: Reg; signed: boolean }
  | { op: "alui"; code: number; width: Width; dst: Reg; imm: number; signed: boolean }
  | { op: "neg"; width: Width; dst: Reg }
  | { op: "swap"; kind: "be" | "le" | "bswap"; bits: 16 | 32 | 64; dst: Reg }
  | { op: "load"; dst: Reg; place: Place; size: number; signed: boolean }
  | { op: "store"; src: Reg; place: Place; size: number }
  | { op: "storei"; imm: number; place: Place; size: number }
  /** `imm` is the atomic operation; with `fetch` the old value goes to `src` (to r0 for cmpxchg, which also reads r0). */
  | { op: "atomic"; imm: number; src: Reg; place: Place; size: number }
  | { op: "loadacq"; dst: Reg; place: Place; size: number }
  | { op: "call"; target: CallTarget; args: number; result: boolean }
  /** LD_ABS, LD_IND: reads r6, writes r0, destroys r1..r5. */
  | { op: "packet"; size: number; index: Reg; imm: number }
  | AsmCode
);

/**
 * What is true from a place in the code on, for the table of variables. Marks stand before an instruction or a terminator and
 * are no code: whoever removes an instruction hands its marks on to what follows ({@link keepInsns}), and nothing else may
 * look at them.
 */
export type Mark =
  /** The place is that before an instruction of an IR block, or of what came of it. */
  | { readonly kind: "place"; readonly block: number; readonly index: number }
  /** One of the values that variables have is complete: a register holds it, or a slot, or an instruction makes it again. */
  | { readonly kind: "holds"; readonly value: number; readonly holder: Holder };

export type Holder =
  | { readonly kind: "register"; readonly reg: Reg }
  | { readonly kind: "slot"; readonly slot: number }
  | { readonly kind: "remake"; readonly insn: MachineInsn };

/**
 * A block that only jumps on: some ways to where it leads may pass it by, so that what is marked in it is not true of them all.
 */
export function isPassage(block: MachineBlock): boolean {
  return block.insns.length === 0 && block.term.kind === "goto";
}

/** Keeps the instructions of a block that `keep` wants, and every mark. */
export function keepInsns(block: MachineBlock, keep: (insn: MachineInsn, index: number) => boolean): void {
  const { insns } = block;
  let carried: readonly Mark[] = NO_MARKS;
  let kept = 0;
  for (let i = 0; i < insns.length; i++) {
    const insn = insns[i] as MachineInsn;
    if (!keep(insn, i)) {
      carried = joinMarks(carried, insn.marks);
      continue;
    }
    if (carried.length > 0) {
      insn.marks = joinMarks(carried, insn.marks);
      carried = NO_MARKS;
    }
    insns[kept++] = insn;
  }
  insns.length = kept;
  block.marks = joinMarks(carried, block.marks);
}

export const NO_MARKS: readonly Mark[] = [];

export function joinMarks(first: readonly Mark[], then: readonly Mark[] | undefined): readonly Mark[] {
  if (then === undefined || then.length === 0) return first;
  return first.length === 0 ? then : [...first, ...then];
}

export type Terminator =
  | { kind: "goto"; to: number }
  | {
      kind: "if";
      code: number;
      width: Width;
      a: Reg;
      /** NO_REG: compare with `imm`. */
      b: Reg;
      imm: number;
      taken: number;
      otherwise: number;
      dbg: number;
    }
  | { kind: "exit"; value: boolean; dbg: number }
  /** Control never comes here, or inline assembly has left already. */
  | { kind: "none" }
  | { kind: "asm"; code: AsmCode; fallthrough: number; targets: number[] };

export interface MachineBlock {
  readonly id: number;
  readonly insns: MachineInsn[];
  /** What holds from the terminator on; see {@link Mark}. */
  marks: readonly Mark[];
  term: Terminator;
  /** 10^loop depth, at most 10^4: how often it probably runs. */
  weight: number;
}

export interface FrameSlot {
  readonly size: number;
  readonly align: number;
  /** bytes from r10, negative; set by the frame's layout */
  offset: number;
  /** Metadata id of the place to blame when the frame grows too large. */
  readonly dbg: number;
  /** True for the allocator's own. */
  readonly spill: boolean;
}

export interface MachineFunction {
  readonly name: string;
  readonly blocks: MachineBlock[];
  readonly slots: FrameSlot[];
  /** Virtual registers are FIRST_VIRTUAL .. nextRegister - 1. */
  nextRegister: number;
  /** Registers that predecessors write for a phi -> the phi's own: on the stack they share a slot. */
  readonly webs: Map<Reg, Reg>;
  readonly diagnostics: Diagnostic[];
  /** What debug records say; null when there are none. */
  variables: {
    readonly flow: VariableFlow;
    /** By record. */
    readonly bindings: readonly (Binding | Loss)[];
    /** Where the IR computes each value: its block, -1 for parameters, and the index of the instruction. */
    readonly homes: Int32Array;
    readonly indices: Int32Array;
  } | null;
}

export function successors(term: Terminator): number[] {
  switch (term.kind) {
    case "goto":
      return [term.to];
    case "if":
      return term.taken === term.otherwise ? [term.taken] : [term.taken, term.otherwise];
    case "asm":
      return [...new Set([term.fallthrough, ...term.targets])];
    default:
      return [];
  }
}

const CALL_CLOBBERS: readonly Reg[] = [0, 1, 2, 3, 4, 5];

/** Calls `each` with every register that the instruction reads. */
export function forEachUse(insn: MachineInsn, each: (reg: Reg) => void): void {
  switch (insn.op) {
    case "mov":
    case "zext":
    case "movsx":
      each(insn.src);
      return;
    case "alu":
      each(insn.dst);
      each(insn.src);
      return;
    case "alui":
    case "neg":
    case "swap":
      each(insn.dst);
      return;
    case "load":
    case "loadacq":
    case "storei":
      if (insn.place.base !== NO_REG) each(insn.place.base);
      return;
    case "store":
      each(insn.src);
      if (insn.place.base !== NO_REG) each(insn.place.base);
      return;
    case "atomic":
      each(insn.src);
      if (insn.place.base !== NO_REG) each(insn.place.base);
      if (insn.imm === CMPXCHG) each(0);
      return;
    case "call":
      for (let i = 1; i <= insn.args; i++) each(i);
      if (insn.target.kind === "register") each(insn.target.reg);
      return;
    case "packet":
      each(6);
      if (insn.index !== NO_REG) each(insn.index);
      return;
    case "asm":
      for (const reg of insn.uses) each(reg);
      return;
  }
}

const CMPXCHG = 0xf1;
const FETCH = 1;

/** Calls `each` with every register that the instruction writes or destroys. */
export function forEachDef(insn: MachineInsn, each: (reg: Reg) => void): void {
  switch (insn.op) {
    case "store":
    case "storei":
      return;
    case "atomic":
      if (insn.imm === CMPXCHG) each(0);
      else if ((insn.imm & FETCH) !== 0) each(insn.src);
      return;
    case "call":
    case "packet":
      for (const reg of CALL_CLOBBERS) each(reg);
      return;
    case "asm":
      for (const reg of insn.defs) each(reg);
      return;
    default:
      each(insn.dst);
  }
}

/** Replaces registers in place: `use` for those read, `def` for those written; two-address registers go through `def` alone. */
export function mapRegisters(insn: MachineInsn, use: (reg: Reg) => Reg, def: (reg: Reg) => Reg): void {
  const place = (p: Place): void => {
    if (p.base !== NO_REG) p.base = use(p.base);
  };
  switch (insn.op) {
    case "mov":
    case "zext":
    case "movsx":
      insn.src = use(insn.src);
      insn.dst = def(insn.dst);
      return;
    case "imm":
    case "wide":
    case "address":
    case "frame":
    case "alui":
    case "neg":
    case "swap":
      insn.dst = def(insn.dst);
      return;
    case "alu":
      insn.src = use(insn.src);
      insn.dst = def(insn.dst);
      return;
    case "load":
    case "loadacq":
      place(insn.place);
      insn.dst = def(insn.dst);
      return;
    case "store":
      insn.src = use(insn.src);
      place(insn.place);
      return;
    case "storei":
      place(insn.place);
      return;
    case "atomic":
      place(insn.place);
      insn.src = insn.imm !== CMPXCHG && (insn.imm & FETCH) !== 0 ? def(insn.src) : use(insn.src);
      return;
    case "call":
      if (insn.target.kind === "register") insn.target.reg = use(insn.target.reg);
      return;
    case "packet":
      if (insn.index !== NO_REG) insn.index = use(insn.index);
      return;
    case "asm": {
      const { defs, uses, early, operands } = insn;
      const wasDef = new Set(defs);
      for (let i = 0; i < early.length; i++) early[i] = def(early[i] as Reg);
      for (let i = 0; i < defs.length; i++) defs[i] = def(defs[i] as Reg);
      for (let i = 0; i < uses.length; i++) {
        const reg = uses[i] as Reg;
        uses[i] = wasDef.has(reg) ? def(reg) : use(reg);
      }
      // A tied input and its output are one object.
      for (const operand of new Set(operands)) {
        if (operand.kind === "reg") operand.reg = wasDef.has(operand.reg) ? def(operand.reg) : use(operand.reg);
        else if (operand.kind === "memory") place(operand.place);
      }
      return;
    }
  }
}

export function forEachTermUse(term: Terminator, each: (reg: Reg) => void): void {
  if (term.kind === "if") {
    each(term.a);
    if (term.b !== NO_REG) each(term.b);
  } else if (term.kind === "exit") {
    if (term.value) each(0);
  } else if (term.kind === "asm") {
    for (const reg of term.code.uses) each(reg);
  }
}
