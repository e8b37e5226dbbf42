import type { BuildReport } from "../../protocol/engine-types.ts";
import { dialectOf, HELPER_DOCS } from "./helper-docs.ts";

/** One thing that could be typed here. */
export interface Completion {
  readonly label: string;
  readonly kind: "function" | "constant" | "keyword" | "member" | "map" | "program" | "type" | "snippet" | "variable";
  /** Text to insert; a snippet in the editor's syntax when `kind` is `snippet` or `function`. */
  readonly insert: string;
  readonly detail: string;
  readonly doc: string;
}

const plain = (label: string, kind: Completion["kind"], detail = "", doc = ""): Completion => ({
  label,
  kind,
  insert: label,
  detail,
  doc,
});

const MAP_TYPES =
  "ARRAY HASH LRU_HASH PERCPU_ARRAY PERCPU_HASH LRU_PERCPU_HASH PROG_ARRAY ARRAY_OF_MAPS HASH_OF_MAPS QUEUE STACK RINGBUF LPM_TRIE PERF_EVENT_ARRAY".split(
    " ",
  );

const CONSTANTS: readonly (readonly [string, string])[] = [
  ...MAP_TYPES.map((t) => [`BPF_MAP_TYPE_${t}`, "map type"] as const),
  ["BPF_ANY", "create or overwrite"],
  ["BPF_NOEXIST", "create only"],
  ["BPF_EXIST", "overwrite only"],
  ["BPF_F_LOCK", "under the value's spin lock"],
  ["BPF_F_NO_PREALLOC", "map flag: allocate elements when they are made"],
  ["BPF_F_TIMER_ABS", "expiry is absolute (Linux 6.4)"],
  ["BPF_F_TIMER_CPU_PIN", "stay on this CPU (Linux 6.7)"],
  ["CLOCK_MONOTONIC", "clock of a timer"],
  ["CLOCK_BOOTTIME", "clock of a timer, suspended time included"],
  ["CLOCK_REALTIME", "clock of a timer: wall time"],
  ["XDP_PASS", "on to the stack"],
  ["XDP_DROP", "drop"],
  ["XDP_TX", "back out"],
  ["XDP_ABORTED", "drop, and trace it"],
  ["XDP_REDIRECT", "elsewhere"],
  ["TC_ACT_OK", "on"],
  ["TC_ACT_SHOT", "drop"],
  ["TC_ACT_UNSPEC", "as configured"],
];

const RFC_CONSTANTS: readonly (readonly [string, string])[] = [
  ["BPF_F_TIMER_BUSY", "update refuses over an initialised timer"],
  ["BPF_F_TIMER_CANCEL", "update cancels an initialised timer first"],
];

const TYPES = "__u8 __u16 __u32 __u64 __s8 __s16 __s32 __s64 __be16 __be32 int long char bool void".split(" ");
const STRUCTS = "bpf_timer bpf_spin_lock xdp_md __sk_buff ethhdr iphdr ipv6hdr tcphdr udphdr".split(" ");
const WORDS =
  "struct static const if else for while do return switch case break continue default sizeof __always_inline __noinline".split(
    " ",
  );

/** Sections and the context that their programs get. */
export const SECTIONS: readonly (readonly [string, string])[] = [
  ["xdp", "struct xdp_md *ctx"],
  ["tc", "struct __sk_buff *ctx"],
  ["classifier", "struct __sk_buff *ctx"],
  ["action", "struct __sk_buff *ctx"],
  ["socket", "struct __sk_buff *ctx"],
  ["cgroup_skb/ingress", "struct __sk_buff *ctx"],
  ["cgroup_skb/egress", "struct __sk_buff *ctx"],
  ["syscall", "void *ctx"],
  ["tp/", "void *ctx"],
  ["raw_tp/", "struct bpf_raw_tracepoint_args *ctx"],
  ["kprobe/", "struct pt_regs *ctx"],
  ["perf_event", "struct bpf_perf_event_data *ctx"],
];

const SNIPPETS: readonly Completion[] = [
  {
    label: "map",
    kind: "snippet",
    detail: "a map with a timer",
    doc: "A hash map whose values carry a timer.",
    insert:
      'struct ${1:elem} {\n\t__u64 ${2:counter};\n\tstruct bpf_timer timer;\n};\n\nstruct {\n\t__uint(type, BPF_MAP_TYPE_HASH);\n\t__uint(max_entries, ${3:16});\n\t__type(key, __u32);\n\t__type(value, struct ${1:elem});\n} ${4:hmap} SEC(".maps");\n',
  },
  {
    label: "callback",
    kind: "snippet",
    detail: "a timer callback (Linux)",
    doc: "What a timer calls: map, key, value; returns 0.",
    insert: "static int ${1:timer_cb}(void *map, int *key, struct ${2:elem} *value)\n{\n\t$0\n\treturn 0;\n}\n",
  },
  {
    label: "program",
    kind: "snippet",
    detail: "a program and its licence",
    doc: "Timers need a licence that Linux counts as GPL.",
    insert:
      'SEC("${1:xdp}")\nint ${2:prog}(struct xdp_md *ctx)\n{\n\t$0\n\treturn XDP_PASS;\n}\n\nchar LICENSE[] SEC("license") = "GPL";\n',
  },
];

