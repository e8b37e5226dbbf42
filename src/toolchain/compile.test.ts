import { readdirSync, readFileSync } from "node:fs";
import { beforeAll, describe, expect, it } from "vitest";
import { nodeCompiler, readHeaders } from "../cli/node-compiler.ts";
import { formatDiagnostic } from "../engine/base/diagnostic.ts";
import { loadObject } from "../engine/loader/load-object.ts";
import { buildSource } from "./build.ts";
import { type CompileOptions, type Compiler, MAX_SOURCE_LENGTH } from "./compile.ts";

const O2: CompileOptions = { cpuVersion: "v3", optimization: "O2" };
const PROGRAMS = new URL("../demos/programs/", import.meta.url);
const DEMOS = readdirSync(PROGRAMS).filter((file) => file.endsWith(".bpf.c"));

let compiler: Compiler;
beforeAll(async () => {
  compiler = await nodeCompiler();
});

async function messages(text: string, options = O2): Promise<string[]> {
  const { diagnostics } = await compiler.compile({ file: "a.bpf.c", text }, options);
  return diagnostics.map(formatDiagnostic);
}

async function load(text: string, file = "a.bpf.c", options = O2) {
  const built = await buildSource(nodeCompiler, { file, text }, options);
  if (built.object === null) throw new Error(built.diagnostics.map(formatDiagnostic).join("\n"));
  const loaded = loadObject(built.object, file);
  if (!loaded.ok) throw new Error(loaded.error.map(formatDiagnostic).join("\n"));
  return { ...built, spec: loaded.value };
}

describe("headers", () => {
  it.each([...readHeaders().keys()])("%s stands alone, and may be included twice", async (header) => {
    expect(await messages(`#include <${header}>\n#include <${header}>\nint x;\n`)).toEqual([]);
  });

  it("go together", async () => {
    const all = [...readHeaders().keys()].filter((h) => !/vmlinux|bpf_timer_|bpf_tracing|asm\/ptrace/.test(h));
    expect(await messages(all.map((h) => `#include <${h}>\n`).join(""))).toEqual([]);
  });

  it("offer the macros that programs are written with", async () => {
    const { spec, diagnostics } = await load(`
      #include <linux/bpf.h>
      #include <bpf/bpf_helpers.h>
      #include <bpf/bpf_endian.h>
      struct { __uint(type, BPF_MAP_TYPE_ARRAY); __uint(max_entries, 2); __type(key, __u32); __type(value, __u64);
               __ulong(map_extra, 0); } numbers SEC(".maps");
      struct inner { __uint(type, BPF_MAP_TYPE_ARRAY); __uint(max_entries, 1); __type(key, int); __type(value, int); }
        one SEC(".maps");
      struct { __uint(type, BPF_MAP_TYPE_ARRAY_OF_MAPS); __uint(max_entries, 1); __type(key, int);
               __array(values, struct inner); } outer SEC(".maps") = { .values = { [0] = &one } };
      SEC("tc") int prog(struct __sk_buff *skb) {
        int i, sum = 0;
        bpf_for(i, 0, 10) sum += i;
        bpf_repeat(3) { if (sum > 100) break; sum++; }
        bpf_printk("none");
        bpf_printk("%d", sum);
        bpf_printk("%d %d %d %d", sum, i, sum, i);
        return skb->protocol == bpf_htons(0x0800) ? sum : READ_ONCE(i);
      }
      char _license[] SEC("license") = "GPL";`);
    expect(diagnostics).toEqual([]);
    expect(spec.maps.find((m) => m.name === "numbers")).toMatchObject({ type: 2, maxEntries: 2, valueSize: 8 });
    const outer = spec.maps.find((m) => m.name === "outer");
    expect(outer?.slots).toEqual([{ index: 0, kind: "map", name: "one" }]);
  });

  it("offer tracing programs, with or without vmlinux.h", async () => {
    const program = `
      #include <bpf/bpf_helpers.h>
      #include <bpf/bpf_tracing.h>
      SEC("kprobe/f") int BPF_KPROBE(entry, int a, void *b) { return a + (b != 0) + PT_REGS_RC(ctx); }
      SEC("fentry/f") int BPF_PROG(traced, int fd, const char *name) { return fd; }
      char _license[] SEC("license") = "GPL";`;
    for (const first of ["#include <vmlinux.h>", "#include <linux/bpf.h>"]) {
      expect(await messages(first + program)).toEqual([]);
    }
  });
});

