import { createStore } from "zustand/vanilla";
import type {
  BuildReport,
  DisassembledLine,
  EventPlace,
  KernelEvent,
  KernelEventBody,
  ProgramVariable,
  Snapshot,
  TimerSnapshot,
  VariablePlace,
  VerifierView,
} from "../../protocol/engine-types.ts";
import { NO_RACE } from "../../store/initial-state.ts";
import type { PlaygroundActions, PlaygroundState } from "../../store/types.ts";

/** A recorded-looking state of every panel, for drawing without an engine. */
export const PROGRAM = `#include <linux/bpf.h>
#include <bpf/bpf_timer_rfc.h>

struct map_elem {
    int stuff;
    struct bpf_timer timer;
};

struct {
    __uint(type, BPF_MAP_TYPE_HASH);
    __uint(max_entries, 4);
    __type(key, __u32);
    __type(value, struct map_elem);
} hmap SEC(".maps");

static int timer_cb(struct map_elem *elem)
{
    if (--elem->stuff > 0)
        bpf_timer_mod(&elem->timer, bpf_jiffies64() + 3);
    return 0;
}

SEC("xdp")
int arm(struct xdp_md *ctx)
{
    struct map_elem *val, fresh = {};
    __u32 key = ctx->rx_queue_index & 3;
    __u64 wait = 3 + key;

    val = bpf_map_lookup_elem(&hmap, &key);
    if (!val) {
        bpf_map_update_elem(&hmap, &key, &fresh, BPF_ANY);
        val = bpf_map_lookup_elem(&hmap, &key);
    }
    bpf_timer_init(&val->timer, timer_cb, 0);
    if (!val->stuff)
        val->stuff = 3;
    bpf_timer_mod(&val->timer, bpf_jiffies64() + wait);
    return XDP_PASS;
}

char LICENSE[] SEC("license") = "GPL";
`;

const SCRIPT = `# what the processes do
prog attach arm
prog run arm ctx.rx_queue_index=0
prog run arm ctx.rx_queue_index=1 cpu=1
map update hmap 3 {stuff: 1}
prog run arm ctx.rx_queue_index=3 cpu=1
expect retval == 2
advance 13ms
prog run arm ctx.rx_queue_index=2
advance 24.8ms
expect timers pending == 2
advance 17.2ms
prog run arm ctx.rx_queue_index=1
expect map hmap[3].stuff == 0
`;

const MS = 1e6;
const element = (key: number) => `2:0${key}000000`;
const timer = (key: number) => `timer:2:0${key}000000`;
const place = (functionName: string, line: number): EventPlace => ({
  programId: 3,
  program: "arm",
  functionName,
  insn: 0,
  line,
});

