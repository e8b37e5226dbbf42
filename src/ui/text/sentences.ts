import type { KernelEvent } from "../../protocol/engine-types.ts";
import { formatMoment, formatSpan } from "./format.ts";
import type { Names } from "./names.ts";

/** One plain sentence per event; also what a screen reader says. */
export interface Part {
  readonly text: string;
  readonly code?: true;
  readonly tone?: "dim" | "bad";
}

export type EventGroup = "user" | "program" | "timer" | "map" | "reference" | "helper" | "trace" | "fault";

export const EVENT_GROUPS: readonly { readonly id: EventGroup; readonly label: string; readonly hint: string }[] = [
  { id: "user", label: "User space", hint: "system calls, loads, attachments" },
  { id: "program", label: "Programs", hint: "starts and returns" },
  { id: "timer", label: "Timers", hint: "timers and work queues: init, arm, fire, cancel, free" },
  { id: "map", label: "Maps", hint: "elements and values" },
  { id: "reference", label: "References", hint: "taken and dropped, walks, grace periods" },
  { id: "helper", label: "Helper calls", hint: "every call with its return code" },
  { id: "trace", label: "Trace", hint: "bpf_printk and ring buffers" },
  { id: "fault", label: "Faults", hint: "oops and leaks" },
];

export type EventGlyph =
  | "fire"
  | "armed"
  | "ring"
  | "init"
  | "freed"
  | "element"
  | "return"
  | "program"
  | "user"
  | "reference"
  | "helper"
  | "trace"
  | "wait"
  | "bad";

const c = (text: string): Part => ({ text, code: true });
const t = (text: string): Part => ({ text });
const dim = (text: string): Part => ({ text, tone: "dim" });
const code = (retval: string | number, errno: string | null): Part =>
  errno ? { text: ` = −${errno}`, tone: "bad" } : dim(` = ${retval}`);

export function groupOf(event: KernelEvent): EventGroup {
  switch (event.kind) {
    case "syscall":
    case "prog-load":
    case "map-create":
      return "user";
    case "prog-start":
    case "prog-end":
    case "prog-free":
      return "program";
    case "timer-init":
    case "timer-callback-set":
    case "timer-arm":
    case "timer-cancel":
    case "timer-fire":
    case "timer-return":
    case "timer-drop":
    case "timer-free":
    case "wq-init":
    case "wq-callback-set":
    case "wq-queue":
    case "wq-cancel":
    case "wq-run":
    case "wq-return":
    case "wq-drop":
    case "wq-free":
      return "timer";
    case "element-update":
    case "element-delete":
    case "value-write":
    case "map-free":
      return "map";
    case "hold":
    case "release":
    case "walk":
    case "rcu-wait":
    case "rcu-done":
    case "wait":
      return "reference";
    case "helper":
      return "helper";
    case "trace":
    case "ringbuf":
      return "trace";
    case "oops":
    case "leak":
      return "fault";
  }
}

export function glyphOf(event: KernelEvent): EventGlyph {
  switch (event.kind) {
    case "syscall":
      return "user";
    case "prog-load":
    case "prog-start":
      return "program";
    case "prog-end":
    case "timer-return":
    case "wq-return":
      return "return";
    case "prog-free":
    case "map-free":
    case "timer-free":
    case "timer-drop":
    case "wq-free":
    case "wq-drop":
      return "freed";
    case "map-create":
    case "element-update":
    case "element-delete":
    case "value-write":
      return "element";
    case "timer-init":
    case "timer-callback-set":
    case "wq-init":
    case "wq-callback-set":
      return "init";
    case "timer-arm":
    case "wq-queue":
      return "armed";
    case "timer-cancel":
    case "wq-cancel":
      return "ring";
    case "timer-fire":
    case "wq-run":
      return "fire";
    case "hold":
    case "release":
    case "walk":
      return "reference";
    case "rcu-wait":
    case "rcu-done":
    case "wait":
      return "wait";
    case "helper":
      return "helper";
    case "trace":
    case "ringbuf":
      return "trace";
    case "oops":
    case "leak":
      return "bad";
  }
}

const DROPPED: Record<Extract<KernelEvent, { kind: "timer-drop" }>["why"], string> = {
  delete: "its element was deleted",
  update: "its element was overwritten",
  eviction: "its element was evicted",
  "last-user-reference": "the last user reference of the map went",
  "program-free": "its program is being freed",
  "map-free": "its map is being freed",
  "cancel-and-free": "it is cancelled and freed",
};

const by = (who: "program" | "user" | "eviction" | "kernel", place: string | undefined): Part[] => {
  if (who === "program") return place ? [t(" by "), c(place)] : [t(" by the program")];
  if (who === "user") return [t(" by user space")];
  return who === "eviction" ? [t(" to make room")] : [t(" by the kernel")];
};

