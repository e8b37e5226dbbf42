import { BPF_F_SLEEPABLE, PROG_TYPES } from "../../../src/engine/abi/types.ts";
import type { Instruction } from "../../../src/engine/isa/instruction.ts";
import * as op from "../../../src/engine/isa/opcodes.ts";
import type { FunctionRecord } from "../../../src/engine/loader/spec.ts";
import { mutate } from "./mutate.ts";
import { BYTES, JUMPS, join, ProgramShaper, SAVED, SIZES } from "./program-shaper.ts";
import {
  ARR,
  BOTH,
  FUNCTION_TYPES,
  HASH,
  JMP,
  LCK,
  LRU,
  OUTER,
  PCPU,
  QUE,
  RB,
  RO,
  TMR,
  UNIVERSE_MAPS,
} from "./universe.ts";

export interface GeneratedProgram {
  readonly seed: number;
  readonly type: number;
  readonly typeName: string;
  readonly flags: number;
  readonly insns: readonly Instruction[];
  readonly functions: readonly FunctionRecord[];
  /** Names of the kfuncs that are called, by instruction; without them ids stand for themselves. */
  readonly kfuncs?: ReadonlyMap<number, string>;
}

/** One method for each kind of thing that programs do. */
class Generator extends ProgramShaper {
  program(): void {
    const b = this.b;
    const main = b.label();
    b.place(main);
    this.functions.push({ label: main, type: FUNCTION_TYPES.main, name: "main" });
    this.saved = { 6: { kind: "ctx", size: 0, map: -1 } };
    b.mov(6, 1);
    for (const r of [7, 8, 9]) if (this.chance(70)) this.makeScalar(r);
    this.actions(1 + this.below(9));
    this.leave();
    while (this.pending.length > 0) this.functionBody(this.pending.shift()!);
  }

  private leave(): void {
    const b = this.b;
    const scalar = SAVED.find((r) => this.saved[r]?.kind === "small");
    if (!this.inCallback && scalar !== undefined && this.chance(30)) b.mov(0, scalar);
    else b.movImm(0, this.chance(90) ? (this.chance(85) ? 0 : 1) : this.constant());
    b.exit();
  }

  private functionBody(f: (typeof this.pending)[number]): void {
    const b = this.b;
    b.place(f.label);
    const type = FUNCTION_TYPES[f.kind][f.index]!;
    this.functions.push({ label: f.label, type, name: `${f.kind[0]}${f.index}` });
    this.saved = {};
    this.slots = new Set();
    this.inCallback = f.kind === "callback";
    this.looping = 1;
    if (f.kind === "static" || f.kind === "global") {
      b.mov(7, 1);
      b.mov(8, 2);
      this.saved[7] = { kind: f.kind === "global" ? "any" : f.arg, size: 0, map: -1 };
      this.saved[8] = { kind: "any", size: 0, map: -1 };
    } else if (f.arg === "value") {
      b.mov(7, 3);
      this.saved[7] = { kind: "value", size: 24, map: TMR };
    } else if (f.arg === "any") {
      b.mov(8, 1);
      this.saved[8] = { kind: "any", size: 0, map: -1 };
    }
    this.actions(1 + this.below(4));
    this.leave();
    this.inCallback = false;
  }

  private actions(count: number): void {
    for (let i = 0; i < count && this.b.length < 160; i++) this.action();
  }

  private action(): void {
    const roll = this.below(100);
    if (this.looping > 0 && roll < 40) this.stackTraffic();
    else if (roll < 16) this.arithmetic();
    else if (roll < 24) this.stackTraffic();
    else if (roll < 34) this.mapLookup();
    else if (roll < 44) this.boundedAccess();
    else if (roll < 53) this.conditional();
    else if (roll < 59) this.loop();
    else if (roll < 63) this.staticCall();
    else if (roll < 66) this.loopHelper();
    else if (roll < 72) this.timer();
    else if (roll < 76) this.lock();
    else if (roll < 80) this.ringbuf();
    else if (roll < 85) this.packet();
    else if (roll < 88) this.context();
    else if (roll < 91) this.atomics();
    else if (roll < 94) this.otherHelper();
    else if (roll < 96) this.directValue();
    else if (roll < 98) this.valueAccess();
    else this.oddities();
  }