function recording(): KernelEvent[] {
  const events: KernelEvent[] = [];
  const add = (at: number, cpu: number | null, body: KernelEventBody, where?: EventPlace) =>
    events.push({ seq: events.length, at: Math.round(at * MS), cpu, ...(where ? { place: where } : {}), ...body });
  let run = 0;
  let refs = 0;
  const hold = (at: number, holder: string) =>
    add(at, null, { kind: "hold", holder, target: "prog:3", count: "ref", value: ++refs });
  add(0, null, { kind: "syscall", process: "loader", text: "map create hmap", retval: 5, errno: null });
  add(0, null, { kind: "map-create", map: 2, name: "hmap" });
  add(0.1, null, { kind: "syscall", process: "loader", text: "object load", retval: 0, errno: null });
  add(0.1, null, { kind: "prog-load", prog: 3, name: "arm" });
  hold(0.1, "fd:1:3");
  add(0.8, null, { kind: "syscall", process: "loader", text: "prog attach arm", retval: 0, errno: null });
  hold(0.8, "link:1");
  const arm = (at: number, cpu: number, key: number, wait: number) => {
    add(at, null, {
      kind: "syscall",
      process: "loader",
      text: `prog run arm ctx.rx_queue_index=${key}${cpu ? " cpu=1" : ""}`,
      retval: 2,
      errno: null,
    });
    const r = ++run;
    add(at, cpu, { kind: "prog-start", prog: 3, run: r, source: "test-run" });
    if (key !== 3)
      add(
        at + 0.4,
        cpu,
        { kind: "element-update", map: 2, element: element(key), by: "program", created: true },
        place("arm", 32),
      );
    add(
      at + 0.6,
      cpu,
      { kind: "timer-init", timer: timer(key), clock: "jiffies", retval: 0, errno: null },
      place("arm", 35),
    );
    hold(at + 0.6, timer(key));
    if (key !== 3)
      add(
        at + 0.8,
        cpu,
        { kind: "value-write", map: 2, element: element(key), member: "stuff", from: "0", to: "3" },
        place("arm", 37),
      );
    add(
      at + 1.1,
      cpu,
      { kind: "timer-arm", timer: timer(key), expires: Math.round(wait * MS), was: null, onCpu: cpu },
      place("arm", 38),
    );
    add(at + 1.4, cpu, { kind: "prog-end", prog: 3, run: r, retval: "2" });
  };
  const fire = (at: number, cpu: number, key: number, from: number, again: number | null, ends = true) => {
    const r = ++run;
    add(at, cpu, { kind: "timer-fire", timer: timer(key), run: r, functionName: "timer_cb", late: 0 });
    add(
      at + 0.2,
      cpu,
      { kind: "value-write", map: 2, element: element(key), member: "stuff", from: `${from}`, to: `${from - 1}` },
      place("timer_cb", 18),
    );
    if (again !== null)
      add(
        at + 0.6,
        cpu,
        { kind: "timer-arm", timer: timer(key), expires: Math.round(again * MS), was: null, onCpu: cpu },
        place("timer_cb", 19),
      );
    if (ends)
      add(at + 0.8, cpu, { kind: "timer-return", timer: timer(key), run: r, retval: "0" }, place("timer_cb", 20));
  };
  arm(2, 0, 0, 16);
  arm(3.6, 1, 1, 24);
  add(5.4, null, { kind: "syscall", process: "loader", text: "map update hmap 3 {stuff: 1}", retval: 0, errno: null });
  add(5.4, null, { kind: "element-update", map: 2, element: element(3), by: "user", created: true });
  arm(6.4, 1, 3, 32);
  fire(16, 0, 0, 3, 32);
  arm(20, 0, 2, 44);
  fire(24, 1, 1, 3, 40);
  fire(32, 0, 0, 2, 48);
  fire(32, 1, 3, 1, null);
  add(32.9, 1, { kind: "trace", text: "timer_cb: 3 is done" }, place("timer_cb", 20));
  fire(40, 1, 1, 2, 56);
  fire(44, 0, 2, 3, null, false);
  return events.sort((a, b) => a.at - b.at).map((event, seq) => ({ ...event, seq }));
}

export const EVENTS = recording();
const NOW = 44.8 * MS;

const timers: readonly TimerSnapshot[] = [
  [0, "armed", 48, 32.6, 0],
  [1, "armed", 56, 40.6, 1],
  [2, "firing", null, null, 0],
  [3, "idle", null, null, null],
].map(([key, state, expires, armedAt, cpu]) => ({
  kind: "timer",
  id: timer(key as number),
  label: `hmap[${key}]`,
  mapId: 2,
  element: `element:${element(key as number)}`,
  state: state as TimerSnapshot["state"],
  clock: "jiffies",
  expires: expires === null ? null : (expires as number) * MS,
  armedAt: armedAt === null ? null : (armedAt as number) * MS,
  cpu: cpu as number | null,
  callback: { programId: 3, program: "arm", functionName: "timer_cb" },
  fired: 2,
  wheel:
    expires === null ? null : { level: 0, bucket: (expires as number) / 4, expiresJiffies: (expires as number) / 4 },
}));

