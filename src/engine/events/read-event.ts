import { errnoName } from "../abi/errno.ts";
import type { EventPlace, KernelEvent, KernelEventBody } from "../kernel/event-types.ts";
import * as layout from "./layout.ts";
import { hexWord, numberText, registerText } from "./number-text.ts";

/** What packed events name. */
export interface EventTables {
  readonly strings: readonly string[];
  /** Place n is at n - 1. */
  readonly places: readonly EventPlace[];
  other(index: number): KernelEventBody;
}

type Writer = (typeof layout.WRITERS)[number];

/** The event that is packed at slot `top`. */
export function readEvent(
  words: Float64Array,
  ints: Int32Array,
  top: number,
  seq: number,
  tables: EventTables,
): KernelEvent {
  const header = ints[2 * top] as number;
  const cpu = ((header >>> layout.KIND_BITS) & ((1 << layout.CPU_BITS) - 1)) - 1;
  const kind = header & ((1 << layout.KIND_BITS) - 1);
  const place = tables.places[(ints[2 * top + 1] as number) - 1];
  const body = readBody(kind, words, ints, top + layout.HEADER_SLOTS, tables);
  const base = { seq, at: words[top + 1] as number, cpu: cpu < 0 ? null : cpu };
  return place === undefined ? { ...body, ...base } : { ...body, ...base, place };
}

function readBody(
  kind: number,
  words: Float64Array,
  ints: Int32Array,
  slot: number,
  tables: EventTables,
): KernelEventBody {
  const a = (n: number): number => ints[2 * (slot + n)] as number;
  const b = (n: number): number => ints[2 * (slot + n) + 1] as number;
  const number = (n: number): number => words[slot + n] as number;
  const text = (n: number): string => tables.strings[n] as string;
  const orNull = (n: number): number | null => (n < 0 ? null : n);
  switch (kind) {
    case layout.HELPER:
      return readHelper(ints, slot, tables.strings);
    case layout.VALUE_WRITE: {
      const rest = layout.elementSlots(b(0));
      const signed = (a(rest) & 1) !== 0;
      const shown = (n: number): string => numberText(a(rest + n), b(rest + n), b(rest), signed);
      return {
        kind: "value-write",
        map: a(0),
        element: elementAt(ints, slot),
        member: text(a(rest) >> 1),
        from: shown(1),
        to: shown(2),
      };
    }
    case layout.ELEMENT_UPDATE: {
      const rest = layout.elementSlots(b(0));
      const by = layout.WRITERS[a(rest)] as "program" | "user";
      return { kind: "element-update", map: a(0), element: elementAt(ints, slot), by, created: b(rest) !== 0 };
    }
    case layout.ELEMENT_DELETE: {
      const by = layout.WRITERS[a(layout.elementSlots(b(0)))] as Writer;
      return { kind: "element-delete", map: a(0), element: elementAt(ints, slot), by };
    }
    case layout.PROG_START:
      return {
        kind: "prog-start",
        prog: a(0),
        run: b(0),
        source: layout.SOURCES[a(1)] as (typeof layout.SOURCES)[number],
      };
    case layout.PROG_END:
      return { kind: "prog-end", prog: a(0), run: b(0), retval: String(number(1)) };
    case layout.TIMER_INIT: {
      const retval = a(1);
      const clock = layout.CLOCKS[b(0)] as (typeof layout.CLOCKS)[number];
      const errno = retval < 0 ? (errnoName(retval) ?? null) : null;
      return { kind: "timer-init", timer: text(a(0)), clock, retval, errno };
    }
    case layout.TIMER_CALLBACK_SET:
      return { kind: "timer-callback-set", timer: text(a(0)), prog: b(0), functionName: text(a(1)) };
    case layout.TIMER_ARM:
      return {
        kind: "timer-arm",
        timer: text(a(0)),
        expires: orNull(number(1)),
        was: orNull(number(2)),
        onCpu: b(0),
      };
    case layout.TIMER_CANCEL:
      return { kind: "timer-cancel", timer: text(a(0)), wasQueued: b(0) !== 0 };
    case layout.TIMER_FIRE:
      return { kind: "timer-fire", timer: text(a(0)), run: a(1), functionName: text(b(0)), late: number(2) };
    case layout.TIMER_RETURN:
      return { kind: "timer-return", timer: text(a(0)), run: b(0), retval: String(number(1)) };
    case layout.HOLD:
    case layout.RELEASE:
      return {
        kind: kind === layout.HOLD ? "hold" : "release",
        holder: text(a(0)),
        target: `${layout.OBJECTS[b(0) >> 1]}:${a(1)}`,
        count: (b(0) & 1) !== 0 ? "user" : "ref",
        value: b(1),
      };
    case layout.TIMER_DROP:
      return { kind: "timer-drop", timer: text(a(0)), why: text(b(0)) as never };
    case layout.TIMER_FREE:
      return { kind: "timer-free", timer: text(a(0)) };
    case layout.RCU_WAIT:
      return { kind: "rcu-wait", what: text(a(0)) };
    case layout.RCU_DONE:
      return { kind: "rcu-done", what: text(a(0)) };
    default:
      return tables.other(a(0));
  }
}

/** `MAPID:KEYHEX` of the element at a slot. */
function elementAt(ints: Int32Array, slot: number): string {
  const size = ints[2 * slot + 1] as number;
  let key = "";
  for (let i = 0; i < size; i += 4) key += hexWord(ints[2 * slot + 2 + (i >> 2)] as number, Math.min(4, size - i));
  return `${ints[2 * slot]}:${key}`;
}

function readHelper(ints: Int32Array, slot: number, strings: readonly string[]): KernelEventBody {
  const labelled = ints[2 * slot + 2] as number;
  const count = ints[2 * slot + 3] as number;
  const register = (n: number, bit: number): string => {
    const low = ints[2 * (slot + 2 + n)] as number;
    const high = ints[2 * (slot + 2 + n) + 1] as number;
    if (((labelled >> bit) & 1) === 0) return registerText(low, high);
    // A label: its number, and how far behind the start of what it names.
    return low === 0 ? (strings[high] as string) : `${strings[high]}+${low}`;
  };
  const low = ints[2 * (slot + 2 + count)] as number;
  const high = ints[2 * (slot + 2 + count) + 1] as number;
  const plain = ((labelled >> layout.RESULT_BIT) & 1) === 0;
  return {
    kind: "helper",
    name: strings[ints[2 * slot] as number] as string,
    id: ints[2 * slot + 1] as number,
    args: Array.from({ length: count }, (_, i) => register(i, i)),
    retval: register(count, layout.RESULT_BIT),
    errno: plain && high === -1 && low < 0 ? (errnoName(low) ?? null) : null,
  };
}
