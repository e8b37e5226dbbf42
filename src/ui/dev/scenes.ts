import type { BuildReport, KernelEvent, MapSnapshot, Snapshot, TimerSnapshot } from "../../protocol/engine-types.ts";
import type { PlaygroundState } from "../../store/types.ts";
import { EVENTS, REPORT, SNAPSHOT, STATE } from "./fixture.ts";

/** States of the page that are hard to reach by hand: much of everything, nothing of anything, and what goes wrong. */

const MS = 1e6;
const run = (change: Partial<PlaygroundState["run"]>): PlaygroundState => ({
  ...STATE,
  run: { ...STATE.run, ...change },
});
const build = (change: Partial<PlaygroundState["build"]>): PlaygroundState => ({
  ...STATE,
  build: { ...STATE.build, ...change },
});

const ACCEPTED: BuildReport = {
  ...(REPORT as Extract<BuildReport, { ok: true }>),
  runnable: true,
  programs: (REPORT as Extract<BuildReport, { ok: true }>).programs.map((p) => ({
    ...p,
    verdict: "accept" as const,
    errno: null,
    errorLine: null,
    rejection: null,
    explanation: null,
    disassembly: p.disassembly.map((d) => ({ ...d, state: "verified" as const })),
    log: Array.from({ length: 100_000 }, (_, i) => `${i % 61}: (bf) r1 = r6 ; R1_w=scalar(id=${i})`).join("\n"),
    xlated: p.disassembly.flatMap((d) =>
      d.text.includes("timer")
        ? [
            { text: "r3 = 0xffff888100004000 ll", origin: d.insn },
            { text: d.text, origin: d.insn },
          ]
        : [{ text: d.text, origin: d.insn }],
    ),
  })),
};

function bigSnapshot(): Snapshot {
  const keyHex = (i: number) => [i & 255, i >> 8, 0, 0].map((b) => b.toString(16).padStart(2, "0")).join("");
  const timers: TimerSnapshot[] = Array.from({ length: 200 }, (_, i) => ({
    ...(SNAPSHOT.timers[0] as TimerSnapshot),
    id: `timer:2:${keyHex(i)}`,
    label: `flows_of_a_rather_long_name[${i}]`,
    element: `element:2:${keyHex(i)}`,
    expires: SNAPSHOT.now + (i * 37 + 5) * MS,
    armedAt: SNAPSHOT.now - 3 * MS,
    cpu: i % 8,
    state: "armed",
  }));
  const base = SNAPSHOT.maps[0] as MapSnapshot;
  const rows = Array.from({ length: 1000 }, (_, i) => ({
    ...(base.rows[0] as MapSnapshot["rows"][number]),
    node: `element:2:${keyHex(i)}`,
    keyHex: keyHex(i),
    key: { kind: "scalar" as const, text: String(i), typeName: "__u32" },
    value: {
      kind: "struct" as const,
      typeName: "struct flow",
      members: [
        {
          name: "bytes_seen_in_this_period",
          offset: 0,
          value: { kind: "scalar" as const, text: `${i * 7919}`, typeName: "__u64" },
        },
        {
          name: "timer",
          offset: 8,
          value: {
            kind: "timer" as const,
            timer: timers[i]?.id ?? null,
            state: i < 200 ? ("armed" as const) : ("none" as const),
          },
        },
      ],
    },
  }));
  return {
    ...SNAPSHOT,
    cpus: Array.from({ length: 8 }, (_, id) => ({ id, state: "idle" as const, running: null })),
    timers,
    maps: [
      {
        ...base,
        name: "flows_of_a_rather_long_name",
        count: 1000,
        maxEntries: 4096,
        columns: [
          { name: "bytes_seen_in_this_period", typeName: "__u64" },
          { name: "timer", typeName: "struct bpf_timer" },
        ],
        rows,
      },
      ...Array.from({ length: 6 }, (_, i) => ({ ...base, id: 10 + i, name: `other_map_${i}`, rows: [] })),
    ],
    queues: Array.from({ length: 8 }, (_, cpu) => ({
      cpu,
      base: "monotonic" as const,
      timers: timers.filter((t) => t.cpu === cpu).map((t) => t.id),
      buckets: [],
    })),
    graph: {
      nodes: [
        ...SNAPSHOT.graph.nodes.filter((n) => !["element", "timer"].includes(n.kind)),
        ...timers.flatMap((t) => [
          {
            id: t.element,
            kind: "element" as const,
            label: t.label,
            detail: "",
            refs: null,
            users: null,
            state: "live" as const,
          },
          {
            id: t.id,
            kind: "timer" as const,
            label: t.label,
            detail: "armed",
            refs: null,
            users: null,
            state: "live" as const,
            timerState: "armed" as const,
          },
        ]),
      ],
      edges: [
        ...SNAPSHOT.graph.edges.filter((e) => /^e\d/.test(e.id)),
        ...timers.flatMap((t) => [
          { id: `o${t.id}`, from: "map:2", to: t.element, kind: "owns" as const, label: "" },
          { id: `t${t.id}`, from: t.element, to: t.id, kind: "owns" as const, label: "" },
          { id: `h${t.id}`, from: t.id, to: "prog:3", kind: "holds" as const, label: "" },
        ]),
      ],
      leaks: [],
    },
  };
}