const stuff = [1, 1, 2, 0];
const written = [32.2, 40.2, 44.2, 32.2];

export const SNAPSHOT: Snapshot = {
  seq: EVENTS.length,
  now: NOW,
  jiffies: 11,
  hz: 250,
  policy: "refcount",
  cpus: [
    {
      id: 0,
      state: "callback",
      running: {
        programId: 3,
        program: "arm",
        functionName: "timer_cb",
        insn: 57,
        line: 19,
        timer: timer(2),
        registers: [
          "0x2",
          "0xffff888100021f08",
          "0x0",
          "0x0",
          "0x0",
          "0x0",
          "0xffff888100021f00",
          "0x0",
          "0x0",
          "0x0",
          "0xffff888100003fc0",
        ],
      },
    },
    { id: 1, state: "idle", running: null },
  ],
  programs: [{ id: 3, name: "arm", type: "xdp", refcnt: 6, runs: 4, state: "live" }],
  maps: [
    {
      id: 2,
      name: "hmap",
      type: "hash",
      keySize: 4,
      valueSize: 16,
      maxEntries: 4,
      count: 4,
      refcnt: 3,
      usercnt: 2,
      keyTypeName: "__u32",
      columns: [
        { name: "stuff", typeName: "int" },
        { name: "timer", typeName: "struct bpf_timer" },
      ],
      rows: stuff.map((n, key) => ({
        node: `element:${element(key)}`,
        key: { kind: "scalar", text: String(key), typeName: "__u32" },
        keyHex: `0${key}000000`,
        value: {
          kind: "struct",
          typeName: "struct map_elem",
          members: [
            { name: "stuff", offset: 0, value: { kind: "scalar", text: String(n), typeName: "int" } },
            {
              name: "timer",
              offset: 8,
              value: { kind: "timer", timer: timer(key), state: timers[key]?.state ?? "none" },
            },
          ],
        },
        perCpu: null,
        lastWrite: { at: (written[key] ?? 0) * MS, by: "timer_cb", seq: 20 },
      })),
      freed: false,
    },
  ],
  timers,
  queues: [
    { cpu: 0, base: "wheel", timers: [timer(0)], buckets: [{ level: 0, bucket: 12, timers: [timer(0)] }] },
    { cpu: 1, base: "wheel", timers: [timer(1)], buckets: [{ level: 0, bucket: 14, timers: [timer(1)] }] },
  ],
  graph: {
    nodes: [
      { id: "process:1", kind: "process", label: "loader", detail: "pid 41", refs: null, users: null, state: "live" },
      {
        id: "fd:1:3",
        kind: "fd",
        label: "3",
        detail: "arm",
        refs: null,
        users: null,
        state: "live",
        parent: "process:1",
      },
      {
        id: "fd:1:4",
        kind: "fd",
        label: "4",
        detail: "link",
        refs: null,
        users: null,
        state: "live",
        parent: "process:1",
      },
      {
        id: "fd:1:5",
        kind: "fd",
        label: "5",
        detail: "hmap",
        refs: null,
        users: null,
        state: "live",
        parent: "process:1",
      },
      {
        id: "pin:/sys/fs/bpf/hmap",
        kind: "pin",
        label: "pin",
        detail: "/sys/fs/bpf/hmap",
        refs: null,
        users: null,
        state: "live",
      },
      { id: "link:1", kind: "link", label: "xdp", detail: "eth0", refs: 1, users: null, state: "live" },
      { id: "prog:3", kind: "program", label: "arm", detail: "6 holders", refs: 6, users: null, state: "live" },
      { id: "map:2", kind: "map", label: "hmap", detail: "hash, 4/4", refs: 3, users: 2, state: "live" },
      ...stuff.map((n, key) => ({
        id: `element:${element(key)}`,
        kind: "element" as const,
        label: `hmap[${key}]`,
        detail: `stuff ${n}`,
        refs: null,
        users: null,
        state: "live" as const,
      })),
      ...timers.map((t) => ({
        id: t.id,
        kind: "timer" as const,
        label: t.label,
        detail: t.state,
        refs: null,
        users: null,
        state: t.state === "firing" ? ("firing" as const) : ("live" as const),
        timerState: t.state,
      })),
    ],
    edges: [
      { id: "e1", from: "fd:1:3", to: "prog:3", kind: "holds", label: "fd 3" },
      { id: "e2", from: "fd:1:4", to: "link:1", kind: "holds", label: "fd 4" },
      { id: "e3", from: "fd:1:5", to: "map:2", kind: "user", label: "fd 5" },
      { id: "e4", from: "pin:/sys/fs/bpf/hmap", to: "map:2", kind: "user", label: "pin" },
      { id: "e5", from: "link:1", to: "prog:3", kind: "holds", label: "link" },
      { id: "e6", from: "prog:3", to: "map:2", kind: "holds", label: "uses" },
      ...[0, 1, 2, 3].flatMap((key) => [
        { id: `o${key}`, from: "map:2", to: `element:${element(key)}`, kind: "owns" as const, label: "" },
        { id: `t${key}`, from: `element:${element(key)}`, to: timer(key), kind: "owns" as const, label: "" },
        { id: `b${key}`, from: timer(key), to: `element:${element(key)}`, kind: "points" as const, label: "value" },
        { id: `h${key}`, from: timer(key), to: "prog:3", kind: "holds" as const, label: "callback" },
      ]),
    ],
    leaks: [],
  },
  oops: null,
};