describe("demos", () => {
  it.each(DEMOS)("%s compiles without a word and loads", async (file) => {
    const { spec, diagnostics } = await load(readFileSync(new URL(file, PROGRAMS), "utf8"), file);
    expect(diagnostics).toEqual([]);
    expect(spec.programs.length).toBeGreaterThan(0);
    expect(spec.license).toBe("GPL");
  });

  it("give the same bytes each time", async () => {
    const text = readFileSync(new URL("thread.bpf.c", PROGRAMS), "utf8");
    const [a, b] = [await load(text), await load(text)];
    expect(a.object).toEqual(b.object);
  });
});

describe("dialect", () => {
  const body = `int x; char _license[] SEC("license") = "GPL"; SEC("xdp") int f(void *ctx) { return x; }`;

  it("is linux without a header that says otherwise", async () => {
    expect((await load(`#include <linux/bpf.h>\n#include <bpf/bpf_helpers.h>\n${body}`)).spec.dialect).toBe("linux");
  });

  it("is marked by the header, wherever it stands", async () => {
    const rfc =
      await load(`#include <linux/bpf.h>\n#include <bpf/bpf_helpers.h>\n#include <bpf/bpf_timer_rfc.h>\n${body}
      _Static_assert(sizeof(struct bpf_timer) == 8, "as proposed");`);
    expect(rfc.spec.dialect).toBe("rfc");
    const map = await load(`#include <linux/bpf.h>\n#include <bpf/bpf_timer_map.h>\n${body}`);
    expect(map.spec.dialect).toBe("timer-map");
  });

  it("is one", async () => {
    const [first] = await messages("#include <bpf/bpf_timer_rfc.h>\n#include <bpf/bpf_timer_map.h>\n");
    expect(first).toContain("a program speaks one dialect");
  });
});

describe("diagnostics", () => {
  it("stand at their place, errors and warnings", async () => {
    const { ir, diagnostics } = await compiler.compile(
      { file: "a.bpf.c", text: "int g(void) { int unused; return 1; }\nint f(int a)\n{\n    return a + b;\n}\n" },
      O2,
    );
    expect(ir).toBeNull();
    expect(diagnostics.map((d) => [d.severity, d.code, d.span?.line, d.span?.column, d.span?.endColumn])).toEqual([
      ["warning", "-Wunused-variable", 1, 19, 25],
      ["error", undefined, 4, 16, 17],
    ]);
  });

  it("come while clang is still at work, and all of them at the end", async () => {
    const early: string[] = [];
    const { ir, diagnostics } = await compiler.compile(
      { file: "a.bpf.c", text: "int f(void) { int unused; return 1; }" },
      O2,
      { onDiagnostic: (d) => early.push(d.message) },
    );
    expect(early).toEqual(diagnostics.map((d) => d.message));
    expect(ir).toContain("define dso_local");
  });

  it("name files that are not there", async () => {
    expect(await messages('#include "mine.h"\n')).toEqual(["a.bpf.c:1:10: error: 'mine.h' file not found"]);
  });

  it("find files that belong to the program", async () => {
    const source = {
      file: "a.bpf.c",
      text: '#include "mine.h"\nint f(void) { return MINE; }\n',
      extraFiles: [{ file: "mine.h", text: "#define MINE 7\n" }],
    };
    const { ir } = await compiler.compile(source, O2);
    expect(ir).toContain("ret i32 7");
  });

  it("refuse a source that is too long before clang sees it", async () => {
    const [first] = await messages(" ".repeat(MAX_SOURCE_LENGTH + 1));
    expect(first).toContain("characters long");
  });

  it("of the back end stand in the C source too", async () => {
    const built = await buildSource(
      nodeCompiler,
      { file: "a.bpf.c", text: "int f(int a,\n      int b, int c, int d, int e, int g)\n{\n    return a + g;\n}\n" },
      O2,
    );
    expect(built.object).toBeNull();
    expect(built.diagnostics.at(-1)?.span?.file).toBe("a.bpf.c");
  });
});

describe("options", () => {
  const text = "int f(int a) { volatile int x = a; return x / 3; }";

  it("choose the instruction set and the optimisation", async () => {
    for (const cpuVersion of ["v1", "v2", "v3", "v4"] as const) {
      const { ir } = await compiler.compile(
        { file: "a.c", text: "int v = __BPF_CPU_VERSION__;" },
        { ...O2, cpuVersion },
      );
      expect(ir).toContain(`global i32 ${cpuVersion.slice(1)}`);
    }
    const [o0, o2] = [
      await compiler.compile({ file: "a.c", text }, { ...O2, optimization: "O0" }),
      await compiler.compile({ file: "a.c", text }, O2),
    ];
    expect(o0.ir).toContain("optnone");
    expect(o2.ir).not.toContain("optnone");
  });
});