/** Members by the struct that declares them, read from the source's own text. */
export function structMembers(
  source: string,
): readonly { readonly struct: string; readonly type: string; readonly name: string }[] {
  const found: { struct: string; type: string; name: string }[] = [];
  for (const match of source.matchAll(/struct\s+(\w+)\s*\{([^{}]*)\}/g))
    for (const member of (match[2] ?? "").matchAll(
      /^\s*((?:const\s+)?(?:struct\s+)?\w+(?:\s+\w+)*?\s*\**)\s*(\w+)\s*(\[[^\]]*\])?\s*(?::\s*\d+)?\s*;/gm,
    ))
      found.push({
        struct: match[1] ?? "",
        type: `${(member[1] ?? "").trim()}${member[3] ?? ""}`,
        name: member[2] ?? "",
      });
  return found;
}

function callSnippet(name: string, parameters: string): string {
  const names = parameters === "void" ? [] : parameters.split(",").map((p) => p.trim().replace(/^.*?(\w+)$/, "$1"));
  return `${name}(${names.map((n, i) => `\${${i + 1}:${n === "..." ? "args" : n}}`).join(", ")})`;
}

/** What could stand at the end of `before`, the text of the line up to the cursor. */
export function completionsForC(source: string, before: string, report: BuildReport | null): readonly Completion[] {
  if (/SEC\("[^"]*$/.test(before)) return SECTIONS.map(([name, ctx]) => plain(name, "constant", ctx));
  if (/#\s*include\s*<[^>]*$/.test(before)) return HEADERS.map((h) => plain(h, "constant", "header"));
  const lineText = before.replace(/"(?:[^"\\]|\\.)*"/g, '""');
  if (/"[^"]*$|\/\/|^\s*\*/.test(lineText)) return [];
  if (/(?:->|\.)\s*\w*$/.test(lineText)) {
    const seen = new Set<string>();
    return structMembers(source).flatMap((m) => {
      if (seen.has(m.name)) return [];
      seen.add(m.name);
      return [plain(m.name, "member", m.type, `of struct ${m.struct}`)];
    });
  }
  const dialect = dialectOf(source);
  const helpers = HELPER_DOCS.filter((d) => d.dialect === null || d.dialect === dialect).map(
    (d): Completion => ({
      label: d.name,
      kind: "function",
      insert: callSnippet(d.name, /\((.*)\)$/.exec(d.prototype)?.[1] ?? "void"),
      detail: d.prototype,
      doc: d.summary,
    }),
  );
  const own = report?.ok
    ? [
        ...report.maps.map((m) => plain(m.name, "map", `${m.type}, ${m.maxEntries} entries`)),
        ...report.programs.flatMap((p) => p.functions.map((f) => plain(f.name, "program", f.role))),
      ]
    : [];
  const known = new Set([...helpers, ...own].map((c) => c.label));
  const constants = [...CONSTANTS, ...(dialect === "rfc" ? RFC_CONSTANTS : [])].map(([n, d]) =>
    plain(n, "constant", d),
  );
  const typed = /\w*$/.exec(before)?.[0] ?? "";
  const words = [...new Set([...source.matchAll(/[A-Za-z_]\w{2,}/g)].map((m) => m[0]))]
    .filter(
      (w) =>
        w !== typed && !known.has(w) && !CONSTANTS.some(([c]) => c === w) && !WORDS.includes(w) && !TYPES.includes(w),
    )
    .slice(0, 500)
    .map((w) => plain(w, "variable"));
  const printk: Completion = {
    label: "bpf_printk",
    kind: "function",
    insert: 'bpf_printk("${1:text}")',
    detail: "bpf_printk(const char *fmt, ...)",
    doc: "Prints a line to the trace.",
  };
  return [
    ...helpers,
    printk,
    ...own,
    ...constants,
    ...TYPES.map((t) => plain(t, "type")),
    ...STRUCTS.map((t) => plain(`struct ${t}`, "type")),
    ...WORDS.map((w) => plain(w, "keyword")),
    ...SNIPPETS,
    ...words,
  ];
}