const ASM: readonly (readonly [number, number, string])[] = [
  [0, 27, "r1 = *(u32 *)(r1 +16)"],
  [1, 27, "w1 &= 3"],
  [2, 27, "*(u32 *)(r10 -4) = w1"],
  [3, 28, "r7 = r1"],
  [4, 28, "r7 += 3"],
  [5, 26, "r1 = 0"],
  [6, 26, "*(u64 *)(r10 -16) = r1"],
  [7, 26, "*(u64 *)(r10 -24) = r1"],
  [8, 30, "r2 = r10"],
  [9, 30, "r2 += -4"],
  [10, 30, "r1 = map[hmap] ll"],
  [12, 30, "call bpf_map_lookup_elem#1"],
  [13, 30, "r6 = r0"],
  [14, 31, "if r0 == 0x0 goto pc+18"],
  [15, 35, "r1 = r6"],
  [16, 35, "r1 += 8"],
  [17, 35, "r2 = 0x2c ll"],
  [19, 35, "w3 = 0"],
  [20, 36, "r1 = *(u32 *)(r6 +0)"],
  [21, 36, "if w1 != 0 goto pc+1"],
  [22, 37, "*(u32 *)(r6 +0) = 3"],
  [23, 38, "call bpf_jiffies64#118"],
  [24, 38, "r0 += r7"],
  [25, 38, "r6 += 8"],
  [26, 38, "r1 = r6"],
  [27, 38, "r2 = r0"],
  [28, 38, "call bpf_timer_mod#65537"],
  [31, 39, "w0 = 2"],
  [32, 39, "exit"],
  [33, 32, "r2 = r10"],
  [34, 32, "r2 += -4"],
  [35, 32, "r3 = r10"],
  [36, 32, "r3 += -24"],
  [37, 32, "r1 = map[hmap] ll"],
  [39, 32, "w4 = 0"],
  [40, 32, "call bpf_map_update_elem#2"],
  [41, 33, "r2 = r10"],
  [42, 33, "r2 += -4"],
  [43, 33, "r1 = map[hmap] ll"],
  [45, 33, "call bpf_map_lookup_elem#1"],
  [46, 33, "r6 = r0"],
  [47, 33, "goto pc-33"],
  [48, 18, "r6 = r1"],
  [49, 18, "w1 = *(u32 *)(r6 +0)"],
  [50, 18, "w1 += -1"],
  [51, 18, "*(u32 *)(r6 +0) = w1"],
  [52, 18, "if w1 s< 1 goto pc+7"],
  [53, 19, "call bpf_jiffies64#118"],
  [54, 19, "r0 += 3"],
  [55, 19, "r6 += 8"],
  [56, 19, "r1 = r6"],
  [57, 19, "r2 = r0"],
  [58, 19, "call bpf_timer_mod#65537"],
  [60, 20, "w0 = 0"],
  [61, 20, "exit"],
];