  private stackTraffic(): void {
    const b = this.b;
    const size = this.chance(60) ? op.BPF_DW : this.pick(SIZES);
    const off = this.stackSlot(size);
    const roll = this.below(6);
    if (roll === 0) b.storeImm(size, 10, off, this.constant());
    else if (roll < 4) {
      const r = this.chance(80)
        ? this.scalarRegister()
        : (this.pick(SAVED.filter((s) => this.saved[s]) as number[]) ?? this.scalarRegister());
      b.store(
        this.saved[r]?.kind === "any" || this.saved[r]?.kind === "small" ? size : op.BPF_DW,
        10,
        this.saved[r]?.kind === "any" ? off : this.stackSlot(op.BPF_DW),
        r,
      );
    } else {
      const r = this.scratchSaved();
      b.load(size, r, 10, off);
      this.saved[r] = { kind: "lost", size: 0, map: -1 };
    }
    this.slots.add(off);
  }

  private mapLookup(): void {
    const index = this.pick([ARR, ARR, HASH, HASH, PCPU, LRU, RO, OUTER, this.mayUse(true) ? LCK : ARR]);
    const r = this.scratchSaved();
    if (index === OUTER) this.innerLookup(r);
    else this.lookup(index, r);
    if (this.chance(70)) this.accessValue(r);
  }

  private valueAccess(): void {
    const r = this.valueRegister();
    if (r !== undefined) this.accessValue(r);
    else this.directValue();
  }

  /** The heart of most real rejections: an index, a bound, and an access that is right or off by one. */
  private boundedAccess(): void {
    const b = this.b;
    const onStack = this.chance(25);
    const index = this.scalarRegister();
    const others = SAVED.filter((r) => r !== index && this.saved[r]?.kind !== "ctx");
    const base = onStack ? 10 : this.pick(others);
    let bytes = 64;
    if (!onStack) {
      if (this.saved[base]?.kind !== "value" || this.chance(40)) this.lookup(this.pick([ARR, HASH, LRU]), base);
      bytes = this.saved[base]!.size;
    }
    const size = this.pick(SIZES);
    const width = BYTES[size]!;
    const limit = bytes - width + (this.chance(80) ? 0 : this.below(3) - 1);
    const skip = b.label();
    const wide = this.chance(65);
    const style = this.below(6);
    if (style === 0) b.alu(op.BPF_AND, index, this.chance(80) ? 7 : 15, wide);
    else if (style === 1) b.branch(op.BPF_JGT, index, limit, skip, wide);
    else if (style === 2) {
      if (this.chance(85)) b.branch(op.BPF_JSLT, index, 0, skip, wide);
      b.branch(op.BPF_JSGT, index, limit, skip, wide);
    } else if (style === 3) b.branch(op.BPF_JGE, index, limit + 1, skip, wide);
    else if (style === 4) {
      b.alu(op.BPF_RSH, index, (wide ? 64 : 32) - 3, wide);
    } else {
      const inside = b.label();
      b.branch(op.BPF_JLT, index, limit + 1, inside, wide);
      b.jump(skip);
      b.place(inside);
    }
    if (!wide && style !== 0 && this.chance(85)) b.raw(op.BPF_ALU | op.BPF_MOV | op.BPF_X, index, index);
    if (this.chance(15)) b.alu(op.BPF_MUL, index, 2);
    if (this.chance(20)) {
      b.store(op.BPF_DW, 10, -72, index);
      b.load(op.BPF_DW, index, 10, -72);
    }
    b.mov(1, base);
    if (onStack) b.alu(op.BPF_ADD, 1, -bytes);
    if (onStack && this.looping === 0 && this.chance(80)) b.alu(op.BPF_AND, index, -width);
    b.aluReg(op.BPF_ADD, 1, index);
    if (this.chance(50)) b.load(size, 2, 1, 0);
    else b.storeImm(size, 1, 0, this.constant());
    b.place(skip);
    this.saved[index] = { kind: "any", size: 0, map: -1 };
  }

  private conditional(): void {
    const b = this.b;
    if (this.depth >= 3) return this.arithmetic();
    this.depth++;
    const skip = b.label();
    const wide = this.chance(65);
    const r = this.scalarRegister();
    if (this.chance(75)) b.branch(this.pick(JUMPS), r, this.constant(), skip, wide);
    else b.branchReg(this.pick(JUMPS), r, this.scalarRegister(), skip, wide);
    const before = { ...this.saved };
    this.actions(1 + this.below(2));
    if (this.chance(25)) {
      const end = b.label();
      b.jump(end);
      b.place(skip);
      const after = this.saved;
      this.saved = { ...before };
      this.actions(1);
      b.place(end);
      this.saved = join(after, this.saved);
    } else {
      b.place(skip);
      this.saved = join(before, this.saved);
    }
    this.depth--;
  }

