import type { VariablePlace, VariableRange } from "../../btf/variable-table.ts";
import type { IrDebugRecord, IrModule } from "../../ir/module.ts";
import { type DebugValue, evaluateRecord } from "../../ir/testing/debug-value.ts";
import { BUFFER_BASE, IrInterpreter, type IrObserver } from "../../ir/testing/interpret-ir.ts";
import type { Executable } from "../../vm/executable.ts";
import { getRegister, makeVmFrame, type VmFrame } from "../../vm/frame.ts";
import { CALL_FUNCTION, HELPER, interpret, RETURN } from "../../vm/interpreter.ts";
import { GUEST_BASE, GUEST_HIGH } from "../../vm/memory.ts";
import type { StandaloneVm } from "../../vm/standalone.ts";
import { compileModule } from "../compile-module.ts";
import type { CompiledFunction, CompiledModule } from "../compiled-module.ts";
import { fragmentOf } from "../debug/expression.ts";
import type { LocatedVariable } from "../debug/locate.ts";
import { STACK_MESSAGE } from "../frame.ts";
import type { Mark } from "../machine.ts";
import type { CpuVersion } from "../select/module-context.ts";
import { writeObject } from "../write-object.ts";
import { linkObject } from "./link-object.ts";
import { helper, makeVm } from "./run.ts";

/** What a run of a compiled function said of its table of variables, against what the IR's own run says. */
export interface VariableCheck {
  /** Comparisons made, by kind of place. */
  readonly compared: Map<string, number>;
  readonly wrong: string[];
  /** Executed slots times variables in scope there, and how many of them had a place. */
  readonly asked: { told: number; all: number };
}

/** Visits of blocks after which a run is no longer followed: loops say the same again. */
const MAX_VISITS = 1500;
const STACK = 512 + 32;

/** Of a variable, or of its part: what the last debug record said, and the bytes at that moment where it lies in memory. */
interface Known {
  readonly record: IrDebugRecord;
  readonly value: DebugValue | null;
  readonly bytes: readonly (number | null)[];
}

type Variables = ReadonlyMap<string, Known>;

interface Visit {
  readonly block: number;
  /** From which instruction on which variables are known. */
  readonly states: { readonly from: number; readonly variables: Variables }[];
}

interface Invocation {
  readonly name: string;
  readonly visits: Visit[];
}

/** Runs the IR and notes what debug records say. */
class Recorder implements IrObserver {
  readonly invocations: Invocation[] = [];
  readonly #stack: Invocation[] = [];
  readonly #inlinedAt: (dbg: number) => number;
  readonly #judge: IrInterpreter;

