import { describe, expect, it } from "vitest";
import type { BuildReport } from "../../protocol/engine-types.ts";
import { PROGRAM, REPORT, SNAPSHOT, STATE } from "../dev/fixture.ts";
import { fileOfPanel, panelOf, panelsOf } from "../narrow/panels.ts";
import { assemblyOf, isAssembly } from "./assembly.ts";
import { completionsForAssembly, completionsForC, completionsForScript, structMembers } from "./completions.ts";
import { hoverText } from "./hover.ts";
import { programMarks, runningLines, scriptMarks } from "./marks.ts";
import { objectNames, sameNames } from "./object-names.ts";
import { withFix } from "./ProblemNote.tsx";
import { coverageOf, problemsOf, verdictOf } from "./problems.ts";
import { highlight, tokenizeLine } from "./tokens.ts";

const failed = (file: string, line: number, message: string): BuildReport => ({
  ok: false,
  stage: "compile",
  message: "1 error",
  diagnostics: [{ severity: "error", message, span: { file, line, column: 5, endLine: line, endColumn: 9 } }],
});
const build = (report: BuildReport | null, phase = "done") => ({ phase, report, failure: null });

describe("problems", () => {
  it("shows a refusal at its line of C, with the kernel's own words", () => {
    const [problem] = problemsOf(REPORT, PROGRAM);
    expect(problem).toMatchObject({ kind: "refused", file: "program", line: 35, column: 5, errno: "EACCES", insn: 16 });
    expect(problem?.kernel).toContain("null-check it first");
    expect(verdictOf(build(REPORT), problemsOf(REPORT, PROGRAM))).toMatchObject({
      tone: "bad",
      text: "Rejected, line 35",
    });
  });

  it("keeps the script's faults out of the program", () => {
    expect(problemsOf(failed("script.user", 3, "unknown command"), PROGRAM)[0]).toMatchObject({
      file: "script",
      line: 3,
    });
    expect(problemsOf(failed("timer.bpf.c", 3, "no"), PROGRAM)[0]).toMatchObject({
      file: "program",
      line: 3,
      title: "No",
    });
  });

  it("has no line for what a header is to blame for, and says what it can without diagnostics", () => {
    expect(problemsOf(failed("linux/bpf.h", 9, "bad"), PROGRAM)[0]?.line).toBe(0);
    expect(problemsOf({ ok: false, stage: "load", message: "not an ELF file", diagnostics: [] }, "")[0]?.title).toBe(
      "not an ELF file",
    );
  });

  it("says of a map that the kernel refuses where it is declared", () => {
    const report = {
      ...REPORT,
      programs: [],
      maps: [
        { name: "hmap", type: "hash", keySize: 4, valueSize: 16, maxEntries: 0, verdict: "reject", errno: "EINVAL" },
      ],
    } as BuildReport;
    expect(problemsOf(report, PROGRAM)[0]).toMatchObject({ line: 14, errno: "EINVAL" });
  });

  it("says what the build is doing before it says how the last one went", () => {
    expect(verdictOf(build(REPORT, "compiling"), [])?.text).toBe("Compiling");
    expect(verdictOf(build(null), [])).toBeNull();
    expect(verdictOf({ ...build(null), failure: "lost" }, [])?.tone).toBe("bad");
  });

  it("inserts a fix before its line", () => {
    expect(withFix("a\nb\nc", { line: 2, insert: "x\ny\n" })).toBe("a\nx\ny\nb\nc");
  });
});

describe("marks", () => {
  it("tints the refused line and the line that runs", () => {
    const marks = programMarks(coverageOf(REPORT), problemsOf(REPORT, PROGRAM), runningLines(SNAPSHOT), null);
    expect(marks.tint.get(35)).toBe("error");
    expect(marks.tint.get(19)).toBe("callback");
    expect(marks.gutter.get(18)).toBe("ok");
    expect(marks.gutter.has(4)).toBe(false);
  });

  it("says beside the script what each line returned", () => {
    const marks = scriptMarks(STATE.run.script, problemsOf(failed("script.user", 2, "unknown command"), ""));
    expect(marks.after.get(7)).toEqual({ text: "✓ holds", tone: "good" });
    expect(marks.after.get(11)).toEqual({ text: "✗ 2", tone: "bad" });
    expect(marks.after.get(2)).toEqual({ text: "✗ Unknown command", tone: "bad" });
    expect(marks.tint.get(12)).toBe("next");
  });
});

describe("names and tokens", () => {
  const names = objectNames(PROGRAM, REPORT);

  it("finds maps, programs and timers in the text itself", () => {
    const bare = objectNames(PROGRAM, null);
    expect([...bare.maps]).toEqual(["hmap"]);
    expect([...bare.programs].sort()).toEqual(["arm", "timer_cb"]);
    expect([...bare.timers]).toEqual(["timer"]);
    expect(sameNames(bare, names)).toBe(true);
  });

  it("gives back every character of the text", () => {
    const lines = highlight("bpf-c", PROGRAM, names);
    expect(lines.map((spans) => spans.map((s) => s.text).join("")).join("\n")).toBe(PROGRAM);
    const classes = new Map(lines.flat().map((s) => [s.text, s.cls]));
    expect(classes.get("hmap")).toBe("map");
    expect(classes.get("timer_cb")).toBe("prog");
    expect(classes.get("bpf_timer_init")).toBe("timer");
    expect(classes.get("struct")).toBe("kw");
  });

  it("carries block comments from line to line", () => {
    const first = tokenizeLine("bpf-c", "int a; /* x", false, names);
    expect(first.inComment).toBe(true);
    const second = tokenizeLine("bpf-c", "y */ int b;", true, names);
    expect(second.inComment).toBe(false);
    expect(second.tokens[0]).toEqual({ start: 0, cls: "com" });
  });
});