  private loop(): void {
    const b = this.b;
    if (this.depth >= 2) return this.arithmetic();
    this.depth++;
    const counter = this.scratchSaved();
    const top = b.label();
    const out = b.label();
    const style = this.chance(15) ? 3 : this.below(3);
    b.movImm(counter, 0);
    this.saved[counter] = { kind: "none", size: 0, map: -1 };
    const before = { ...this.saved };
    b.place(top);
    const bound = 1 + this.below(this.chance(90) ? 4 : 24);
    if (style === 3) b.mayGoto(out);
    this.looping++;
    this.actions(1);
    this.looping--;
    // A counter that a may_goto loop steps and that is compared later keeps the verifier walking to its limit.
    if (style !== 3 || this.chance(2))
      b.alu(op.BPF_ADD, counter, style !== 0 && this.chance(10) ? 2 : 1, this.chance(70));
    if (style === 0) b.branch(op.BPF_JNE, counter, bound, top);
    else if (style === 1) b.branch(op.BPF_JLT, counter, bound, top, this.chance(70));
    else if (style === 2) {
      const limit = this.saved[6]?.kind === "any" ? 6 : 0;
      if (limit === 0) b.movImm(0, bound);
      b.branchReg(op.BPF_JLT, counter, limit, top);
    } else b.jump(top);
    b.place(out);
    this.saved = join(before, this.saved);
    this.saved[counter] = { kind: style === 3 ? "any" : "small", size: 0, map: -1 };
    this.depth--;
  }

  private staticCall(): void {
    const b = this.b;
    const global = this.chance(30);
    const kind = global ? "global" : "static";
    const used =
      this.pending.filter((p) => p.kind === kind).length +
      this.functions.filter((f) => f.name.startsWith(kind[0]!)).length;
    if (used >= FUNCTION_TYPES[kind].length) return this.arithmetic();
    const label = b.label();
    const arg = this.scalarRegister();
    b.mov(1, arg);
    b.movImm(2, this.constant());
    b.call(label);
    const r = this.scratchSaved();
    b.mov(r, 0);
    this.saved[r] = { kind: "any", size: 0, map: -1 };
    this.pending.push({ label, kind, index: used, arg: "any" });
  }

  private loopHelper(): void {
    const b = this.b;
    const forEach = this.chance(40);
    const label = this.newCallback(forEach ? "lost" : "any");
    if (!label) return this.arithmetic();
    if (forEach) b.map(1, this.pick([ARR, HASH, LRU, this.chance(15) ? QUE : HASH]));
    else b.movImm(1, this.chance(90) ? this.below(10) : this.constant());
    b.functionAddress(2, label);
    if (this.chance(50)) b.movImm(3, 0);
    else {
      b.mov(3, 10);
      b.alu(op.BPF_ADD, 3, -8 * (1 + this.below(3)));
    }
    b.movImm(4, this.chance(95) ? 0 : 1);
    b.helper(forEach ? 164 : 181);
  }

  private timer(): void {
    const b = this.b;
    if (!this.mayUse(false)) return this.boundedAccess();
    const r = this.scratchSaved();
    const both = this.typeName !== "socket_filter" && this.chance(20);
    const index = both ? BOTH : TMR;
    const have = this.valueRegister();
    const value = have !== undefined && this.saved[have]!.map === index ? have : r;
    if (value === r) this.lookup(index, r);
    const at = both ? 0 : 8;
    const address = (): void => {
      b.mov(1, value);
      const off = this.chance(95) ? at : at + 8;
      if (off !== 0) b.alu(op.BPF_ADD, 1, off);
    };
    if (this.chance(60)) {
      address();
      b.map(2, this.chance(96) ? index : HASH);
      b.movImm(3, this.chance(90) ? 1 : this.constant());
      b.helper(169);
    }
    if (this.chance(70)) {
      const label = this.newCallback("value");
      if (label) {
        address();
        b.functionAddress(2, label);
        b.helper(170);
      }
    }
    if (this.chance(70)) {
      address();
      b.movImm(2, this.below(1000));
      b.movImm(3, 0);
      b.helper(171);
    }
    if (this.chance(30)) {
      address();
      b.helper(172);
    }
  }

  private lock(): void {
    const b = this.b;
    if (!this.mayUse(true)) return this.stackTraffic();
    const r = this.scratchSaved();
    const both = this.chance(20);
    const index = both ? BOTH : LCK;
    const at = both ? 16 : 0;
    this.lookup(index, r);
    b.mov(1, r);
    if (at) b.alu(op.BPF_ADD, 1, at);
    b.helper(93);
    for (let n = this.below(3); n > 0; n--) {
      if (this.chance(90)) this.accessValue(r);
      else this.arithmetic();
    }
    if (this.chance(94)) {
      b.mov(1, r);
      if (at) b.alu(op.BPF_ADD, 1, at);
      b.helper(94);
    }
  }