/** Headers that the compiler here brings. */
export const HEADERS = [
  "linux/bpf.h",
  "linux/types.h",
  "linux/pkt_cls.h",
  "linux/if_ether.h",
  "linux/ip.h",
  "linux/ipv6.h",
  "linux/tcp.h",
  "linux/udp.h",
  "linux/in.h",
  "vmlinux.h",
  "bpf/bpf_helpers.h",
  "bpf/bpf_endian.h",
  "bpf/bpf_tracing.h",
  "bpf/bpf_core_read.h",
  "bpf/bpf_timer_rfc.h",
  "bpf/bpf_timer_map.h",
] as const;

const SCRIPT_COMMANDS: readonly (readonly [string, string])[] = [
  ["prog run ${1:NAME}", "run a program once"],
  ["prog attach ${1:NAME}", "attach it: a link holds the program"],
  ["prog detach ${1:NAME}", "drop the link"],
  ["prog close ${1:NAME}", "close this process's fd of it"],
  ["prog open ${1:NAME}", "a new fd, by id"],
  ["prog pin ${1:NAME} /sys/fs/bpf/${2:name}", "hold it from the file system"],
  ["map update ${1:MAP} ${2:KEY} ${3:VALUE}", "set an element"],
  ["map lookup ${1:MAP} ${2:KEY}", "print an element"],
  ["map delete ${1:MAP} ${2:KEY}", "remove an element"],
  ["map dump ${1:MAP}", "print every element"],
  ["map push ${1:MAP} ${2:VALUE}", "add to a queue or stack"],
  ["map pop ${1:MAP}", "take from a queue or stack"],
  ["map close ${1:MAP}", "close this process's fd of it"],
  ["map open ${1:MAP}", "a new fd, by id"],
  ["map pin ${1:MAP} /sys/fs/bpf/${2:name}", "hold it from the file system"],
  ["unpin /sys/fs/bpf/${1:name}", "remove a pin"],
  ["ringbuf read ${1:MAP}", "read what the program submitted"],
  ["timer create ${1:MAP} ${2:PROG} ${3:10ms}", "an entry of a timer map"],
  ["object load", "load the object once more"],
  ["advance ${1:10ms}", "let time pass"],
  ["advance next", "to the next expiry"],
  ["rcu settle", "wait for grace periods"],
  ["fail next alloc", "the kernel's next allocation fails"],
  ["process ${1:P2}: ${2:COMMAND}", "another process"],
  ["cpu ${1:1}: ${2:COMMAND}", "at the same time as the lines beside it"],
  ["exit", "close every fd of this process"],
  ["expect retval == ${1:0}", "what the last command returned"],
  ["expect errno == ${1:EBUSY}", "how the last command failed"],
  ["expect map ${1:MAP}[${2:0}].${3:member} == ${4:0}", "a value"],
  ["expect map ${1:MAP}[${2:0}] missing", "no such element"],
  ["expect global ${1:NAME} == ${2:0}", "a global variable"],
  ["expect timers pending == ${1:0}", "how many timers wait"],
  ["expect works pending == ${1:0}", "how many work items wait for a worker"],
  ["expect prog ${1:NAME} freed", "the program is gone"],
  ['expect trace contains "${1:text}"', "what was printed"],
  ["expect no oops", "nothing went wrong"],
];
const FLAGS: readonly (readonly [string, string])[] = [
  ["any", "create or overwrite"],
  ["noexist", "create only"],
  ["exist", "overwrite only"],
  ["lock", "under the value's spin lock"],
  ["busy", "refuse over an initialised timer (RFC)"],
  ["cancel", "cancel an initialised timer first (RFC)"],
];
const ERRNOS = "EPERM ENOENT E2BIG EAGAIN ENOMEM EACCES EBUSY EEXIST EINVAL ENOSPC EDEADLK EOPNOTSUPP".split(" ");

const withoutPlaceholders = (text: string): string => text.replace(/\$\{\d+:([^}]*)\}/g, "$1");

