import {
  BPF_ALU,
  BPF_ALU64,
  BPF_LDX,
  BPF_ST,
  BPF_STX,
  CALL,
  EXIT,
  LD_IMM64,
  MAY_GOTO,
  R10,
} from "../../isa/opcodes.ts";
import type { Executable } from "../executable.ts";
import { type Continuation, isReached, partFrom, suspendable } from "./continuation.ts";
import { analyseControlFlow, type Block, type ControlFlow } from "./control-flow.ts";
import { emitAlu } from "./emit-alu.ts";
import { emitCall } from "./emit-call.ts";
import { emitCondition } from "./emit-jump.ts";
import { emitMemory } from "./emit-memory.ts";
import { FunctionCode, type JitInfo, type ModuleParts } from "./function-code.ts";
import { finderBody } from "./hash-search.ts";
import {
  I32_LOCALS,
  I64_LOCALS,
  IMPORTS,
  type ImportName,
  importIndex,
  MARK_LOCAL,
  MAY_GOTO_LOCAL,
  NEXT_LOCAL,
  REGISTERS_AT,
  ROTATE_LOCALS,
} from "./layout.ts";
import { liveAtStart } from "./liveness.ts";
import { addressChains, emitLowHalf } from "./low-halves.ts";
import { Provenance, Registers } from "./provenance.ts";
import { Rotations } from "./rotations.ts";
import { emitDispatch, emitStructured } from "./structure.ts";
import * as w from "./wasm-code.ts";

export interface CompiledProgram {
  /** The module. It imports `env.memory` and the functions of `layout.ts`. */
  readonly bytes: Uint8Array;
  /** Slots of the functions that can be entered from outside, as `fSLOT`: the program and its callbacks. */
  readonly entries: readonly number[];
  /** The slot at which a function may be entered besides, as `cSLOT`; null when there is none. */
  readonly continues: number | null;
  /** Functions that only hand over to the interpreter, by slot. */
  readonly interpreted: readonly number[];
  /** Functions that jump by table, since their graph is irreducible. */
  readonly dispatched: readonly number[];
  /** As {@link JitInfo} gave them. */
  readonly frameStride: number;
  readonly watched: boolean;
}

/** V8 takes jump tables of up to 65,520 entries. */
const MAX_DISPATCHED = 60_000;
/** V8 refuses a function body beyond this many bytes; a safe distance is kept. */
const MAX_BODY = 6_000_000;

/** Indices of the module's function types; those of the imports follow, one for each number of parameters. */
const TYPE = { func: 0, spill: 1, entry: 2, finder: 3, imports: 4 } as const;
const ARITIES = [...new Set(IMPORTS.map(([, arity]) => arity))];
/** Type of imports that take a slot and a stack. */
const PLACE_TYPE = TYPE.imports + ARITIES.indexOf(2);
/** Functions of a module that are no functions of the program: those that spill, resume, refuel and suspend. */
const OWN_FUNCTIONS = 4;

/**
 * Compiles a program to one WebAssembly module. Never fails: what it cannot compile, the interpreter runs. `again`: the place at which
 * a function is to be entered that was left there.
 */