  private ringbuf(): void {
    const b = this.b;
    const size = this.pick([8, 16, 24]);
    if (this.chance(30)) {
      b.storeImm(op.BPF_DW, 10, -8, 1);
      b.map(1, RB);
      b.mov(2, 10);
      b.alu(op.BPF_ADD, 2, -8);
      if (this.chance(80)) b.movImm(3, this.pick([1, 4, 8, 8, 8, 16]));
      else b.mov(3, this.scalarRegister());
      b.movImm(4, 0);
      b.helper(130);
      return;
    }
    const r = this.scratchSaved();
    b.map(1, RB);
    b.movImm(2, size);
    b.movImm(3, 0);
    b.helper(131);
    const out = b.label();
    if (this.chance(95)) b.branch(op.BPF_JEQ, 0, 0, out);
    b.mov(r, 0);
    const keep = this.saved[r];
    this.saved[r] = { kind: "value", size, map: -1 };
    for (let n = this.below(3); n > 0; n--) this.accessValue(r);
    if (this.chance(94)) {
      b.mov(1, r);
      b.movImm(2, 0);
      b.helper(this.chance(70) ? 132 : 133);
    }
    b.place(out);
    this.saved[r] = keep && this.chance(10) ? keep : { kind: "lost", size: 0, map: -1 };
  }

  private packet(): void {
    const b = this.b;
    if (!["xdp", "sched_cls", "sched_act", "cgroup_skb"].includes(this.typeName) || this.saved[6]?.kind !== "ctx")
      return this.boundedAccess();
    const xdp = this.typeName === "xdp";
    b.load(op.BPF_W, 2, 6, xdp ? 0 : 76);
    b.load(op.BPF_W, 3, 6, xdp ? 4 : 80);
    const need = this.pick([1, 2, 4, 8, 14, 14, 34]);
    const out = b.label();
    if (this.chance(25)) {
      const index = this.scalarRegister();
      b.alu(op.BPF_AND, index, this.pick([7, 15, 0xff, 0xffff]));
      b.aluReg(op.BPF_ADD, 2, index);
    }
    b.mov(4, 2);
    b.alu(op.BPF_ADD, 4, need);
    if (this.chance(80)) b.branchReg(this.pick([op.BPF_JGT, op.BPF_JGT, op.BPF_JGE]), 4, 3, out);
    else b.branchReg(this.pick([op.BPF_JLT, op.BPF_JLE]), 3, 4, out);
    const size = this.pick(SIZES);
    const off = this.chance(85) ? this.below(Math.max(1, need - BYTES[size]! + 1)) : this.below(need + 4);
    if (this.typeName === "cgroup_skb" || this.chance(70)) b.load(size, 5, 2, off);
    else b.storeImm(size, 2, off, 1);
    b.place(out);
  }

  private context(): void {
    const b = this.b;
    if (this.saved[6]?.kind !== "ctx") return this.arithmetic();
    const r = this.scratchSaved();
    if (r === 6) return;
    const wide =
      this.typeName === "kprobe" ||
      this.typeName === "perf_event" ||
      this.typeName === "raw_tracepoint" ||
      this.typeName === "tracepoint";
    const size = this.chance(80) ? (wide ? op.BPF_DW : op.BPF_W) : this.pick(SIZES);
    const fields = this.typeName === "xdp" ? 6 : wide ? 12 : 17;
    b.load(
      size,
      r,
      6,
      this.chance(85)
        ? this.below(fields) * (wide ? 8 : 4) + (this.typeName === "tracepoint" ? 8 : 0)
        : this.below(200),
    );
    this.saved[r] = { kind: "lost", size: 0, map: -1 };
    if (this.chance(15)) b.store(op.BPF_W, 6, this.pick([8, 48, 52, 72, 0]), this.scalarRegister());
  }

  private atomics(): void {
    const b = this.b;
    const size = this.chance(80) ? op.BPF_DW : op.BPF_W;
    const operation = this.pick([0, 1, 0x40, 0x41, 0x50, 0x51, 0xa0, 0xa1, 0xe1, 0xf1, 0x100, 0x110]);
    const source = this.scalarRegister();
    const value = this.valueRegister();
    const base = value !== undefined && value !== source && this.chance(60) ? value : 10;
    const off = base === 10 ? -8 * (1 + this.below(3)) : 8;
    if (base === 10) b.storeImm(op.BPF_DW, 10, off, 0);
    if (operation === 0xf1) b.movImm(0, 0);
    if (operation === 0x100) b.raw(op.BPF_STX | op.BPF_ATOMIC | size, source, base, off, operation);
    else b.atomic(size, base, off, source, operation);
    this.saved[source] = { kind: "any", size: 0, map: -1 };
  }

