import { BPF_LDX, BPF_ST, BPF_STX } from "../isa/opcodes.ts";
import type { Kernel, KernelEvent, Task } from "../kernel/api.ts";
import { copyPieces } from "../kernel/maps/copy-value.ts";
import { keyOfValue } from "../kernel/maps/values.ts";
import { elementLabel, ownerOf } from "../kernel/timers/timer-object.ts";
import { memberAt, numberText } from "../kernel/watch.ts";
import { GUEST_HIGH } from "../vm/memory.ts";

/** Milliseconds with what digits they need. */
const ms = (ns: number): string => `${Number((ns / 1e6).toFixed(3))} ms`;

/** What events call things, by the kernel's own names. */
export interface StepNames {
  map(id: number): string;
  program(id: number): string;
  /** `hmap[0]`, of an element, timer or work item, or of its node. */
  element(id: string): string;
}

export function namesOf(kernel: Kernel): StepNames {
  const map = (id: number) => kernel.state.maps.get(id)?.name ?? `map ${id}`;
  return {
    map,
    program: (id) => kernel.state.programs.get(id)?.name ?? `prog ${id}`,
    element: (id) => {
      const [mapId = "", key = ""] = id.replace(/^(?:element|timer|work|t|w):/, "").split(":");
      const found = kernel.state.maps.get(Number(mapId));
      return found === undefined ? "a timer outside every map" : elementLabel(found, key);
    },
  };
}

/** A node of the reference graph in words. */
export function nodeWords(node: string, names: StepNames): string {
  const [kind = "", id = "", rest = ""] = node.split(":");
  switch (kind) {
    case "prog":
      return `program ${names.program(Number(id))}`;
    case "map":
      return `map ${names.map(Number(id))}`;
    case "fd":
      return `fd ${rest}`;
    case "timer":
      return `the timer of ${names.element(node)}`;
    case "work":
      return `the work queue of ${names.element(node)}`;
    case "element":
      return names.element(node);
    default:
      return node.replace(":", " ");
  }
}

/** How much an event says of the step that it belongs to; 0: nothing that another does not say better. */
function weight(event: KernelEvent): number {
  switch (event.kind) {
    case "oops":
    case "leak":
      return 9;
    case "timer-fire":
    case "wq-run":
    case "timer-arm":
    case "timer-drop":
    case "wq-drop":
    case "wq-queue":
    case "value-write":
    case "element-delete":
    case "element-update":
      return 7;
    case "prog-free":
      return event.phase === "unreachable" ? 3 : 8;
    case "timer-cancel":
    case "wq-cancel":
    case "timer-init":
    case "wq-init":
    case "timer-free":
    case "wq-free":
    case "map-free":
    case "wait":
    case "walk":
    case "timer-return":
    case "wq-return":
    case "prog-end":
    case "prog-start":
      return 6;
    case "rcu-done":
    case "syscall":
      return 5;
    case "rcu-wait":
    case "trace":
    case "ringbuf":
    case "helper":
      return 4;
    case "timer-callback-set":
    case "wq-callback-set":
      return 2;
    case "release":
    case "hold":
      return event.count === "ref" ? 1 : 0;
    default:
      return 0;
  }
}

