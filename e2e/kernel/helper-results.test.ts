import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { MAP_TYPES, type MapTypeName, PROG_TYPES, type ProgTypeName } from "../../src/engine/abi/types.ts";
import { assembleLines } from "../../src/engine/assembler/assemble-lines.ts";
import { readBtf } from "../../src/engine/btf/read.ts";
import { encodeInstructions, type Instruction } from "../../src/engine/isa/instruction.ts";
import { Kernel } from "../../src/engine/kernel/api.ts";
import type { VerifierProgram } from "../../src/engine/verifier/types.ts";
import { type BpfSyscall, openBpfSyscall } from "./bpf-syscall.ts";

/** Small programs that write down what helpers give them: the live kernel's notes and ours agree. */
const opened = openBpfSyscall();
const live: BpfSyscall | null = "unavailable" in opened ? null : opened;
if ("unavailable" in opened) console.log(`helper results are not compared with a live kernel: ${opened.unavailable}`);

const OUT_BYTES = 512;
const MAPS: readonly {
  readonly name: string;
  readonly type: MapTypeName;
  readonly key: number;
  readonly value: number;
  readonly entries: number;
}[] = [
  { name: "out", type: "array", key: 4, value: OUT_BYTES, entries: 1 },
  { name: "h", type: "hash", key: 4, value: 8, entries: 4 },
  { name: "a", type: "array", key: 4, value: 8, entries: 4 },
  { name: "pa", type: "percpu_array", key: 4, value: 8, entries: 2 },
  { name: "q", type: "queue", key: 0, value: 8, entries: 2 },
  { name: "rb", type: "ringbuf", key: 0, value: 0, entries: 4096 },
];

/** Writes r0 down at a place of its own. */
const note = (at: number): string[] => ["r6 = r0", `r1 = map_value[out]+${8 * at} ll`, "*(u64 *)(r1 +0) = r6"];
const key = (value: number): string[] => [`*(u32 *)(r10 -4) = ${value}`, "r2 = r10", "r2 += -4"];
/** A string of at most 16 characters on the stack at -32, NUL behind it. */
const text = (value: string): string[] => {
  const bytes = new Uint8Array(24);
  for (let i = 0; i < value.length; i++) bytes[i] = value.charCodeAt(i);
  const view = new DataView(bytes.buffer);
  return [0, 1, 2].flatMap((i) => [`r1 = ${view.getBigInt64(8 * i, true)} ll`, `*(u64 *)(r10 -${40 - 8 * i}) = r1`]);
};

const NUMBERS = [
  "42",
  "-42",
  " 7x",
  "0x1f",
  "017",
  "0",
  "",
  "x",
  "-",
  "9223372036854775807",
  "-9223372036854775808",
  "99999999999999999999",
  "+5",
  "0x",
  "08",
];
const strto = (id: string, value: string, base: number): string[] => [
  ...text(value.slice(0, 20)),
  "r1 = r10",
  "r1 += -40",
  "r2 = 24",
  `r3 = ${base}`,
  "r4 = r10",
  "r4 += -48",
  "*(u64 *)(r10 -48) = 0",
  `call ${id}`,
];
const parse = (id: string, value: string, base: number): string[] => [
  ...strto(id, value, base),
  ...note(0),
  "r0 = *(u64 *)(r10 -48)",
  ...note(1),
];

interface Probe {
  readonly name: string;
  readonly type?: ProgTypeName;
  readonly body: readonly string[];
}

const update = (map: string, k: number, flags: number): string[] => [
  "*(u64 *)(r10 -16) = 77",
  `r1 = map[${map}] ll`,
  ...key(k),
  "r3 = r10",
  "r3 += -16",
  `r4 = ${flags}`,
  "call bpf_map_update_elem#2",
];
const remove = (map: string, k: number): string[] => [`r1 = map[${map}] ll`, ...key(k), "call bpf_map_delete_elem#3"];