const disassembly: readonly DisassembledLine[] = ASM.map(([insn, line, text]) => ({
  insn,
  line,
  text,
  file: "timer.bpf.c",
  state: insn === 16 ? "refused" : "verified",
}));

function variable(
  name: string,
  type: string,
  encoding: ProgramVariable["encoding"],
  size: number,
  line: number,
  ranges: readonly (readonly [number, number, VariablePlace])[],
): ProgramVariable {
  return {
    function: "arm",
    name,
    type,
    encoding,
    size,
    parameter: false,
    file: "timer.bpf.c",
    line,
    scope: [24, 40],
    inlined: null,
    ranges: ranges.map(([first, last, place]) => ({ first, last, place, bits: size, signed: false, part: null })),
  };
}

export const REPORT: BuildReport = {
  ok: true,
  dialect: "rfc",
  diagnostics: [],
  runnable: false,
  maps: [{ name: "hmap", type: "hash", keySize: 4, valueSize: 16, maxEntries: 4, verdict: "accept", errno: null }],
  programs: [
    {
      name: "arm",
      section: "xdp",
      type: "xdp",
      verdict: "reject",
      errno: "EACCES",
      errorLine: "R1 pointer arithmetic on map_value_or_null prohibited, null-check it first",
      rejection: {
        errno: "EACCES",
        message: "R1 pointer arithmetic on map_value_or_null prohibited, null-check it first",
        insn: 16,
        rule: "ptr-or-null-arithmetic",
        register: 1,
        path: [
          0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 12, 13, 14, 33, 34, 35, 36, 37, 39, 40, 41, 42, 43, 45, 46, 47, 15, 16,
        ],
        origin: 45,
      },
      explanation: {
        title: "val may be NULL here",
        causes: [
          { text: "The first lookup found nothing. Only it was checked.", insn: 14, line: 31 },
          { text: "The second lookup returns an element or NULL: R0, id 2.", insn: 45, line: 33 },
          { text: "val in R6 takes it. Nothing checks it.", insn: 46, line: 33 },
          { text: "&val->timer adds 8 to a pointer that may be NULL.", insn: 16, line: 35 },
        ],
        fix: { text: "Check the second result", edit: { line: 35, insert: "    if (!val)\n        return XDP_PASS;" } },
      },
      log: `func#0 @0
Live regs before insn:
0: R1=ctx() R10=fp0
; __u32 key = ctx->rx_queue_index & 3; @ timer.bpf.c:27
0: (61) r1 = *(u32 *)(r1 +16)         ; R1_w=scalar(smin=0,smax=umax=0xffffffff,var_off=(0x0; 0xffffffff))
1: (54) w1 &= 3                       ; R1_w=scalar(smin=smin32=0,smax=umax=smax32=umax32=3,var_off=(0x0; 0x3))
2: (63) *(u32 *)(r10 -4) = r1         ; R1_w=scalar(smin=smin32=0,smax=umax=smax32=umax32=3,var_off=(0x0; 0x3)) R10=fp0 fp-8=mmmm????
; val = bpf_map_lookup_elem(&hmap, &key); @ timer.bpf.c:30
12: (85) call bpf_map_lookup_elem#1   ; R0_w=map_value_or_null(id=1,map=hmap,ks=4,vs=16)
14: (15) if r0 == 0x0 goto pc+18      ; R0_w=map_value(map=hmap,ks=4,vs=16)
from 14 to 33: R0=0 R6=0 R7=scalar(smin=umin=3,smax=umax=6,var_off=(0x0; 0x7)) R10=fp0 fp-8=mmmm????
45: (85) call bpf_map_lookup_elem#1   ; R0_w=map_value_or_null(id=2,map=hmap,ks=4,vs=16)
46: (bf) r6 = r0                      ; R0_w=map_value_or_null(id=2,map=hmap,ks=4,vs=16) R6_w=map_value_or_null(id=2,map=hmap,ks=4,vs=16)
47: (05) goto pc-33
; bpf_timer_init(&val->timer, timer_cb, 0); @ timer.bpf.c:35
15: (bf) r1 = r6                      ; R1_w=map_value_or_null(id=2,map=hmap,ks=4,vs=16)
16: (07) r1 += 8
R1 pointer arithmetic on map_value_or_null prohibited, null-check it first
processed 63 insns (limit 1000000) max_states_per_insn 0 total_states 4 peak_states 4 mark_read 0
`,
      stats: { insnsProcessed: 63, maxStatesPerInsn: 0, totalStates: 4, peakStates: 4 },
      functions: [
        { name: "arm", start: 0, end: 48, stackDepth: 24, role: "main" },
        { name: "timer_cb", start: 48, end: 62, stackDepth: 0, role: "async-callback" },
      ],
      disassembly,
      xlated: [],
      variables: [
        variable("val", "struct map_elem *", "pointer", 64, 26, [
          [15, 32, { kind: "register", register: 6, add: 0n }],
          [33, 45, { kind: "lost", why: "optimised out" }],
          [46, 46, { kind: "register", register: 0, add: 0n }],
          [47, 47, { kind: "register", register: 6, add: 0n }],
        ]),
        variable("key", "__u32", "unsigned", 32, 27, [[3, 47, { kind: "stack", offset: -4, add: 0n }]]),
        variable("wait", "__u64", "unsigned", 64, 28, [[7, 47, { kind: "register", register: 7, add: 0n }]]),
      ],
    },
  ],
};

