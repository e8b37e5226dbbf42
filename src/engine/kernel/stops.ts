import { isSigned, sizeOfType, skipModifiersAndTypedefs } from "../btf/layout.ts";
import type { BtfId } from "../btf/types.ts";
import { type Executable, lineAt } from "../vm/executable.ts";
import { getRegister, type VmFrame } from "../vm/frame.ts";
import type { Kernel } from "./kernel.ts";
import { bytesOf, cpuStride, hexOf, lookupValue } from "./maps/values.ts";
import type { BpfMap, Task } from "./state.ts";
import type { StopPoints, StopReport, Watch } from "./stop-points.ts";
import { numberText } from "./watch.ts";

/** Bytes of a value that a report shows when it is no number. */
const SHOWN_BYTES = 32;

type ValueWatch = Watch & { readonly kind: "value" };
type RegisterWatch = Watch & { readonly kind: "register" };

/**
 * Breakpoints and watches of whoever drives the kernel. They belong to no moment of the run and change nothing in it: a stop is
 * the end of a slice. While a kernel has any, the interpreter runs everything, one instruction at a time.
 */
export class Stops {
  /** Why the kernel stands still; {@link pass} lets it go on. */
  report: StopReport | null = null;
  readonly #points: StopPoints;
  readonly #registerWatches: readonly RegisterWatch[];
  readonly #valueWatches: readonly ValueWatch[];
  readonly #slots = new Map<Executable, Uint8Array>();
  /** Where tasks stood when the kernel was let go: it does not stop there again. */
  readonly #passed = new Set<string>();
  /** Watched values as last seen; null for those that are not there. */
  #values: (string | null)[] = [];
  #registers = new WeakMap<VmFrame, bigint[]>();

  constructor(kernel: Kernel, points: StopPoints) {
    this.#points = points;
    this.#registerWatches = points.watches.filter((w) => w.kind === "register");
    this.#valueWatches = points.watches.filter((w) => w.kind === "value");
    this.pass(kernel);
    this.settle(kernel);
  }

  /** Lets the kernel go on from where it stands. */
  pass(kernel: Kernel): void {
    this.report = null;
    this.#passed.clear();
    for (const task of kernel.state.tasks.values()) {
      const frame = task.frames.at(-1);
      if (frame?.kind === "vm") this.#passed.add(standing(task, frame));
    }
  }

  /** Another moment is shown: what is watched is as it is now. */
  settle(kernel: Kernel): void {
    this.#values = this.#valueWatches.map((watch) => readWatched(kernel, watch));
    this.#registers = new WeakMap();
  }

  /** Asked before each instruction; true: it is not to be executed yet. */
  before(kernel: Kernel, task: Task, frame: VmFrame): boolean {
    if (this.#registerChanged(kernel, frame) || this.valueChanged(kernel)) return true;
    const executable = kernel.executable(frame.program);
    if (this.#slotsOf(executable)[frame.pc] !== 1 || this.#passed.has(standing(task, frame))) return false;
    this.#stop(kernel, "breakpoint", null, null, null);
    return true;
  }

  /** Asked after each step, whoever made it. */
  valueChanged(kernel: Kernel): boolean {
    for (let i = 0; i < this.#valueWatches.length; i++) {
      const watch = this.#valueWatches[i] as ValueWatch;
      const now = readWatched(kernel, watch);
      const known = this.#values[i] ?? null;
      if (now === known) continue;
      this.#values[i] = now;
      this.#stop(kernel, "watch", watch, known, now);
      return true;
    }
    return false;
  }

  #registerChanged(kernel: Kernel, frame: VmFrame): boolean {
    if (this.#registerWatches.length === 0) return false;
    const { name } = kernel.executable(frame.program);
    const known = this.#registers.get(frame);
    const now = this.#registerWatches.map((watch) => getRegister(frame, watch.register));
    this.#registers.set(frame, now);
    if (known === undefined) return false;
    const at = this.#registerWatches.findIndex((watch, i) => watch.program === name && now[i] !== known[i]);
    if (at < 0) return false;
    const hex = (values: readonly bigint[]) => `0x${(values[at] as bigint).toString(16)}`;
    this.#stop(kernel, "watch", this.#registerWatches[at] as RegisterWatch, hex(known), hex(now));
    return true;
  }

  #stop(
    kernel: Kernel,
    reason: StopReport["reason"],
    watch: Watch | null,
    from: string | null,
    to: string | null,
  ): void {
    this.report = { reason, watch, from, to, cpu: kernel.cpu, place: kernel.place() };
  }

  #slotsOf(executable: Executable): Uint8Array {
    const known = this.#slots.get(executable);
    if (known !== undefined) return known;
    const slots = new Uint8Array(executable.insns.length);
    for (const point of this.#points.breakpoints) {
      if (point.kind === "line") for (const slot of slotsOfLine(executable, point.line)) slots[slot] = 1;
      else if (point.program === executable.name && point.insn < slots.length) slots[point.insn] = 1;
    }
    this.#slots.set(executable, slots);
    return slots;
  }
}