describe("assembly tab", () => {
  it("lists every program with its functions and knows the instruction of each line", () => {
    const { text, lines } = assemblyOf(REPORT);
    expect(text).toContain('// arm, SEC("xdp")');
    expect(text).toContain("timer_cb:");
    expect(text.split("\n")).toHaveLength(lines.length);
    const at = lines.findIndex((l) => l?.insn === 16);
    expect(text.split("\n")[at]).toContain("r1 += 8");
  });
});

describe("completion", () => {
  const labels = (before: string) => completionsForC(PROGRAM, before, REPORT).map((c) => c.label);

  it("offers the helpers of the dialect that the source includes", () => {
    expect(labels("    bpf_t")).toContain("bpf_timer_mod");
    expect(labels("    bpf_t")).not.toContain("bpf_timer_set_callback");
    expect(completionsForC("#include <bpf/bpf_helpers.h>", "bpf_t", null).map((c) => c.label)).toContain(
      "bpf_timer_start",
    );
  });

  it("offers members after a dot or an arrow, sections in SEC, headers in include, nothing in comments", () => {
    expect(labels("    val->")).toEqual(["stuff", "timer"]);
    expect(labels('SEC("')).toContain("xdp");
    expect(labels("#include <bpf/")).toContain("bpf/bpf_timer_rfc.h");
    expect(labels("  // bpf_")).toEqual([]);
    expect(labels('  bpf_printk("x')).toEqual([]);
    expect(structMembers("struct a {\n  int b[4];\n  struct bpf_timer t;\n};")).toEqual([
      { struct: "a", type: "int[4]", name: "b" },
      { struct: "a", type: "struct bpf_timer", name: "t" },
    ]);
  });

  it("offers the script's commands, then what fits behind them", () => {
    const script = (before: string) => completionsForScript(before, REPORT).map((c) => c.label);
    expect(script("")).toContain("advance next");
    expect(script("prog run ")).toEqual(["arm"]);
    expect(script("process P2: map update ")).toEqual(["hmap"]);
    expect(script("map update hmap 1 2 ")).toContain("noexist");
    expect(script("expect errno == ")).toContain("EBUSY");
    expect(script("# map ")).toEqual([]);
  });
});

describe("hover", () => {
  it("says what a map, a program, a member and a helper are now", () => {
    const text = (word: string, line = 0) => (hoverText(word, STATE, line) ?? []).join("\n");
    expect(text("hmap")).toContain("4 of 4");
    expect(text("arm")).toContain("References");
    expect(text("stuff")).toContain("`[2]` 2");
    expect(text("bpf_timer_mod")).toContain("absolute jiffy");
    expect(text("val", 35)).toContain("map_value_or_null");
    expect(hoverText("return", STATE, 39)).toBeNull();
  });
});

describe("narrow panels", () => {
  it("shows the editor's panel for the file that is open", () => {
    expect(panelOf("write", {}, "script")).toBe("script");
    expect(panelOf("write", { write: "graph" }, "script")).toBe("graph");
    expect(panelOf("verify", { verify: "code" }, "script")).toBe("code");
    expect(panelOf("time", {}, "program")).toBe("axis");
    for (const view of ["write", "verify", "time"] as const)
      expect(panelsOf(view).some((p) => fileOfPanel(p.id) === "program")).toBe(true);
  });
});

describe("assembly as a language", () => {
  const source =
    'map hmap { type: hash; key: u32; value: u32; max_entries: 1 }\n\nSEC("xdp")\nint prog(struct xdp_md *ctx):\n    r1 = hmap ll   // the map\n    call bpf_timer_init\nout:\n    exit\n';

  it("knows maps and functions by their declarations, and comments by their signs", () => {
    const names = objectNames(source, null);
    expect([...names.maps]).toEqual(["hmap"]);
    expect([...names.programs]).toEqual(["prog"]);
    const classes = highlight("bpf-asm", source, names).flat();
    expect(classes.find((s) => s.text === "// the map")?.cls).toBe("com");
    expect(classes.find((s) => s.text === "bpf_timer_init")?.cls).toBe("timer");
    expect(classes.find((s) => s.text === "exit")?.cls).toBe("kw");
    expect(isAssembly("a.bpf.s") && isAssembly("A.ASM") && !isAssembly("a.c")).toBe(true);
  });

  it("completes instructions, helpers behind call and labels behind goto", () => {
    const labels = (before: string) => completionsForAssembly(source, before).map((c) => c.label);
    expect(labels("    ")).toContain("exit");
    expect(labels("    call bpf_t")).toContain("bpf_timer_set_callback");
    expect(labels("    goto ")).toEqual(["out"]);
    expect(labels("map m { type: ")).toContain("hash");
    expect(labels("    // ca")).toEqual([]);
  });
});