function bigEvents(): readonly KernelEvent[] {
  const events: KernelEvent[] = EVENTS.filter((e) => e.at < 2 * MS);
  for (let i = 0; events.length < 10_000; i++) {
    const at = 2 * MS + i * 4000;
    const timer = `timer:2:${(i % 200).toString(16).padStart(2, "0")}000000`;
    const base = { at, cpu: i % 8 };
    events.push({
      ...base,
      seq: events.length,
      kind: "timer-fire",
      timer,
      run: 100 + i,
      functionName: "expire_flow",
      late: 0,
    });
    events.push({
      ...base,
      at: at + 500,
      seq: events.length,
      kind: "helper",
      name: "bpf_timer_start",
      id: 171,
      args: ["&elem->timer", "1000000", "0"],
      retval: "0",
      errno: null,
    });
    events.push({ ...base, at: at + 900, seq: events.length, kind: "timer-return", timer, run: 100 + i, retval: "0" });
  }
  return events;
}

const OOPS = {
  what: "use-after-free" as const,
  message: "timer_cb read 8 bytes of a program that was freed at 40.0 ms",
  at: 44.8 * MS,
  cpu: 0,
  place: { programId: 3, program: "arm", functionName: "timer_cb", insn: 49, line: 18 },
  address: "0xffff888100021fe8",
  object: { node: "prog:3", label: "arm", freedAt: 40 * MS },
  registers: SNAPSHOT.cpus[0]?.running?.registers ?? [],
};

export const SCENES: Record<string, () => PlaygroundState> = {
  big: () => {
    const events = bigEvents();
    return {
      ...STATE,
      build: { ...STATE.build, report: ACCEPTED, runningOlder: false },
      run: {
        ...STATE.run,
        snapshot: { ...bigSnapshot(), now: events.at(-1)?.at ?? 0 },
        events,
        position: events.length,
      },
    };
  },
  accepted: () => build({ report: ACCEPTED, runningOlder: false }),
  empty: () => ({
    ...STATE,
    source: { ...STATE.source, program: "", script: "", demo: null, dirty: false },
    build: { ...STATE.build, phase: "idle", report: null, runningOlder: false, compilerReady: false },
    run: {
      ...STATE.run,
      status: "none",
      snapshot: null,
      events: [],
      position: 0,
      script: { nextLine: null, stopped: null, commands: [], expectations: [] },
    },
    verifier: null,
  }),
  download: () =>
    build({ phase: "loading-compiler", download: { received: 10.5e6, total: 16.9e6 }, compilerReady: false }),
  failure: () => build({ failure: "The compiler could not be fetched: the connection was lost." }),
  error: () =>
    build({
      report: {
        ok: false,
        stage: "compile",
        message: "1 error",
        diagnostics: [
          {
            severity: "error",
            message: "use of undeclared identifier 'vall'",
            span: { file: "timer.bpf.c", line: 30, column: 5, endLine: 30, endColumn: 9 },
          },
        ],
      } as BuildReport,
    }),
  oops: () => {
    const seq = EVENTS.length;
    return run({
      status: "oops",
      position: seq + 1,
      events: [...EVENTS, { seq, at: 44.8 * MS, cpu: 0, kind: "oops", oops: OOPS }],
      snapshot: {
        ...SNAPSHOT,
        oops: OOPS,
        graph: {
          ...SNAPSHOT.graph,
          nodes: SNAPSHOT.graph.nodes.map((n) => (n.id === "prog:3" ? { ...n, state: "freed", refs: 0 } : n)),
        },
      },
    });
  },
  leak: () => {
    const loop = ["prog:3", "map:2", "element:2:00000000", "timer:2:00000000"];
    const gone = new Set(["process:1", "fd:1:3", "fd:1:4", "fd:1:5", "pin:/sys/fs/bpf/hmap", "link:1"]);
    const seq = EVENTS.length;
    return run({
      status: "ended",
      position: seq + 1,
      events: [...EVENTS, { seq, at: 44.8 * MS, cpu: null, kind: "leak", loop }],
      snapshot: {
        ...SNAPSHOT,
        graph: {
          nodes: SNAPSHOT.graph.nodes
            .filter((n) => !gone.has(n.id))
            .map((n) => (loop.includes(n.id) ? { ...n, state: "leaked" } : n)),
          edges: SNAPSHOT.graph.edges.filter((e) => !gone.has(e.from)),
          leaks: [loop],
        },
      },
    });
  },
  banner: () => ({
    ...STATE,
    view: {
      ...STATE.view,
      banner: {
        kind: "error",
        text: "This link is damaged. Its checksum does not fit. Nothing was loaded; your draft is untouched.",
      },
    },
  }),
};