/** First slot of each stretch of instructions that a line of the source (no header) became, ascending. */
export function slotsOfLine(executable: Executable, line: number): number[] {
  const slots: number[] = [];
  const isOf = (slot: number): boolean => {
    const file = executable.lines[executable.lineOf[slot] ?? -1]?.file ?? "";
    return lineAt(executable, slot) === line && !/\.h$/.test(file);
  };
  for (let slot = 0; slot < executable.insns.length; slot++) {
    const begins = slot === 0 || executable.starts.includes(slot) || !isOf(slot - 1);
    if (begins && isOf(slot)) slots.push(slot);
  }
  return slots;
}

const standing = (task: Task, frame: VmFrame): string =>
  `${task.id} ${task.frames.length} ${frame.pc} ${frame.executed}`;

/** What a watch looks at, as text; null when there is no such map, element or member. */
function readWatched(kernel: Kernel, watch: ValueWatch): string | null {
  for (const map of kernel.state.maps.values()) {
    if (map.freed || map.name !== watch.map) continue;
    const key = bytesOf(watch.key);
    const at = key.length === map.keySize ? lookupValue(kernel, map, key, 0) : 0;
    const part = memberPlace(map, watch.member);
    if (at === 0 || part === null) continue;
    const stride = cpuStride(map);
    const copies = Array.from({ length: stride === 0 ? 1 : kernel.settings.cpus }, (_, cpu) =>
      bytesText(kernel.memory.slice(at + part.offset + cpu * stride, part.size), map, part.type),
    );
    return copies.join(", ");
  }
  return null;
}

function bytesText(bytes: Uint8Array, map: BpfMap, type: BtfId): string {
  if (bytes.length <= 8) return numberText(bytes, map.btf !== null && type !== 0 && isSigned(map.btf, type));
  // All bytes decide whether it has changed; so many are shown.
  return bytes.length <= SHOWN_BYTES
    ? hexOf(bytes)
    : `${hexOf(bytes, 0, SHOWN_BYTES)}… (sum ${bytes.reduce((sum, byte) => (sum * 31 + byte) >>> 0, 7)})`;
}

/** Where a member (a variable of a data section) lies in a value. */
function memberPlace(map: BpfMap, member: string): { offset: number; size: number; type: BtfId } | null {
  const { btf } = map;
  if (member === "") return { offset: 0, size: map.valueSize, type: map.shownValueType };
  if (btf === null) return null;
  const type = btf.types[skipModifiersAndTypedefs(btf, map.shownValueType)];
  if (type?.kind === "struct" || type?.kind === "union") {
    const found = type.members.find((m) => m.name === member);
    if (found === undefined) return null;
    return { offset: found.bitOffset >> 3, size: sizeOfType(btf, found.type) ?? 0, type: found.type };
  }
  if (type?.kind !== "datasec") return null;
  for (const v of type.vars) {
    const variable = btf.types[v.type];
    if (variable?.kind === "var" && variable.name === member)
      return { offset: v.offset, size: v.size, type: variable.type };
  }
  return null;
}