export function compileProgram(program: Executable, info: JitInfo, again: Continuation | null = null): CompiledProgram {
  const starts = program.starts;
  const spill = IMPORTS.length;
  const entries = entriesOf(program);
  const finders: number[] = [];
  const flows = new Map(starts.map((start) => [start, analyseControlFlow(program, start)]));
  const parts: ModuleParts = {
    program,
    info,
    functions: new Map(starts.map((start, i) => [start, spill + OWN_FUNCTIONS + i])),
    spill,
    resume: spill + 1,
    refuel: spill + 2,
    suspend: spill + 3,
    suspends: suspendable(program, flows, (flow) => compilable(program, flow)),
    finder: (keySize) => {
      if (!finders.includes(keySize)) finders.push(keySize);
      const own = again === null ? 0 : 2;
      return spill + OWN_FUNCTIONS + starts.length + entries.length + own + finders.indexOf(keySize);
    },
  };
  const provenance = new Provenance(program, flows);
  const interpreted: number[] = [];
  const dispatched: number[] = [];
  const bodies: Uint8Array[] = [spillBody(), callBody("resume"), callBody("refuel"), callBody("suspend")];
  for (const start of starts) {
    const flow = flows.get(start) as ControlFlow;
    let body: Uint8Array | null = null;
    if (compilable(program, flow) && (flow.reducible || flow.blocks.length <= MAX_DISPATCHED)) {
      if (!flow.reducible) dispatched.push(start);
      body = functionBody(parts, flow, provenance, provenance.blocks(start), -1);
    }
    if (body === null || body.length > MAX_BODY) {
      interpreted.push(start);
      body = handOver(parts, start);
    }
    bodies.push(body);
  }
  for (const entry of entries) bodies.push(entryBody(parts.functions.get(entry) as number));
  const continued = again === null ? null : continuationBody(parts, flows, provenance, again, interpreted);
  if (again !== null) {
    bodies.push(entryBody(spill + OWN_FUNCTIONS + starts.length + entries.length + 1));
    bodies.push(continued ?? handOver(parts, again.entry));
  }
  for (const keySize of finders) bodies.push(finderBody(keySize));
  const types = [
    TYPE.spill,
    PLACE_TYPE,
    PLACE_TYPE,
    PLACE_TYPE,
    ...starts.map(() => TYPE.func),
    ...entries.map(() => TYPE.entry),
    ...(again === null ? [] : [TYPE.entry, TYPE.func]),
    ...finders.map(() => TYPE.finder),
  ];
  const continues = continued === null ? null : (again?.slot ?? null);
  const names = entries.map((entry) => `f${entry}`);
  if (continues !== null) names.push(`c${continues}`);
  const bytes = moduleBytes(types, names, spill + OWN_FUNCTIONS + starts.length, bodies);
  return { bytes, entries, continues, interpreted, dispatched, frameStride: info.frameStride, watched: info.watched };
}

/** The rest of a function, from where it was left; null when it cannot be compiled. */
function continuationBody(
  parts: ModuleParts,
  flows: ReadonlyMap<number, ControlFlow>,
  provenance: Provenance,
  again: Continuation,
  interpreted: readonly number[],
): Uint8Array | null {
  const whole = flows.get(again.entry);
  if (whole === undefined || interpreted.includes(again.entry)) return null;
  if (!isReached(parts.program, whole, again.slot)) return null;
  const { flow, at } = partFrom(parts.program, whole, provenance, again);
  if (!flow.reducible && flow.blocks.length > MAX_DISPATCHED) return null;
  const body = functionBody(parts, flow, provenance, at, again.slot);
  return body.length > MAX_BODY ? null : body;
}

/** The program itself, and every function that it takes the address of. */
function entriesOf(program: Executable): number[] {
  const called = new Set<number>();
  for (let i = 0; i < program.op.length; i++) {
    if (program.op[i] === LD_IMM64) i++;
    else if (program.op[i] === CALL && program.src[i] === 1) called.add(i + 1 + (program.imm[i] as number));
  }
  return program.starts.filter(
    (start) => start === program.starts[0] || !called.has(start) || pointedTo(program, start),
  );
}

function pointedTo(program: Executable, start: number): boolean {
  for (let i = 0; i < program.op.length; i++) {
    if (program.op[i] !== LD_IMM64) continue;
    if (program.src[i] === 4 && i + 1 + (program.insns[i]?.imm ?? 0) === start) return true;
    i++;
  }
  return false;
}

/** Register numbers beyond r10, and writes to r10, are left to the interpreter. */
function compilable(program: Executable, flow: ControlFlow): boolean {
  for (const block of flow.blocks) {
    for (let i = block.start; i < block.end; i++) {
      const op = program.op[i] as number;
      const d = program.dst[i] as number;
      if (d > R10 || (op !== LD_IMM64 && op !== CALL && (program.src[i] as number) > R10)) return false;
      const group = op & 7;
      const writes = group === BPF_ALU || group === BPF_ALU64 || group === BPF_LDX || op === LD_IMM64;
      if (writes && d === R10) return false;
      if (group === BPF_STX && (op & 0xe0) === 0xc0) {
        const imm = program.imm[i] as number;
        if (imm === 0x100 ? d === R10 : (imm & 1) !== 0 && program.src[i] === R10) return false;
      }
      if (op === LD_IMM64) i++;
    }
  }
  return true;
}