  constructor(module: IrModule, judge: IrInterpreter) {
    this.#judge = judge;
    this.#inlinedAt = (dbg) => {
      const at = module.metadata.nodes.get(dbg)?.fields.get("inlinedAt");
      return at?.kind === "ref" ? at.id : -1;
    };
  }

  call(name: string): void {
    const invocation: Invocation = { name, visits: [] };
    this.invocations.push(invocation);
    this.#stack.push(invocation);
  }

  leave(): void {
    this.#stack.pop();
  }

  block(index: number): void {
    const { visits } = this.#stack[this.#stack.length - 1] as Invocation;
    if (visits.length > MAX_VISITS) return;
    const before = visits.at(-1)?.states.at(-1)?.variables ?? new Map();
    visits.push({ block: index, states: [{ from: 0, variables: this.#refresh(before) }] });
  }

  record(record: IrDebugRecord, values: readonly (bigint | null)[]): void {
    const { visits } = this.#stack[this.#stack.length - 1] as Invocation;
    if (visits.length > MAX_VISITS) return;
    const { states } = visits[visits.length - 1] as Visit;
    const last = states[states.length - 1] as Visit["states"][number];
    const fragment = fragmentOf(record.expression);
    const own = `${record.variable}:${this.#inlinedAt(record.dbg)}`;
    const next = new Map(last.variables);
    // What speaks of all of a variable ends what was said of its parts, and the other way round.
    for (const [key, known] of next) {
      if (!key.startsWith(`${own}/`)) continue;
      const old = fragmentOf(known.record.expression);
      const apart =
        fragment !== null &&
        old !== null &&
        (old.offset + old.bits <= fragment.offset || fragment.offset + fragment.bits <= old.offset);
      if (!apart) next.delete(key);
    }
    next.set(`${own}/${fragment?.offset ?? ""}`, { record, value: evaluateRecord(record, values), bytes: [] });
    const variables = this.#refresh(next);
    if (last.from === record.before) states[states.length - 1] = { from: last.from, variables };
    else states.push({ from: record.before, variables });
  }

  /** Reads again what lies in memory. */
  #refresh(variables: Variables): Variables {
    return new Map(
      [...variables].map(([key, known]) => {
        if (known.value?.memory !== true) return [key, known];
        const { value } = known.value;
        const bytes = Array.from({ length: 64 }, (_, i) => this.#judge.memory.get(value + BigInt(i)) ?? null);
        return [key, { ...known, bytes }];
      }),
    );
  }
}

interface Frame {
  readonly vm: VmFrame;
  readonly watched: Watched | null;
  readonly invocation: Invocation | null;
  visit: number;
  /** Slots with marks that this visit has come by. */
  readonly passed: Set<number>;
  index: number;
  /** Control has just come to `index`: memory is as it was there. */
  fresh: boolean;
}

/** Addresses differ between the two runs: where one region of memory lies in each. */
class Regions {
  readonly #known: { readonly ir: bigint; readonly size: bigint; readonly guest: bigint }[] = [];

  add(ir: bigint, size: number, guest: bigint): void {
    this.#known.push({ ir, size: BigInt(size), guest });
  }

  /** The guest's address for one of the IR's; null for memory that is not known on both sides. */
  guest(address: bigint): bigint | null {
    const region = this.#known.find((r) => address >= r.ir && address <= r.ir + r.size);
    return region === undefined ? null : region.guest + (address - region.ir);
  }
}

/** Addresses of the IR's run lie here: what is in this range is compared as an address. */
const isAddress = (value: bigint): boolean => value >= BUFFER_BASE && value < 0x4000_0000n;

export function makeCheck(): VariableCheck {
  return { compared: new Map(), wrong: [], asked: { told: 0, all: 0 } };
}

/** A module compiled once, for runs of its functions. */
export interface CheckedModule {
  readonly module: IrModule;
  readonly compiled: CompiledModule;
  readonly object: Uint8Array;
}

/** Null for a module that has no room in the frame. */
export function compileForCheck(module: IrModule, cpuVersion: CpuVersion): CheckedModule | null {
  const compiled = compileModule(module, cpuVersion);
  if (!compiled.ok && compiled.error.every((d) => d.message === STACK_MESSAGE)) return null;
  if (!compiled.ok) throw new Error(compiled.error[0]?.message);
  return { module, compiled: compiled.value, object: writeObject(compiled.value, () => null) };
}

/** Runs a function of a module in both ways, and compares each variable before each instruction. */
export function checkVariables(
  { module, compiled, object }: CheckedModule,
  entry: string,
  input: Uint8Array,
  check: VariableCheck,
): void {
  const judge = new IrInterpreter(module, helper);
  const recorder = new Recorder(module, judge);
  judge.observer = recorder;
  judge.place(input, BUFFER_BASE);
  judge.call(entry, [BUFFER_BASE]);

  const vm = makeVm();
  const at = vm.place(input, "buffer");
  const places = new Map<string, number>();
  const program = linkObject(object, entry, vm, places);
  const regions = new Regions();
  regions.add(BUFFER_BASE, input.length, GUEST_BASE + BigInt(at));
  for (const g of compiled.globals) {
    const ir = judge.globals.get(g.name);
    const guest = places.get(g.name);
    if (ir !== undefined && guest !== undefined) regions.add(ir, g.size, GUEST_BASE + BigInt(guest));
  }
  const functions = compiled.functions.map((fn) => new Watched(fn, places.get(fn.name) ?? -1));
  new Stepper(vm, program, functions, recorder.invocations, regions, places, check).run(GUEST_BASE + BigInt(at));
}

/** A function of the machine, and what its marks say by slot. */
class Watched {
  readonly fn: CompiledFunction;
  readonly start: number;
  readonly marks: ReadonlyMap<number, readonly Mark[]>;
  /** Blocks of the IR of which code is left. */
  readonly blocks: ReadonlySet<number>;

  constructor(fn: CompiledFunction, start: number) {
    this.fn = fn;
    this.start = start;
    const marks = new Map<number, readonly Mark[]>();
    const blocks = new Set<number>();
    for (const moment of fn.moments) {
      marks.set(moment.insn, [...(marks.get(moment.insn) ?? []), ...moment.marks]);
      for (const mark of moment.marks) if (mark.kind === "place") blocks.add(mark.block);
    }
    this.marks = marks;
    this.blocks = blocks;
  }
}

class Stepper {
  readonly #vm: StandaloneVm;
  readonly #program: Executable;
  readonly #functions: readonly Watched[];
  readonly #invocations: readonly Invocation[];
  readonly #regions: Regions;
  readonly #places: ReadonlyMap<string, number>;
  readonly #check: VariableCheck;
  #next = 0;

  constructor(
    vm: StandaloneVm,
    program: Executable,
    functions: readonly Watched[],
    invocations: readonly Invocation[],
    regions: Regions,
    places: ReadonlyMap<string, number>,
    check: VariableCheck,
  ) {
    this.#vm = vm;
    this.#program = program;
    this.#functions = functions;
    this.#invocations = invocations;
    this.#regions = regions;
    this.#places = places;
    this.#check = check;
  }

  run(r1: bigint): void {
    const { machine, memory } = this.#vm;
    const stack = memory.allocate(16 * STACK, "stack", "stack", null) as number;
    const first = makeVmFrame(0, 0, stack);
    first.lo[10] = stack + 512;
    first.hi[10] = GUEST_HIGH;
    first.lo[1] = Number(BigInt.asIntN(32, r1));
    first.hi[1] = Number(BigInt.asIntN(32, r1 >> 32n));
    const frames: Frame[] = [this.#frame(first)];
    for (let steps = 0; steps < 300_000; steps++) {
      const frame = frames[frames.length - 1] as Frame;
      this.#look(frame);
      const reason = interpret(machine, this.#program, frame.vm, 1);
      if (reason === RETURN) {
        frames.pop();
        const caller = frames[frames.length - 1];
        if (caller === undefined) return;
        caller.vm.lo[0] = frame.vm.lo[0] as number;
        caller.vm.hi[0] = frame.vm.hi[0] as number;
      } else if (reason === CALL_FUNCTION) {
        const callee = makeVmFrame(0, machine.callee, frame.vm.stack + STACK);
        callee.lo[10] = callee.stack + 512;
        callee.hi[10] = GUEST_HIGH;
        for (let r = 1; r <= 5; r++) {
          callee.lo[r] = frame.vm.lo[r] as number;
          callee.hi[r] = frame.vm.hi[r] as number;
        }
        frames.push(this.#frame(callee));
      } else if (reason === HELPER) this.#vm.helper(frame.vm, machine.callee);
      else if (machine.trap !== null) throw new Error(machine.trap.message);
    }
  }

  #frame(vm: VmFrame): Frame {
    const found = this.#functions.find((f) => f.start === vm.pc);
    const invocation = found === undefined ? null : (this.#invocations[this.#next++] ?? null);
    if (found !== undefined && invocation?.name !== found.fn.name) {
      throw new Error(`${found.fn.name} is called where the IR calls ${invocation?.name}`);
    }
    return { vm, watched: found ?? null, invocation, visit: -1, passed: new Set(), index: 0, fresh: false };
  }

  /** Follows the IR to where the machine is, and compares. */
  #look(frame: Frame): void {
    const { watched, invocation, vm } = frame;
    if (watched === null || invocation === null) return;
    const { fn, blocks } = watched;
    const slot = vm.pc - watched.start;
    frame.fresh = false;
    const marks = watched.marks.get(slot) ?? [];
    // Within one visit of a block no place comes twice.
    const again = frame.passed.has(slot);
    if (marks.length > 0) frame.passed.add(slot);
    for (const [i, mark] of marks.entries()) {
      if (mark.kind !== "place") continue;
      if (invocation.visits[frame.visit]?.block !== mark.block || (again && i === 0)) {
        // Blocks of which no code is left are passed over.
        do frame.visit++;
        while (frame.visit < invocation.visits.length && !blocks.has(invocation.visits[frame.visit]?.block as number));
        const visit = invocation.visits[frame.visit];
        if (visit !== undefined && visit.block !== mark.block) {
          throw new Error(`${fn.name}, slot ${slot}: at block ${mark.block}, the IR is at ${visit.block}`);
        }
        frame.passed.clear();
        frame.passed.add(slot);
        frame.index = mark.index;
        frame.fresh = mark.index === 0;
      } else if (mark.index !== frame.index) {
        frame.index = mark.index;
        frame.fresh = true;
      }
    }
    const visit = invocation.visits[frame.visit];
    if (visit === undefined || frame.visit >= MAX_VISITS) return;
    const state = visit.states.findLast((s) => s.from <= frame.index)?.variables ?? new Map();
    for (const variable of fn.variables) this.#compare(frame, slot, variable, state);
  }

  #compare(frame: Frame, slot: number, variable: LocatedVariable, state: Variables): void {
    const ranges = variable.ranges.filter((r) => r.first <= slot && slot <= r.last);
    for (const range of ranges) {
      this.#check.asked.all++;
      if (range.place.kind === "lost") continue;
      this.#check.asked.told++;
      const known = state.get(`${variable.id}:${variable.inlinedAt}/${range.part?.offset ?? ""}`);
      const where = `${frame.watched?.fn.name} slot ${slot}: ${variable.name} (${JSON.stringify(range.place, (_, v) => (typeof v === "bigint" ? String(v) : v))})`;
      if (known === undefined || known.value === null) {
        this.#check.wrong.push(`${where} is told, but the IR knows nothing of it`);
        continue;
      }
      const size = range.part?.bits ?? variable.size;
      const problem = known.value.memory
        ? this.#memoryProblem(frame, range, known, size)
        : this.#valueProblem(frame, range, known.value.value, size);
      if (problem === "skipped") continue;
      const { kind } = range.place;
      this.#check.compared.set(kind, (this.#check.compared.get(kind) ?? 0) + 1);
      if (problem !== null) this.#check.wrong.push(`${where}: ${problem}`);
    }
  }

  #valueProblem(frame: Frame, range: VariableRange, ir: bigint, size: number): string | null {
    const wide = this.#value(frame, range.place);
    if (wide === null) return "no value at its place";
    const low = BigInt.asUintN(range.bits, wide);
    const got = BigInt.asUintN(size, range.signed ? BigInt.asIntN(range.bits, low) : low);
    const wanted = BigInt.asUintN(size, ir);
    if (got === wanted) return null;
    if (size === 64 && isAddress(wanted)) {
      const guest = this.#regions.guest(wanted);
      if (guest === got) return null;
      if (guest === null) {
        // Memory of a frame: where it is seen first, it is from then on.
        this.#regions.add(wanted, 0, got);
        return null;
      }
    }
    return `0x${got.toString(16)}, the IR has 0x${wanted.toString(16)}`;
  }

  #memoryProblem(frame: Frame, range: VariableRange, known: Known, size: number): string | null | "skipped" {
    if (!frame.fresh) return "skipped";
    const address = this.#addressOf(frame, range.place);
    if (address === null) return "the variable lies in memory, and this is no address";
    const offset = Number(address - GUEST_BASE);
    for (let i = 0; i < Math.min(64, Math.ceil(size / 8)); i++) {
      const byte = known.bytes[i];
      const got = this.#vm.memory.bytes[offset + i];
      if (byte === null || byte === undefined || byte === got) continue;
      const pointer =
        size === 64 ? known.bytes.slice(0, 8).reduceRight((sum: bigint, b) => (sum << 8n) | BigInt(b ?? 0), 0n) : 0n;
      if (isAddress(pointer)) return "skipped";
      return `byte ${i} is ${got}, the IR has ${byte}`;
    }
    return null;
  }

  #value(frame: Frame, place: VariablePlace): bigint | null {
    const wrap = (x: bigint): bigint => BigInt.asUintN(64, x);
    switch (place.kind) {
      case "register":
        return wrap(getRegister(frame.vm, place.register) + place.add);
      case "stack":
        return wrap(this.#read(getRegister(frame.vm, 10) + BigInt(place.offset)) + place.add);
      case "constant":
        return wrap(place.value);
      case "frame":
        return wrap(getRegister(frame.vm, 10) + BigInt(place.offset));
      case "symbol": {
        const at = this.#places.get(place.symbol);
        return at === undefined ? null : wrap(GUEST_BASE + BigInt(at) + place.add);
      }
      default:
        return null;
    }
  }

  #addressOf(frame: Frame, place: VariablePlace): bigint | null {
    if (place.kind === "stack") return getRegister(frame.vm, 10) + BigInt(place.offset);
    return place.kind === "pointee" ? this.#value(frame, place.address) : null;
  }

  #read(address: bigint): bigint {
    return this.#vm.memory.view.getBigUint64(Number(BigInt.asUintN(64, address) - GUEST_BASE), true);
  }
}
