import { BPF_JEQ, BPF_JNE } from "../isa/opcodes.ts";
import { reachable } from "./control-flow.ts";
import { forEachDef, keepInsns, type MachineFunction, type MachineInsn, NO_REG, successors } from "./machine.ts";

const REGISTERS = 10;
/** What a register holds: a number that `imm` of a width can make, as text; null when unknown. */
type Known = (string | null)[];

/**
 * After allocation: removes instructions that put into a register what it holds already: a constant, on every path, whether it
 * was put there or a comparison has shown it; a copy, within the block.
 */
export function removeRedundantMoves(fn: MachineFunction): void {
  const order = reachable(fn);
  const into: (Known | undefined)[] = new Array(fn.blocks.length);
  into[0] = new Array<string | null>(REGISTERS).fill(null);
  for (let changed = true; changed; ) {
    changed = false;
    for (const id of order) {
      const block = fn.blocks[id];
      const start = into[id];
      if (block === undefined || start === undefined) continue;
      const state = [...start];
      for (const insn of block.insns) step(state, insn);
      if (block.term.kind === "asm") for (const reg of block.term.code.defs) state[reg] = null;
      for (const to of successors(block.term)) {
        const edge = onEdge(block.term, to, state);
        const known = into[to];
        if (known === undefined) {
          into[to] = [...edge];
          changed = true;
        } else {
          for (let r = 0; r < REGISTERS; r++) {
            if (known[r] !== null && known[r] !== edge[r]) {
              known[r] = null;
              changed = true;
            }
          }
        }
      }
    }
  }
  for (const id of order) {
    const block = fn.blocks[id];
    const start = into[id];
    if (block === undefined || start === undefined) continue;
    const state = [...start];
    const copies = new Copies();
    keepInsns(block, (insn) => {
      if (insn.op === "imm" && state[insn.dst] === keyOf(insn)) return false;
      if (insn.op === "mov" && copies.holds(insn.dst, insn.src, insn.width)) return false;
      step(state, insn);
      copies.step(insn);
      return true;
    });
  }
}

/** Which registers are copies of each other, within a block: whole, and in their lower halves. */
class Copies {
  readonly #whole = new Int32Array(REGISTERS + 1);
  readonly #low = new Int32Array(REGISTERS + 1);
  #next = 0;

  constructor() {
    for (let r = 0; r <= REGISTERS; r++) this.#fresh(r);
  }

  #fresh(reg: number): void {
    this.#whole[reg] = ++this.#next;
    this.#low[reg] = this.#next;
  }

  /** A move of `width` would change nothing. Above a 32-bit value its register holds whatever it likes. */
  holds(dst: number, src: number, width: 32 | 64): boolean {
    const part = width === 64 ? this.#whole : this.#low;
    return part[dst] === part[src];
  }

  step(insn: MachineInsn): void {
    if (insn.op === "mov") {
      this.#low[insn.dst] = this.#low[insn.src] as number;
      this.#whole[insn.dst] = insn.width === 64 ? (this.#whole[insn.src] as number) : ++this.#next;
      return;
    }
    const low = insn.op === "zext" ? (this.#low[insn.src] as number) : 0;
    forEachDef(insn, (reg) => this.#fresh(reg));
    if (insn.op === "zext") this.#low[insn.dst] = low;
  }
}

/** The whole register as a number, so that both widths of an equal constant are one. */
function keyOf(insn: MachineInsn & { op: "imm" }): string {
  return String(insn.width === 64 ? insn.imm : insn.imm >>> 0);
}

function step(state: Known, insn: MachineInsn): void {
  if (insn.op === "imm") {
    state[insn.dst] = keyOf(insn);
    return;
  }
  if (insn.op === "mov" && insn.width === 64 && insn.src < REGISTERS) {
    state[insn.dst] = state[insn.src] ?? null;
    return;
  }
  forEachDef(insn, (reg) => {
    if (reg < REGISTERS) state[reg] = null;
  });
}

/** An equality that the edge stands for tells the whole of a 64-bit register. */
function onEdge(term: MachineFunction["blocks"][number]["term"], to: number, state: Known): Known {
  if (term.kind !== "if" || term.b !== NO_REG || term.width !== 64 || term.taken === term.otherwise) return state;
  const equal = term.code === BPF_JEQ ? term.taken : term.code === BPF_JNE ? term.otherwise : -1;
  if (equal !== to) return state;
  const known = [...state];
  known[term.a] = String(term.imm);
  return known;
}