const PROBES: readonly Probe[] = [
  ...NUMBERS.flatMap((value) =>
    [0, 10, 16, 8, 2].map((base) => ({
      name: `strtol ${JSON.stringify(value)} base ${base}`,
      body: parse("bpf_strtol#105", value, base),
    })),
  ),
  ...NUMBERS.map((value) => ({ name: `strtoul ${JSON.stringify(value)}`, body: parse("bpf_strtoul#106", value, 0) })),
  ...["h", "a", "pa"].map((map) => ({
    name: `updates and deletes of ${map}`,
    body: [0, 1, 2, 3, 4, 8].flatMap((flags, i) => [
      ...update(map, 1, flags),
      ...note(4 * i),
      ...update(map, 9 + i, flags),
      ...note(4 * i + 1),
      ...remove(map, 1),
      ...note(4 * i + 2),
      ...remove(map, 1),
      ...note(4 * i + 3),
    ]),
  })),
  {
    name: "queue",
    body: [
      ...[0, 2, 0, 0, 2, 1, 4].flatMap((flags, i) => [
        `*(u64 *)(r10 -16) = ${i}`,
        "r1 = map[q] ll",
        "r2 = r10",
        "r2 += -16",
        `r3 = ${flags}`,
        "call bpf_map_push_elem#87",
        ...note(i),
      ]),
      ...[88, 89, 88, 88].flatMap((id, i) => [
        "*(u64 *)(r10 -16) = 99",
        "r1 = map[q] ll",
        "r2 = r10",
        "r2 += -16",
        id === 88 ? "call bpf_map_pop_elem#88" : "call bpf_map_peek_elem#89",
        ...note(10 + 2 * i),
        "r0 = *(u64 *)(r10 -16)",
        ...note(11 + 2 * i),
      ]),
    ],
  },
  {
    name: "ring buffer",
    body: [0, 1, 2, 3, 4].flatMap((what, i) => [
      "*(u64 *)(r10 -16) = 5",
      "r1 = map[rb] ll",
      "r2 = r10",
      "r2 += -16",
      `r3 = ${what === 4 ? 0 : Math.min(7 + what, 16)}`,
      `r4 = ${what === 3 ? 8 : 0}`,
      "call bpf_ringbuf_output#130",
      ...note(2 * i),
      "r1 = map[rb] ll",
      `r2 = ${what}`,
      "call bpf_ringbuf_query#134",
      ...note(2 * i + 1),
    ]),
  },
  {
    name: "dynptr over a ring buffer's record",
    body: [
      "r1 = map[rb] ll",
      "r2 = 16",
      "r3 = 0",
      "r4 = r10",
      "r4 += -24",
      "call bpf_ringbuf_reserve_dynptr#198",
      ...note(0),
      ...[
        [0, 8, 0],
        [8, 8, 0],
        [9, 8, 0],
        [0, 8, 1],
      ].flatMap(([offset, length, flags], i) => [
        `*(u64 *)(r10 -8) = ${11 + i}`,
        "r1 = r10",
        "r1 += -24",
        `r2 = ${offset}`,
        "r3 = r10",
        "r3 += -8",
        `r4 = ${length}`,
        `r5 = ${flags}`,
        "call bpf_dynptr_write#202",
        ...note(1 + 3 * i),
        "*(u64 *)(r10 -8) = 0",
        "r1 = r10",
        "r1 += -8",
        `r2 = ${length}`,
        "r3 = r10",
        "r3 += -24",
        `r4 = ${offset}`,
        `r5 = ${flags}`,
        "call bpf_dynptr_read#201",
        ...note(2 + 3 * i),
        "r0 = *(u64 *)(r10 -8)",
        ...note(3 + 3 * i),
      ]),
      "r1 = r10",
      "r1 += -24",
      "r2 = 8",
      "r3 = 8",
      "call bpf_dynptr_data#203",
      "if r0 == 0 goto none",
      "r0 = *(u64 *)(r0 +0)",
      "none:",
      ...note(20),
      "r1 = r10",
      "r1 += -24",
      "r2 = 0",
      "call bpf_ringbuf_submit_dynptr#199",
      "r1 = map[rb] ll",
      "r2 = 0",
      "call bpf_ringbuf_query#134",
      ...note(21),
      "r1 = map[rb] ll",
      "r2 = 5000",
      "r3 = 0",
      "r4 = r10",
      "r4 += -24",
      "call bpf_ringbuf_reserve_dynptr#198",
      ...note(22),
      "r1 = r10",
      "r1 += -24",
      "r2 = 0",
      "call bpf_ringbuf_discard_dynptr#200",
    ],
  },
  {
    name: "checksums",
    type: "sched_cls",
    body: [
      "r1 = 1234605616436508552 ll",
      "*(u64 *)(r10 -16) = r1",
      "*(u64 *)(r10 -8) = 3735928559",
      ...[
        [8, 8, 0],
        [0, 8, 0],
        [8, 0, 7],
        [4, 4, -1],
        [4, 8, 1],
      ].flatMap(([from, to, seed], i) => [
        from === 0 ? "r1 = 0" : "r1 = r10",
        ...(from === 0 ? [] : ["r1 += -16"]),
        `r2 = ${from}`,
        to === 0 ? "r3 = 0" : "r3 = r10",
        ...(to === 0 ? [] : ["r3 += -8"]),
        `r4 = ${to}`,
        `r5 = ${seed}`,
        "call bpf_csum_diff#28",
        ...note(i),
      ]),
    ],
  },
  {
    name: "packet bytes",
    type: "sched_cls",
    body: [
      "r9 = r1",
      ...[
        [0, 8],
        [56, 8],
        [57, 8],
        [14, 2],
        [-1, 4],
        [64, 1],
      ].flatMap(([off, size], i) => [
        "*(u64 *)(r10 -8) = 0",
        "r1 = r9",
        `r2 = ${off}`,
        "r3 = r10",
        "r3 += -8",
        `r4 = ${size}`,
        "call bpf_skb_load_bytes#26",
        ...note(2 * i),
        "r0 = *(u64 *)(r10 -8)",
        ...note(2 * i + 1),
      ]),
      "r0 = *(u32 *)(r9 +0)",
      ...note(20),
      "r0 = *(u32 *)(r9 +16)",
      ...note(21),
      "r0 = *(u32 *)(r9 +4)",
      ...note(22),
      "r0 = *(u32 *)(r9 +36)",
      ...note(23),
      "r0 = *(u32 *)(r9 +40)",
      ...note(24),
      "r0 = *(u32 *)(r9 +160)",
      ...note(25),
      "r0 = *(u32 *)(r9 +164)",
      ...note(26),
    ],
  },
  {
    name: "what a socket filter and a cgroup program see",
    type: "cgroup_skb",
    body: [
      "r9 = r1",
      "r0 = *(u32 *)(r9 +0)",
      ...note(0),
      "r0 = *(u32 *)(r9 +16)",
      ...note(1),
      "r0 = *(u32 *)(r9 +8)",
      ...note(2),
    ],
  },
  {
    name: "moving the ends of a packet",
    type: "xdp",
    body: [
      "r9 = r1",
      "r0 = *(u32 *)(r9 +12)",
      ...note(20),
      ...[
        [44, -16],
        [44, 8],
        [44, -500],
        [44, 60],
        [65, -8],
        [65, -200],
        [65, 16],
        [65, 5000],
        [54, -4],
        [54, -3],
        [54, -400],
        [54, 8],
      ].flatMap(([id, delta], i) => [
        "r1 = r9",
        `r2 = ${delta}`,
        `call ${id === 44 ? "bpf_xdp_adjust_head" : id === 65 ? "bpf_xdp_adjust_tail" : "bpf_xdp_adjust_meta"}#${id}`,
        ...note(i),
      ]),
      "r1 = r9",
      "call bpf_xdp_get_buff_len#188",
      ...note(21),
    ],
  },
];