function eventWords(event: KernelEvent, names: StepNames): string {
  switch (event.kind) {
    case "syscall":
      return `${event.text} = ${event.errno === null ? event.retval : `-${event.errno}`}`;
    case "timer-fire":
      return `timer of ${names.element(event.timer)} expires, ${event.functionName} begins`;
    case "wq-run":
      return `work of ${names.element(event.work)}: ${event.functionName} begins`;
    case "timer-return":
      return `callback of ${names.element(event.timer)} returns`;
    case "wq-return":
      return `work of ${names.element(event.work)} returns`;
    case "prog-start":
      return `${names.program(event.prog)} begins`;
    case "prog-end":
      return `${names.program(event.prog)} returns ${event.retval}`;
    case "timer-arm":
      return `timer of ${names.element(event.timer)} armed${event.expires === null ? "" : `, due at ${ms(event.expires)}`}`;
    case "timer-init":
      return `timer of ${names.element(event.timer)} initialised: ${event.errno === null ? event.retval : `-${event.errno}`}`;
    case "wq-init":
      return `work queue of ${names.element(event.work)} initialised: ${event.errno === null ? event.retval : `-${event.errno}`}`;
    case "timer-callback-set":
      return `timer of ${names.element(event.timer)} will call ${event.functionName}`;
    case "wq-callback-set":
      return `work queue of ${names.element(event.work)} will call ${event.functionName}`;
    case "wq-queue":
      return `work of ${names.element(event.work)} queued`;
    case "timer-cancel":
      return `timer of ${names.element(event.timer)} ${event.wasQueued ? "taken out of its queue" : "was not queued: nothing to cancel"}`;
    case "wq-cancel":
      return `work of ${names.element(event.work)} ${event.wasQueued ? "taken out of its list" : "was not queued: nothing to cancel"}`;
    case "timer-drop":
      return `timer of ${names.element(event.timer)} leaves its element`;
    case "wq-drop":
      return `work queue of ${names.element(event.work)} leaves its element`;
    case "timer-free":
      return `timer of ${names.element(event.timer)} freed`;
    case "wq-free":
      return `work queue of ${names.element(event.work)} freed`;
    case "value-write": {
      const where = `${names.element(event.element)}${event.member === "" ? "" : `.${event.member}`}`;
      return `writes ${where}: ${event.from} → ${event.to}`;
    }
    case "element-update":
      return `${names.element(event.element)} ${event.created ? "created" : "written"}`;
    case "element-delete":
      return `${names.element(event.element)} deleted`;
    case "prog-free":
      switch (event.phase) {
        case "dying":
          return `program ${event.name} has lost its last reference`;
        case "unreachable":
          return `program ${event.name} can no longer be reached`;
        case "freed":
          return `program ${event.name} freed`;
      }
      break;
    case "map-free":
      return `map ${event.name} freed`;
    case "walk":
      return `walk of ${names.program(event.prog)}: ${names.element(event.element)} ${event.found ? "has a timer" : "has no timer"}`;
    case "rcu-wait":
      return `a grace period is awaited: ${event.what}`;
    case "rcu-done":
      return `grace period over: ${event.what}`;
    case "wait":
      return `waits for ${event.what}`;
    case "helper":
      return `${event.name}(${event.args.join(", ")}) = ${event.errno === null ? event.retval : `-${event.errno}`}`;
    case "trace":
      return `bpf_trace_printk: ${event.text}`;
    case "ringbuf":
      return `${names.map(event.map)} receives ${event.bytes} bytes`;
    case "hold":
      return `${nodeWords(event.holder, names)} takes a reference on ${nodeWords(event.target, names)}: ${event.value}`;
    case "release":
      return `${nodeWords(event.holder, names)} lets go of ${nodeWords(event.target, names)}: ${event.value}`;
    case "oops":
      return event.oops.message;
    case "leak":
      return `nothing outside holds ${event.loop.map((node) => nodeWords(node, names)).join(" → ")}`;
    default:
      return "";
  }
  return "";
}

/** What a step did, in one sentence of at most two parts: what matters most, in the order in which it happened. Empty: nothing was told. */
export function stepWords(events: readonly KernelEvent[], names: StepNames): string {
  const told = events.filter((event) => weight(event) > 0);
  const [first, second] = [...told].sort((a, b) => weight(b) - weight(a));
  const shown = told.filter((event) => event === first || (event === second && weight(event) >= 4));
  const helper = told.find((event) => event.kind === "helper");
  const words = shown
    .filter((event) => event !== helper || shown.length === 1)
    .map((event) => eventWords(event, names));
  const via = helper?.kind === "helper" && shown.some((event) => event !== helper) ? `${helper.name}: ` : "";
  return `${via}${[...new Set(words)].join("; ")}`;
}

/** What the next instruction of a task does with memory that others see; empty for anything else. */
export function accessWords(kernel: Kernel, task: Task): string {
  const frame = task.frames.at(-1);
  if (frame?.kind === "op" && frame.name === "copy-value") {
    const map = kernel.map(frame.data["map"]);
    const ends = copyPieces(map);
    const piece: number = frame.data["piece"];
    const end = ends[piece];
    if (end === undefined) return "";
    const where = elementLabel(map, keyOfValue(kernel, map, frame.data["at"]));
    return `writes ${where}, bytes ${ends[piece - 1] ?? 0} to ${end - 1}`;
  }
  if (frame?.kind !== "vm") return "";
  const executable = kernel.executable(frame.program);
  const op = executable.op[frame.pc] as number;
  if (op === 0x95) return "returns";
  const load = (op & 7) === BPF_LDX;
  if (!load && (op & 7) !== BPF_ST && (op & 7) !== BPF_STX) return "";
  const verb = load ? "reads" : "writes";
  const register = (load ? executable.src[frame.pc] : executable.dst[frame.pc]) as number;
  if (frame.hi[register] !== GUEST_HIGH) return `${verb} memory`;
  const at = ((frame.lo[register] as number) >>> 0) + (executable.off[frame.pc] as number);
  const owner = ownerOf(kernel, at);
  const object = kernel.memory.objectAt(at);
  if (owner === null) return `${verb} ${object?.label ?? "memory"}`;
  const { map, valueAt } = owner;
  const size = [4, 2, 1, 8][(op >> 3) & 3] as number;
  const member = map.btf === null ? null : memberAt(map.btf, map.shownValueType, at - valueAt, size);
  const where = `${elementLabel(map, keyOfValue(kernel, map, valueAt))}.${member?.path ?? `+${at - valueAt}`}`;
  if (!load || !kernel.memory.readable(at, size)) return `${verb} ${where}`;
  return `reads ${where}: ${numberText(kernel.memory.slice(at, size), false)}`;
}