/** `at`: registers at the start of each block. `from`: the slot that it is entered again at; -1 for a function from its start. */
function functionBody(
  parts: ModuleParts,
  flow: ControlFlow,
  provenance: Provenance,
  at: readonly Registers[],
  from: number,
): Uint8Array {
  const { program } = parts;
  const hasLoops = flow.loopHeader.some((header) => header);
  const mayGoto = flow.blocks.some((b) => b.end > b.start && program.op[b.end - 1] === MAY_GOTO);
  const f = new FunctionCode(parts, hasLoops, mayGoto, from);
  const { code } = f;
  locals(code);
  f.prologue();
  const live = liveAtStart(program, flow, parts.info.access === "bare");
  const now = new Registers();
  f.registers = now;
  const block = (b: number): Block => flow.blocks[b] as Block;
  const rotations = new Rotations(f);
  const lows = new Int32Array(flow.blocks.length);
  const emitter = {
    code,
    nextLocal: NEXT_LOCAL,
    spend: (b: number, rounds: number) => f.spend((flow.loopSize[b] as number) * rounds),
    refuel: (b: number) => f.refuel(block(b).start, live[b]),
    copies: (b: number) => copiesOf(program, flow, b),
    body: (b: number) => {
      const { start, end, exit } = block(b);
      now.assign(at[b] as Registers);
      const last = exit.kind === "branch" ? end - 1 : end;
      const before = flow.onlyPredecessor[b] as number;
      f.lows = before < 0 ? 0 : (lows[before] as number);
      const chains = addressChains(program, block(b));
      rotations.begin(program, block(b));
      for (let i = start; i < last; i++) {
        if (chains[i - start] === 1) emitLowHalf(f, i);
        if (!rotations.before(program, i)) instruction(f, i);
        rotations.after(program, i);
        if (chains[i - start] === 1) f.keepLow(program.dst[i] as number);
        provenance.step(now, i);
        if (program.op[i] === LD_IMM64) i++;
      }
      lows[b] = f.lows;
      if (exit.kind === "exit") f.return();
      else if (exit.kind === "leave") f.resume(exit.at);
    },
    condition: (b: number) => {
      const i = block(b).end - 1;
      const op = program.op[i] as number;
      if (op === MAY_GOTO) mayGotoCondition(code);
      else if (f.foundAt === i - 1 && testsForNull(program, i)) {
        code.get(MARK_LOCAL);
        if (op === 0x15) code.byte(w.I32_EQZ);
      } else emitCondition(code, op, program.dst[i] as number, program.src[i] as number, program.imm[i] as number);
    },
  };
  if (flow.reducible) emitStructured(flow, emitter);
  else emitDispatch(flow, emitter);
  code.byte(w.END);
  return code.take();
}

/** A loop without inner loops and calls is unrolled to about this many instructions, and at most so often. */
const UNROLLED_SIZE = 64;
const MAX_COPIES = 4;

function copiesOf(program: Executable, flow: ControlFlow, header: number): number {
  if (flow.outerLoop.includes(header)) return 1;
  for (let b = header; b < flow.blocks.length; b++) {
    if (flow.loopOf[b] !== header) continue;
    const { start, end } = flow.blocks[b] as Block;
    for (let i = start; i < end; i++) if (program.op[i] === CALL) return 1;
  }
  return Math.max(1, Math.min(MAX_COPIES, Math.floor(UNROLLED_SIZE / (flow.loopSize[header] as number))));
}

/** `if r0 == 0` or `if r0 != 0`. */
function testsForNull(program: Executable, i: number): boolean {
  const op = program.op[i];
  return (op === 0x15 || op === 0x55) && program.dst[i] === 0 && program.imm[i] === 0;
}

/** Taken when the budget is used up; else it shrinks by one. */
function mayGotoCondition(code: w.WasmCode): void {
  code.get(MAY_GOTO_LOCAL);
  code.byte(w.I32_EQZ);
  code.byte(w.IF);
  code.byte(w.I32);
  code.i32(1);
  code.byte(w.ELSE);
  code.get(MAY_GOTO_LOCAL);
  code.i32(1);
  code.byte(w.I32_SUB);
  code.set(MAY_GOTO_LOCAL);
  code.i32(0);
  code.byte(w.END);
}

/** One instruction that is no jump. */
function instruction(f: FunctionCode, slot: number): void {
  const { program, code } = f;
  const op = program.op[slot] as number;
  const d = program.dst[slot] as number;
  let known = false;
  switch (op & 7) {
    case BPF_ALU:
    case BPF_ALU64:
      known = emitAlu(
        code,
        op,
        d,
        program.src[slot] as number,
        program.off[slot] as number,
        program.imm[slot] as number,
        f.registers?.narrow ?? 0,
      );
      f.forgetLow(d);
      break;
    case BPF_LDX:
    case BPF_ST:
    case BPF_STX:
      known = emitMemory(f, slot);
      break;
    default:
      if (op === LD_IMM64) {
        const high = BigInt(program.immHigh[slot] as number);
        code.i64Big((high << 32n) | BigInt((program.imm[slot] as number) >>> 0));
        f.set(d);
        known = true;
      } else if (op === CALL) known = emitCall(f, slot);
      else if (op === EXIT || (op & 7) === 5 || (op & 7) === 6) known = true;
      else if ((op & 7) === 0 && (op >> 5 === 1 || op >> 5 === 2)) {
        f.packetLoad(slot);
        known = true;
      }
  }
  if (!known) f.single(slot);
}