const stringProbe = (name: string, first: string, ...rest: (string | number)[]): Probe => ({
  name: `${name}(${[first, ...rest].map((arg) => JSON.stringify(arg)).join(", ")})`,
  body: [
    ...text(first),
    "r8 = r10",
    "r8 += -40",
    ...rest.flatMap((arg, i) => {
      if (typeof arg === "number") return [`r${7 - i} = ${arg}`];
      // The second string lies beside the first.
      const bytes = new Uint8Array(16);
      for (let at = 0; at < arg.length; at++) bytes[at] = arg.charCodeAt(at);
      const view = new DataView(bytes.buffer);
      return [
        `r1 = ${view.getBigInt64(0, true)} ll`,
        "*(u64 *)(r10 -64) = r1",
        `r1 = ${view.getBigInt64(8, true)} ll`,
        "*(u64 *)(r10 -56) = r1",
        `r${7 - i} = r10`,
        `r${7 - i} += -64`,
      ];
    }),
    "r1 = r8",
    ...rest.map((_, i) => `r${2 + i} = r${7 - i}`),
    `call kfunc ${name}`,
    ...note(0),
  ],
});

const KFUNC_PROBES: readonly Probe[] = [
  stringProbe("bpf_strlen", "hello"),
  stringProbe("bpf_strlen", ""),
  stringProbe("bpf_strnlen", "hello", 3),
  stringProbe("bpf_strnlen", "hello", 0),
  stringProbe("bpf_strcmp", "abc", "abd"),
  stringProbe("bpf_strcmp", "abd", "abc"),
  stringProbe("bpf_strcmp", "abc", "abc"),
  stringProbe("bpf_strcmp", "ab", "abc"),
  stringProbe("bpf_strcasecmp", "AbC", "aBc"),
  stringProbe("bpf_strcasecmp", "AbZ", "aBc"),
  stringProbe("bpf_strchr", "hello", 108),
  stringProbe("bpf_strchr", "hello", 0),
  stringProbe("bpf_strchr", "hello", 122),
  stringProbe("bpf_strchrnul", "hello", 122),
  stringProbe("bpf_strrchr", "hello", 108),
  stringProbe("bpf_strrchr", "hello", 122),
  stringProbe("bpf_strrchr", "hello", 0),
  stringProbe("bpf_strnchr", "hello", 2, 108),
  stringProbe("bpf_strnchr", "hello", 3, 108),
  stringProbe("bpf_strnchr", "hello", 9, 0),
  stringProbe("bpf_strnchr", "hello", 5, 0),
  stringProbe("bpf_strspn", "aabbc", "ab"),
  stringProbe("bpf_strspn", "xyz", "ab"),
  stringProbe("bpf_strspn", "ab", "ab"),
  stringProbe("bpf_strcspn", "xxab", "ab"),
  stringProbe("bpf_strcspn", "xyz", ""),
  stringProbe("bpf_strstr", "hello", "ll"),
  stringProbe("bpf_strstr", "hello", ""),
  stringProbe("bpf_strstr", "hello", "lx"),
  stringProbe("bpf_strnstr", "hello", "ll", 3),
  stringProbe("bpf_strnstr", "hello", "ll", 4),
  stringProbe("bpf_strnstr", "hello", "", 0),
  {
    name: "numbers one after another",
    body: [
      ...[
        [0, 3],
        [3, 0],
        [5, 5],
        [-2, 1],
        [0, 8388609],
      ].flatMap(([start, end], i) => [
        "r1 = r10",
        "r1 += -8",
        `r2 = ${start}`,
        `r3 = ${end}`,
        "call kfunc bpf_iter_num_new",
        ...note(2 * i),
        "r1 = r10",
        "r1 += -8",
        "call kfunc bpf_iter_num_next",
        "if r0 == 0 goto +1",
        "r0 = *(u32 *)(r0 +0)",
        ...note(2 * i + 1),
        "r1 = r10",
        "r1 += -8",
        "call kfunc bpf_iter_num_destroy",
      ]),
    ],
  },
  {
    name: "dynptr of a packet",
    type: "xdp",
    body: [
      "r9 = r1",
      "r2 = 0",
      "r3 = r10",
      "r3 += -16",
      "call kfunc bpf_dynptr_from_xdp",
      ...note(0),
      "r1 = r10",
      "r1 += -16",
      "call kfunc bpf_dynptr_size",
      ...note(1),
      ...[
        [3, 20],
        [4, 2],
        [0, 18],
      ].flatMap(([start, end], i) => [
        "r1 = r10",
        "r1 += -16",
        `r2 = ${start}`,
        `r3 = ${end}`,
        "call kfunc bpf_dynptr_adjust",
        ...note(2 + 3 * i),
        "r1 = r10",
        "r1 += -16",
        "call kfunc bpf_dynptr_size",
        ...note(3 + 3 * i),
        "r1 = r10",
        "r1 += -16",
        "call kfunc bpf_dynptr_is_rdonly",
        ...note(4 + 3 * i),
      ]),
      "*(u64 *)(r10 -24) = 0",
      "r1 = r10",
      "r1 += -24",
      "r2 = 8",
      "r3 = r10",
      "r3 += -16",
      "r4 = 12",
      "r5 = 0",
      "call bpf_dynptr_read#201",
      ...note(20),
      "r1 = r10",
      "r1 += -24",
      "r2 = 8",
      "r3 = r10",
      "r3 += -16",
      "r4 = 9",
      "r5 = 0",
      "call bpf_dynptr_read#201",
      ...note(21),
      "r0 = *(u64 *)(r10 -24)",
      ...note(22),
    ],
  },
];