/** What could stand at the end of a line of the user-space script. */
export function completionsForScript(before: string, report: BuildReport | null): readonly Completion[] {
  if (before.trimStart().startsWith("#")) return [];
  const text = before.replace(/^\s*(?:(?:process|cpu)\s+\w+:\s*)*/, "");
  const words = text.split(/\s+/);
  const [first = "", second = ""] = words;
  const programs = report?.ok ? report.programs.map((p) => plain(p.name, "program", p.type)) : [];
  const maps = report?.ok ? report.maps.map((m) => plain(m.name, "map", m.type)) : [];
  if (words.length <= 1)
    return SCRIPT_COMMANDS.map(
      ([command, detail]): Completion => ({
        label: withoutPlaceholders(command),
        kind: "snippet",
        insert: command,
        detail,
        doc: "",
      }),
    );
  if (words.length === 2) {
    const next = SCRIPT_COMMANDS.filter(([c]) => c.startsWith(`${first} `)).map(([command, detail]): Completion => {
      const rest = command.slice(first.length + 1);
      return { label: withoutPlaceholders(rest), kind: "snippet", insert: rest, detail, doc: "" };
    });
    return next;
  }
  if (first === "prog") return words.length === 3 ? programs : RUN_OPTIONS;
  if (first === "ringbuf" || (first === "map" && words.length === 3)) return maps;
  if (first === "map" && second === "update" && words.length >= 5) return FLAGS.map(([f, d]) => plain(f, "keyword", d));
  if (first === "timer") return words.length === 3 ? maps : words.length === 4 ? programs : [];
  if (first === "expect" && second === "errno") return ERRNOS.map((e) => plain(e, "constant"));
  if (first === "expect" && second === "prog") return words.length === 3 ? programs : [plain("freed", "keyword")];
  if (first === "expect" && second === "map" && words.length === 3) return maps;
  return [];
}

const RUN_OPTIONS: readonly Completion[] = [
  { label: "ctx.FIELD=V", kind: "snippet", insert: "ctx.${1:field}=${2:0}", detail: "a field of the context", doc: "" },
  { label: "cpu=N", kind: "snippet", insert: "cpu=${1:1}", detail: "on this CPU", doc: "" },
  { label: "repeat=N", kind: "snippet", insert: "repeat=${1:10}", detail: "so many times", doc: "" },
  { label: 'data="text"', kind: "snippet", insert: 'data="${1:text}"', detail: "bytes of the packet", doc: "" },
];

const INSTRUCTIONS: readonly (readonly [string, string])[] = [
  ["${1:r1} = ${2:r2}", "move; w1 for 32 bits"],
  ["${1:r1} = *(${2:u32} *)(${3:r2} + ${4:0})", "load"],
  ["*(${1:u32} *)(${2:r10} - ${3:4}) = ${4:r1}", "store"],
  ["lock *(${1:u64} *)(${2:r1} + ${3:0}) += ${4:r2}", "add atomically"],
  ["r2 = atomic_fetch_add((${1:u64} *)(${2:r1} + ${3:0}), r2)", "add atomically, with the old value"],
  ["${1:r1} = ${2:NAME} ll", "address of a map, a variable or a function"],
  ["if ${1:r0} == ${2:0} goto ${3:out}", "branch"],
  ["goto ${1:out}", "jump"],
  ["call ${1:bpf_map_lookup_elem}", "call a helper or a function"],
  ["exit", "return r0"],
  ["map ${1:hmap} { type: hash; key: u32; value: ${2:struct elem}; max_entries: ${3:16} }", "declare a map"],
  ["struct ${1:elem} {\n    u64 ${2:counter};\n    struct bpf_timer timer;\n};", "declare a struct"],
  ['SEC("${1:xdp}")\nint ${2:prog}(struct xdp_md *ctx):\n    r0 = 2\n    exit', "a program"],
  ["static int ${1:cb}(void *map, u32 *key, struct ${2:elem} *value):\n    r0 = 0\n    exit", "a timer callback"],
  ['license "GPL"', "the licence"],
];

/** What could stand at the end of a line of assembly. */
export function completionsForAssembly(source: string, before: string): readonly Completion[] {
  if (/\/\/|^\s*;|"[^"]*$/.test(before))
    return SEC_NAME.test(before) ? SECTIONS.map(([n, c]) => plain(n, "constant", c)) : [];
  if (/\bcall\s+\w*$/.test(before))
    return HELPER_DOCS.filter(
      (d) => d.dialect === null || d.dialect === (/\bdialect\s+rfc\b/.test(source) ? "rfc" : "linux"),
    ).map((d) => plain(d.name, "function", d.prototype, d.summary));
  if (/\btype:\s*\w*$/.test(before)) return MAP_TYPES.map((t) => plain(t.toLowerCase(), "constant", "map type"));
  if (/\bgotol?\s+\w*$/.test(before))
    return [...source.matchAll(/^\s*(\w+):/gm)].map((m) => plain(m[1] ?? "", "variable", "label"));
  if (/^\s*\w*$/.test(before))
    return INSTRUCTIONS.map(
      ([text, detail]): Completion => ({
        label: withoutPlaceholders(text).split("\n")[0] ?? "",
        kind: "snippet",
        insert: text,
        detail,
        doc: "",
      }),
    );
  return [];
}

const SEC_NAME = /SEC\("[^"]*$/;