const NULLISH = "map_value_or_null(id=2,map=hmap,ks=4,vs=16)";
const PATH_INSNS: readonly (readonly number[])[] = [
  [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 12, 13, 14, 15, 16, 17, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 31, 32],
  [23],
  [48, 49, 50, 51, 52, 53, 54, 55, 56, 57, 58, 60, 61],
  [60],
  [33, 34, 35, 36, 37, 39, 40, 41, 42, 43, 45, 46, 47, 15, 16],
];

export const VERIFIER: VerifierView = {
  program: "arm",
  functions: [
    { name: "arm", start: 0 },
    { name: "timer_cb", start: 48 },
  ],
  steps: PATH_INSNS.flatMap((insns, path) =>
    insns.map((insn) => ({
      insn,
      path,
      frame: 0,
      state:
        path === 4
          ? ([
              ...(insn >= 46 || insn === 15 || insn === 16 ? [["R0", NULLISH] as const] : []),
              ...(insn === 16 ? [["R1", NULLISH] as const] : []),
              ...(insn === 47 || insn === 15 || insn === 16 ? [["R6", NULLISH] as const] : [["R6", "0"] as const]),
              ["R7", "scalar(smin=umin=smin32=umin32=3,smax=umax=smax32=umax32=6,var_off=(0x0; 0x7))"],
              ["R10", "fp0"],
              ["fp-8", "mmmm????"],
              ["fp-16", "0"],
              ["fp-24", "0"],
            ] as const)
          : ([
              ...(insn < 2
                ? [
                    [
                      "R1",
                      insn === 0 ? "ctx()" : "scalar(smin=0,smax=umax=0xffffffff,var_off=(0x0; 0xffffffff))",
                    ] as const,
                  ]
                : []),
              ...(insn >= 13 && insn < 48 ? [["R0", "map_value(map=hmap,ks=4,vs=16)"] as const] : []),
              ["R10", "fp0"],
            ] as const),
    })),
  ),
  paths: [
    { index: 0, parent: null, fromInsn: null, startInsn: 0, endInsn: 32, end: "exit", async: false },
    {
      index: 1,
      parent: 0,
      fromInsn: 21,
      startInsn: 23,
      endInsn: 23,
      end: "pruned",
      async: false,
      coveredBy: { path: 0, insn: 23 },
    },
    { index: 2, parent: 0, fromInsn: 19, startInsn: 48, endInsn: 61, end: "exit", async: true },
    {
      index: 3,
      parent: 2,
      fromInsn: 52,
      startInsn: 60,
      endInsn: 60,
      end: "pruned",
      async: true,
      coveredBy: { path: 2, insn: 60 },
    },
    { index: 4, parent: 0, fromInsn: 14, startInsn: 33, endInsn: 16, end: "rejected", async: false },
  ],
};

