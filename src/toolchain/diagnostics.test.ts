import { describe, expect, it } from "vitest";
import type { Diagnostic } from "../engine/base/diagnostic.ts";
import { DiagnosticReader } from "./diagnostics.ts";

function read(text: string, source = "", file = "a.c"): Diagnostic[] {
  const found: Diagnostic[] = [];
  const reader = new DiagnosticReader(new Map([[file, source]]), (d) => found.push(d));
  // In pieces, as clang writes them.
  const bytes = new TextEncoder().encode(text);
  for (let i = 0; i < bytes.length; i += 3) reader.push(bytes.subarray(i, i + 3));
  reader.finish();
  return found;
}

describe("DiagnosticReader", () => {
  it("takes the range around the caret, and the group", () => {
    const line =
      "a.c:1:12:{1:9-1:14}{1:20-1:21}: warning: comparison of integers [-Wsign-compare]\n1 warning generated.\n";
    expect(read(line, "  return first < 2;")).toEqual([
      {
        severity: "warning",
        message: "comparison of integers",
        code: "-Wsign-compare",
        span: { file: "a.c", line: 1, column: 9, endLine: 1, endColumn: 14 },
      },
    ]);
  });

  it("takes the word at the caret when there is no range", () => {
    const [d] = read("a.c:2:3: error: use of undeclared identifier 'value'\n", "int x;\n  value = 1;");
    expect(d?.span).toEqual({ file: "a.c", line: 2, column: 3, endLine: 2, endColumn: 8 });
  });

  it("counts columns in UTF-16 units", () => {
    // é is two bytes, the emoji four bytes and two units.
    const source = 'char *s = "é😀"; nothing();';
    const column = new TextEncoder().encode('char *s = "é😀"; ').length + 1;
    const [d] = read(`a.c:1:${column}: error: call to undeclared function 'nothing'\n`, source);
    expect(source.slice((d?.span?.column ?? 0) - 1, (d?.span?.endColumn ?? 0) - 1)).toBe("nothing");
  });

  it("keeps notes with what they explain, and says when they are complete", () => {
    const found = read(
      "In file included from a.c:1:\n" +
        "/include/bpf/bpf_helpers.h:3:9: warning: one [-Wone]\n" +
        "a.c:4:1: note: expanded from here\n" +
        'fix-it:"a.c":{1:1-1:2}:"x"\n' +
        "a.c:5:1: fatal error: two\n" +
        "2 errors generated.\n",
    );
    expect(found.map((d) => [d.severity, d.message, d.span?.file, d.notes?.map((n) => n.message)])).toEqual([
      ["warning", "one", "bpf/bpf_helpers.h", ["expanded from here"]],
      ["error", "two", "a.c", undefined],
    ]);
  });

  it("knows diagnostics without a place", () => {
    expect(read("error: unknown target CPU 'v9'\n")).toEqual([
      { severity: "error", message: "unknown target CPU 'v9'" },
    ]);
  });
});