export function sentenceOf(event: KernelEvent, names: Names): readonly Part[] {
  const fn = event.place?.functionName;
  switch (event.kind) {
    case "syscall":
      return [c(event.text), ...(event.errno || event.retval !== 0 ? [code(event.retval, event.errno)] : [])];
    case "map-create":
      return [c(event.name), t(" created")];
    case "map-free":
      return [c(event.name), t(" freed")];
    case "prog-load":
      return [c(event.name), t(" loaded")];
    case "prog-free":
      return [
        c(event.name),
        t(
          event.phase === "dying"
            ? " is dying: no new use, a grace period follows"
            : event.phase === "unreachable"
              ? " has no holder left"
              : " freed",
        ),
      ];
    case "element-update":
      return [c(names.element(event.element)), t(event.created ? " created" : " updated"), ...by(event.by, fn)];
    case "value-write":
      return [
        ...(fn ? [c(fn), t(" wrote ")] : [t("Wrote ")]),
        c(`${names.element(event.element)}${event.member ? `.${event.member}` : ""}`),
        t(`: ${event.from} → ${event.to}`),
      ];
    case "element-delete":
      return [c(names.element(event.element)), t(" deleted"), ...by(event.by, fn)];
    case "prog-start":
      return [
        c(names.program(event.prog)),
        t(event.source === "timer" ? " starts, called by a timer" : event.source === "attach" ? " starts" : " runs"),
      ];
    case "prog-end":
      return [c(names.program(event.prog)), t(` returned ${event.retval}`)];
    case "helper":
      return [c(`${event.name}(${event.args.join(", ")})`), code(event.retval, event.errno)];
    case "timer-init":
      return [
        c(names.element(event.timer)),
        t(event.errno ? " not initialised" : ` initialised, ${event.clock}`),
        code(event.retval, event.errno),
      ];
    case "timer-callback-set":
      return [c(names.element(event.timer)), t(" will call "), c(event.functionName)];
    case "timer-arm":
      return [
        c(names.element(event.timer)),
        ...(event.expires === null
          ? [t(" armed beyond the recording")]
          : [
              t(
                event.was === null
                  ? ` armed for ${formatMoment(event.expires)}`
                  : ` moved to ${formatMoment(event.expires)}`,
              ),
            ]),
        ...(event.was === null ? [] : [dim(`, was ${formatMoment(event.was)}`)]),
      ];
    case "timer-cancel":
      return [c(names.element(event.timer)), t(event.wasQueued ? " cancelled" : " cancelled, was not queued")];
    case "timer-fire":
      return [
        c(names.element(event.timer)),
        t(" expired, "),
        c(event.functionName),
        t(" starts"),
        ...(event.late > 0 ? [dim(`, ${formatSpan(event.late)} late`)] : []),
      ];
    case "wq-init":
      return [
        t("Work queue of "),
        c(names.element(event.work)),
        t(event.errno ? " not initialised" : " initialised"),
        code(event.retval, event.errno),
      ];
    case "wq-callback-set":
      return [t("Work queue of "), c(names.element(event.work)), t(" will call "), c(event.functionName)];
    case "wq-queue":
      return [t("Work of "), c(names.element(event.work)), t(` queued for the worker of CPU ${event.onCpu}`)];
    case "wq-cancel":
      return [
        t("Work of "),
        c(names.element(event.work)),
        t(event.wasQueued ? " cancelled" : " cancelled, was not queued"),
      ];
    case "wq-run":
      return [
        t("The worker takes the work of "),
        c(names.element(event.work)),
        t(", "),
        c(event.functionName),
        t(" starts"),
        ...(event.late > 0 ? [dim(`, ${formatSpan(event.late)} late`)] : []),
      ];
    case "wq-drop":
      return [t("Work queue of "), c(names.element(event.work)), t(` dropped: ${DROPPED[event.why]}`)];
    case "wq-free":
      return [t("Work queue of "), c(names.element(event.work)), t(" freed")];
    case "wq-return":
    case "timer-return": {
      const callback = fn ?? names.callback(event.run);
      return [
        ...(callback
          ? [c(callback)]
          : [t("Callback of "), c(names.element(event.kind === "wq-return" ? event.work : event.timer))]),
        t(` returned ${event.retval}`),
      ];
    }
    case "timer-drop":
      return [t("Timer of "), c(names.element(event.timer)), t(` dropped: ${DROPPED[event.why]}`)];
    case "timer-free":
      return [t("Timer of "), c(names.element(event.timer)), t(" freed")];
    case "hold":
    case "release": {
      const verb = event.kind === "hold" ? " holds " : " lets go of ";
      return [
        c(names.node(event.holder)),
        t(verb),
        c(names.node(event.target)),
        dim(`, ${event.count === "user" ? "users" : "references"} ${event.value}`),
      ];
    }
    case "walk":
      return [
        t("Walk of "),
        c(names.program(event.prog)),
        t(": "),
        c(names.element(event.element)),
        t(event.found ? " has a timer" : " has none"),
      ];
    case "rcu-wait":
      return [t(`Grace period awaited for ${event.what}`)];
    case "rcu-done":
      return [t(`Grace period over: ${event.what}`)];
    case "wait":
      return [t(`Waits: ${event.what}`), ...(event.on ? [t(", "), c(names.element(event.on))] : [])];
    case "trace":
      return [c(event.text)];
    case "ringbuf":
      return [c(names.map(event.map)), t(` received ${event.bytes} bytes`)];
    case "oops":
      return [{ text: `Oops: ${event.oops.message}`, tone: "bad" }];
    case "leak":
      return [
        { text: "Leak: ", tone: "bad" },
        t("nothing outside holds "),
        ...event.loop.flatMap((id, i) => [...(i > 0 ? [t(" → ")] : []), c(names.node(id))]),
      ];
  }
}

export function plainSentence(event: KernelEvent, names: Names): string {
  return sentenceOf(event, names)
    .map((part) => part.text)
    .join("");
}