export const STATE: PlaygroundState = {
  source: {
    demo: "thread",
    file: "timer.bpf.c",
    program: PROGRAM,
    script: SCRIPT,
    settings: {
      policy: "refcount",
      cpus: 2,
      hz: 250,
      seed: 7,
      insnCost: 60_000,
      unverified: false,
      engine: "interpreter",
      cpuVersion: "v3",
      optimization: "O2",
    },
    object: null,
    dirty: true,
    saved: "saved",
  },
  race: NO_RACE,
  build: {
    phase: "done",
    download: null,
    compilerReady: true,
    failure: null,
    report: REPORT,
    runningOlder: true,
    object: null,
    milliseconds: 412,
  },
  run: {
    status: "paused",
    stopped: null,
    snapshot: SNAPSHOT,
    events: EVENTS,
    script: {
      nextLine: 12,
      stopped: null,
      commands: [
        { line: 2, text: "prog attach arm", at: 0.8 * MS, retval: "0", errno: null, output: [] },
        { line: 3, text: "prog run arm ctx.rx_queue_index=0", at: 2 * MS, retval: "2", errno: null, output: [] },
        {
          line: 4,
          text: "prog run arm ctx.rx_queue_index=1 cpu=1",
          at: 3.6 * MS,
          retval: "2",
          errno: null,
          output: [],
        },
        { line: 5, text: "map update hmap 3 {stuff: 1}", at: 5.4 * MS, retval: "0", errno: null, output: [] },
        {
          line: 6,
          text: "prog run arm ctx.rx_queue_index=3 cpu=1",
          at: 6.4 * MS,
          retval: "2",
          errno: null,
          output: [],
        },
        { line: 8, text: "advance 13ms", at: 20 * MS, retval: "0", errno: null, output: [] },
        { line: 9, text: "prog run arm ctx.rx_queue_index=2", at: 20 * MS, retval: "2", errno: null, output: [] },
        { line: 10, text: "advance 24.8ms", at: 44.8 * MS, retval: "0", errno: null, output: [] },
      ],
      expectations: [
        { line: 7, text: "retval == 2", ok: true, actual: "2" },
        { line: 11, text: "timers pending == 3", ok: false, actual: "2" },
      ],
    },
    position: EVENTS.length,
    following: true,
    speed: 1_000_000,
    commandError: null,
  },
  verifier: VERIFIER,
  view: {
    view: "write",
    theme: "system",
    file: "program",
    selectedNode: "prog:3",
    selectedInsn: null,
    cursorLine: null,
    stops: { breakpoints: [], watches: [] },
    maximised: null,
    dialog: "none",
    banner: null,
  },
  demos: [
    {
      id: "thread",
      title: "The thread’s program",
      group: "The thread",
      summary: "A timer in a map element re-arms itself.",
    },
    { id: "stack", title: "A timer on the stack", group: "The thread", summary: "Rejected, with Linux’s own words." },
    {
      id: "leak",
      title: "The circle that nobody can open",
      group: "Lifetimes",
      summary: "Program, map, element, timer, program.",
    },
  ],
};