function locals(code: w.WasmCode): void {
  code.u32(4);
  for (const [count, type] of [
    [I64_LOCALS, w.I64],
    [I32_LOCALS, w.I32],
    [ROTATE_LOCALS, w.I64],
    [ROTATE_LOCALS, w.I32],
  ] as const) {
    code.u32(count);
    code.byte(type);
  }
}

/** A function that the interpreter runs as a whole. */
function handOver(parts: ModuleParts, start: number): Uint8Array {
  const f = new FunctionCode(parts, false, false);
  locals(f.code);
  f.prologue();
  f.resume(start);
  f.code.byte(w.END);
  return f.code.take();
}

/** (r0..r10): writes all of them to the area. */
function spillBody(): Uint8Array {
  const code = new w.WasmCode();
  code.u32(0);
  for (let r = 0; r <= R10; r++) {
    code.i32(0);
    code.get(r);
    code.memory(w.I64_STORE, REGISTERS_AT + 8 * r);
  }
  code.byte(w.END);
  return code.take();
}

/** (slot, stack) -> what the import of that name returns. */
function callBody(name: ImportName): Uint8Array {
  const code = new w.WasmCode();
  code.u32(0);
  code.get(0);
  code.get(1);
  code.call(importIndex(name));
  code.byte(w.END);
  return code.take();
}

/** (stack): r1..r5 from the area, r0 to it. */
function entryBody(func: number): Uint8Array {
  const code = new w.WasmCode();
  code.u32(0);
  code.i32(0);
  for (let r = 1; r <= 5; r++) {
    code.i32(0);
    code.memory(w.I64_LOAD, REGISTERS_AT + 8 * r);
  }
  code.get(0);
  code.call(func);
  code.memory(w.I64_STORE, REGISTERS_AT);
  code.byte(w.END);
  return code.take();
}

function section(module: w.WasmCode, id: number, fill: (code: w.WasmCode) => void): void {
  const code = new w.WasmCode();
  fill(code);
  module.byte(id);
  module.sized(code.take());
}

/** `names`: of the functions from `firstEntry` on, for the host. */
function moduleBytes(
  types: readonly number[],
  names: readonly string[],
  firstEntry: number,
  bodies: readonly Uint8Array[],
): Uint8Array {
  const module = new w.WasmCode();
  for (const byte of [0x00, 0x61, 0x73, 0x6d, 1, 0, 0, 0]) module.byte(byte);
  section(module, 1, (code) => {
    const type = (params: readonly number[], results: readonly number[]): void => {
      code.byte(0x60);
      code.u32(params.length);
      for (const p of params) code.byte(p);
      code.u32(results.length);
      for (const r of results) code.byte(r);
    };
    code.u32(TYPE.imports + ARITIES.length);
    type([w.I64, w.I64, w.I64, w.I64, w.I64, w.I32], [w.I64]);
    type(new Array<number>(11).fill(w.I64), []);
    type([w.I32], []);
    type([w.I32, w.I32, w.I32], [w.I32]);
    for (const arity of ARITIES) type(new Array<number>(arity).fill(w.I32), [w.I32]);
  });
  section(module, 2, (code) => {
    code.u32(1 + IMPORTS.length);
    code.name("env");
    code.name("memory");
    code.byte(2);
    code.byte(0);
    code.u32(1);
    for (const [name, arity] of IMPORTS) {
      code.name("env");
      code.name(name);
      code.byte(0);
      code.u32(TYPE.imports + ARITIES.indexOf(arity));
    }
  });
  section(module, 3, (code) => {
    code.u32(types.length);
    for (const type of types) code.u32(type);
  });
  section(module, 7, (code) => {
    code.u32(names.length);
    names.forEach((name, i) => {
      code.name(name);
      code.byte(0);
      code.u32(firstEntry + i);
    });
  });
  section(module, 10, (code) => {
    code.u32(bodies.length);
    for (const body of bodies) code.sized(body);
  });
  return module.take().slice();
}