const PACKET = Uint8Array.from({ length: 64 }, (_, i) => (i === 12 ? 8 : i === 13 ? 0 : i < 12 ? 0 : i));
const ZERO = new Uint8Array(4);

interface Built {
  readonly insns: readonly Instruction[];
  readonly functions: VerifierProgram["functions"];
  readonly kfuncs: ReadonlyMap<number, string>;
}

function build(probe: Probe, fdOf: (map: string) => number): Built {
  const lines = ["main prog:", ...probe.body, "r0 = 0", "exit"];
  const read = assembleLines(lines, probe.name);
  if (!read.ok) throw new Error(read.error.map((problem) => problem.message).join("\n"));
  const insns = read.value.insns.slice();
  for (const m of read.value.maps) insns[m.insn] = { ...(insns[m.insn] as Instruction), imm: fdOf(m.map) };
  const kfuncs = new Map(read.value.kfuncs.map((k) => [k.insn, k.name]));
  for (const [insn, name] of kfuncs) insns[insn] = { ...(insns[insn] as Instruction), imm: kfuncId(name) };
  return { insns, functions: read.value.functions.map((f) => ({ insn: f.insn, name: f.name, type: 0 })), kfuncs };
}

function runLive(linux: BpfSyscall, probe: Probe): Uint8Array {
  const fds = new Map<string, number>();
  for (const map of MAPS) {
    const made = linux.mapCreate({
      type: MAP_TYPES[map.type],
      keySize: map.key,
      valueSize: map.value,
      maxEntries: map.entries,
      name: map.name,
    });
    if (made.errno !== 0) throw new Error(`map ${map.name}: ${made.errno}`);
    fds.set(map.name, made.value);
  }
  const type = probe.type ?? "syscall";
  const { insns } = build(probe, (name) => fds.get(name) as number);
  const loaded = linux.progLoad({
    type: PROG_TYPES[type],
    insns: encodeInstructions(insns),
    license: "GPL",
    logLevel: 1,
    flags: type === "syscall" ? 16 : 0,
  });
  if (loaded.errno !== 0) throw new Error(`load: ${loaded.errno}\n${loaded.log.split("\n").slice(-6).join("\n")}`);
  const result = linux.testRun(loaded.value, type === "syscall" ? { context: new Uint8Array(8) } : { data: PACKET });
  expect(result.errno).toBe(0);
  const out = linux.mapLookup(fds.get("out") as number, ZERO, OUT_BYTES) as Uint8Array;
  linux.close(loaded.value);
  for (const fd of fds.values()) linux.close(fd);
  return out;
}