export function fixtureStore() {
  const store = createStore<PlaygroundState>(() => STATE);
  const run = (change: Partial<PlaygroundState["run"]>) => store.setState((s) => ({ run: { ...s.run, ...change } }));
  const seek = (seq: number) => {
    const position = Math.max(0, Math.min(EVENTS.length, seq));
    const now = position === EVENTS.length ? NOW : (EVENTS[position - 1]?.at ?? 0);
    run({ position, following: false, status: "paused", snapshot: { ...SNAPSHOT, seq: position, now } });
  };
  const actions: PlaygroundActions = {
    editProgram: (program) => store.setState((s) => ({ source: { ...s.source, program, dirty: true } })),
    editScript: (script) => store.setState((s) => ({ source: { ...s.source, script, dirty: true } })),
    changeSettings: (settings) =>
      store.setState((s) => ({ source: { ...s.source, settings: { ...s.source.settings, ...settings } } })),
    setBound: (bound) => store.setState((s) => ({ race: { ...s.race, bound } })),
    explore: () => {},
    exploreUnder: (policy) =>
      store.setState((s) => ({ source: { ...s.source, settings: { ...s.source.settings, policy } } })),
    cancelExplore: () => {},
    comparePolicies: () => {},
    selectStep: (step) => store.setState((s) => ({ race: { ...s.race, step } })),
    openDemo: (demo) => store.setState((s) => ({ source: { ...s.source, demo, dirty: false } })),
    openSource: (file, program, script) =>
      store.setState((s) => ({
        source: {
          ...s.source,
          file,
          program,
          script: script ?? s.source.script,
          object: null,
          demo: null,
          dirty: true,
        },
      })),
    openObject: (name, bytes) => store.setState((s) => ({ source: { ...s.source, object: { name, bytes } } })),
    buildAndRun: () => run({ status: "running" }),
    cancelBuild: () => store.setState((s) => ({ build: { ...s.build, phase: "idle", download: null } })),
    retryCompiler: () => store.setState((s) => ({ build: { ...s.build, failure: null } })),
    play: () => run({ status: "running" }),
    pause: () => run({ status: "paused" }),
    restart: () => seek(0),
    stepEvent: (direction) => seek(store.getState().run.position + direction),
    stepInstruction: () => seek(store.getState().run.position + 1),
    nextTimer: () => {
      const { position } = store.getState().run;
      const next = EVENTS.findIndex((e) => e.seq >= position && e.kind === "timer-fire");
      seek(next < 0 ? EVENTS.length : next + 1);
    },
    seek,
    followNow: () => seek(EVENTS.length),
    setSpeed: (speed) => run({ speed }),
    keepLiveCommands: () => {},
    command: (line) => run({ commandError: line.includes("busy") ? { text: line, errno: "EBUSY" } : null }),
    inspectProgram: () => undefined,
    share: () => Promise.resolve({ url: `${location.origin}/#1/${"kZ3bA9".repeat(100)}`, length: 641 }),
    downloadObject: () => null,
    downloadSnippet: () => ({ name: "snippet.json", text: "{}" }),
    toggleBreakpoint: (breakpoint) =>
      store.setState((s) => ({ view: { ...s.view, stops: { ...s.view.stops, breakpoints: [breakpoint] } } })),
    toggleWatch: (watch) =>
      store.setState((s) => ({ view: { ...s.view, stops: { ...s.view.stops, watches: [watch] } } })),
    setView: (change) => store.setState((s) => ({ view: { ...s.view, ...change } })),
    dismissBanner: () => store.setState((s) => ({ view: { ...s.view, banner: null } })),
  };
  return { store, actions };
}