  private otherHelper(): void {
    const b = this.b;
    const roll = this.below(8);
    if (roll === 0) {
      b.helper(8);
      const r = this.scratchSaved();
      b.mov(r, 0);
      this.saved[r] = { kind: "any", size: 0, map: -1 };
    } else if (roll < 3) {
      const index = this.pick([HASH, ARR, LRU, this.mayUse(false) ? TMR : ARR]);
      const map = UNIVERSE_MAPS[index]!;
      if (roll === 1) for (let off = 8; off <= map.valueSize; off += 8) b.storeImm(op.BPF_DW, 10, -8 - off, 0);
      this.key(map.keySize, map.maxEntries);
      b.map(1, index);
      b.mov(3, 10);
      b.alu(op.BPF_ADD, 3, -8 - map.valueSize);
      b.movImm(4, 0);
      b.helper(roll === 1 ? 2 : 3);
    } else if (roll === 3) {
      b.storeImm(op.BPF_DW, 10, -16, 0x0a6425);
      b.mov(1, 10);
      b.alu(op.BPF_ADD, 1, -16);
      b.movImm(2, this.chance(85) ? 4 : this.pick([0, 16, 17, -1]));
      b.movImm(3, 1);
      b.helper(6);
    } else if (roll === 4) {
      b.mov(1, 6);
      b.map(2, JMP);
      b.movImm(3, this.below(6));
      b.helper(12);
      b.movImm(0, 0);
    } else if (roll === 5) {
      b.map(1, QUE);
      b.storeImm(op.BPF_DW, 10, -8, 1);
      b.mov(2, 10);
      b.alu(op.BPF_ADD, 2, -8);
      b.movImm(3, 0);
      b.helper(this.pick([87, 88, 89]));
    } else if (roll === 6 && this.typeName !== "xdp" && this.typeName !== "syscall") {
      b.mov(1, 6);
      b.movImm(2, 0);
      b.storeImm(op.BPF_DW, 10, -8, 0);
      b.mov(3, 10);
      b.alu(op.BPF_ADD, 3, -16);
      const r = this.scalarRegister();
      if (this.chance(50)) b.movImm(4, 8);
      else {
        b.alu(op.BPF_AND, r, this.pick([7, 15, 31]));
        b.alu(op.BPF_ADD, r, this.below(3));
        b.mov(4, r);
      }
      b.helper(
        this.typeName.endsWith("probe") || this.typeName.includes("tracepoint") || this.typeName === "perf_event"
          ? 16
          : 26,
      );
    } else b.helper(this.pick([5, 7, 8, 14, 15, 35, 125, 118, 27, 34, 160]));
  }

  private oddities(): void {
    const b = this.b;
    const roll = this.below(6);
    if (roll === 0) b.mov(this.pick([0, 1, 2, 3, 4, 5, 6, 7, 8, 9]), this.pick([0, 1, 2, 3, 6, 7, 8, 9, 10]));
    else if (roll === 1) b.raw(this.below(256), this.below(11), this.below(11), this.below(4), this.below(3));
    else if (roll === 2) b.helper(this.below(213));
    else if (roll === 3) {
      b.raw(op.BPF_LD | op.BPF_ABS | this.pick([op.BPF_B, op.BPF_H, op.BPF_W]), 0, 0, 0, this.below(64));
    } else if (roll === 4) b.load(op.BPF_DW, this.pick([0, 7, 8]), this.pick([6, 7, 8, 9]), this.below(32));
    else b.storeImm(this.pick(SIZES), 10, -1 - this.below(520), 0);
  }
}

/** The program of a seed: always the same. About half of them are meant to be refused, each for one small reason. */
export function generateProgram(seed: number): GeneratedProgram {
  const generator = new Generator(seed);
  generator.program();
  const starts = generator.functions
    .map((f) => ({ insn: f.label.at, name: f.name, type: f.type }))
    .sort((x, y) => x.insn - y.insn);
  const insns = mutate(
    generator.b.finish(),
    starts.map((s) => s.insn),
    seed,
  );
  return {
    seed,
    type: PROG_TYPES[generator.typeName],
    typeName: generator.typeName,
    flags: generator.typeName === "syscall" ? BPF_F_SLEEPABLE : 0,
    insns,
    functions: starts,
  };
}