function runOurs(probe: Probe, cpus: number): Uint8Array {
  const kernel = new Kernel({ policy: "uref", cpus, hz: 250, seed: 1, insnCost: 0, watch: true }, () => {});
  const process = kernel.openProcess("test");
  const fds = new Map<string, number>();
  for (const map of MAPS) {
    const spec = {
      name: map.name,
      type: MAP_TYPES[map.type],
      keySize: map.key,
      valueSize: map.value,
      maxEntries: map.entries,
      flags: 0,
      mapExtra: 0n,
      keyType: 0,
      valueType: 0,
      inner: null,
      globalData: null,
      frozen: false,
      slots: [],
      pinByName: false,
    };
    fds.set(map.name, kernel.call(process, { name: "map-create", spec, btf: null, dialect: "linux" }).retval);
  }
  const type = probe.type ?? "syscall";
  const built = build(probe, (name) => fds.get(name) as number);
  const program: VerifierProgram = {
    name: "prog",
    type: PROG_TYPES[type],
    expectedAttachType: 0,
    flags: 0,
    license: "GPL",
    insns: built.insns,
    btf: null,
    functions: built.functions,
    lines: null,
    kfuncs: built.kfuncs,
    dialect: "linux",
  };
  const fd = kernel.call(process, { name: "prog-load-unverified", program, section: type }).retval;
  const data = type === "syscall" ? new Uint8Array() : PACKET;
  const context = type === "syscall" ? new Uint8Array(8) : null;
  const result = kernel.call(process, { name: "prog-run", fd, data, context, repeat: 1 });
  expect(kernel.state.oops).toBe(null);
  expect(kernel.unsupported).toBe(null);
  expect(result.errno).toBe(null);
  return kernel.call(process, { name: "map-lookup", fd: fds.get("out") as number, key: ZERO }).value as Uint8Array;
}

/** BTF ids of the live kernel's functions. */
let functionIds: Map<string, number> | null = null;

function kfuncId(name: string): number {
  if (functionIds === null) {
    functionIds = new Map();
    const btf = readBtf(new Uint8Array(readFileSync("/sys/kernel/btf/vmlinux")));
    if (!btf.ok) throw new Error(btf.error);
    btf.value.types.forEach((type, id) => {
      if (type.kind === "func" && type.name.startsWith("bpf_")) functionIds?.set(type.name, id);
    });
  }
  const id = functionIds.get(name);
  if (id === undefined) throw new Error(`this kernel has no ${name}`);
  return id;
}

const words = (bytes: Uint8Array): string[] => {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  return Array.from({ length: bytes.length / 8 }, (_, i) => String(view.getBigInt64(8 * i, true)));
};

describe.skipIf(live === null)("helpers beside the live kernel's", () => {
  const cpus = Number(readFileSync("/sys/devices/system/cpu/possible", "utf8").trim().split("-").at(-1)) + 1;

  const probes = [...PROBES, ...KFUNC_PROBES];
  it.each(probes)("$name", (probe) => {
    expect(words(runOurs(probe, cpus))).toEqual(words(runLive(live as BpfSyscall, probe)));
  });
});
