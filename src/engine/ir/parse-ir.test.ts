import { readFileSync } from "node:fs";
import { gunzipSync } from "fflate";
import { describe, expect, it } from "vitest";
import { makePrng, nextBelow } from "../base/prng.ts";
import type { IrInstruction, IrModule, IrValue } from "./module.ts";
import { parseIr } from "./parse-ir.ts";

function module(text: string): IrModule {
  const parsed = parseIr(text);
  if (!parsed.ok) throw new Error(parsed.error[0]?.message);
  return parsed.value;
}

/** The instructions of the body of `define i64 @f(i64 %0, ptr %1)`; the entry block is %2. */
function body(text: string, tail = ""): readonly IrInstruction[] {
  const fn = module(`define i64 @f(i64 %0, ptr %1) {\n${text}\n}\n${tail}`).functions[0];
  return fn?.blocks.flatMap((b) => b.instructions) ?? [];
}

const first = (text: string): IrInstruction => body(`  ${text}\n  ret i64 0`)[0] as IrInstruction;
const number = (value: IrValue | undefined): bigint | null => (value?.kind === "int" ? value.value : null);

describe("instructions", () => {
  it("skips flags and keeps the ones that matter", () => {
    expect(first("%3 = add nuw nsw i64 %0, -1")).toMatchObject({ op: "binary", operator: "add", nuw: true, nsw: true });
    expect(first("%3 = or disjoint i64 %0, 4")).toMatchObject({ operator: "or", disjoint: true });
    expect(first("%3 = zext nneg i32 7 to i64")).toMatchObject({ op: "cast", cast: "zext", nneg: true });
    expect(first("%3 = icmp samesign ugt i64 %0, 5")).toMatchObject({ op: "icmp", predicate: "ugt" });
    expect(first("%3 = trunc nuw nsw i64 %0 to i8")).toMatchObject({ cast: "trunc", type: { bits: 8 } });
  });

  it("reads numbers as the unsigned value of their width, exactly", () => {
    const value = (text: string): bigint | null => {
      const insn = first(text);
      return insn.op === "binary" ? number(insn.b) : null;
    };
    expect(value("%3 = add i8 1, -1")).toBe(255n);
    expect(value("%3 = xor i1 false, true")).toBe(1n);
    expect(value("%3 = mul i64 %0, 9223372036854775807")).toBe(9223372036854775807n);
    expect(value("%3 = mul i64 %0, -9007199254740993")).toBe(2n ** 64n - 9007199254740993n);
  });

  it("reads loads and stores with what follows the address", () => {
    expect(first("%3 = load volatile i32, ptr %1, align 2, !dbg !7, !tbaa !8")).toMatchObject({
      op: "load",
      volatile: true,
      align: 2,
      dbg: 7,
    });
    expect(first("%3 = load atomic i64, ptr %1 acquire, align 8")).toMatchObject({ ordering: "acquire", align: 8 });
    expect(first("store i8 3, ptr %1, align 1, !dbg !4")).toMatchObject({ op: "store", align: 1, dbg: 4 });
    expect(first('store atomic i32 3, ptr %1 syncscope("x") release, align 4')).toMatchObject({ ordering: "release" });
  });

  it("reads atomics", () => {
    expect(first("%3 = atomicrmw volatile sub ptr %1, i64 1 monotonic, align 8")).toMatchObject({
      op: "atomicrmw",
      operator: "sub",
      ordering: "monotonic",
    });
    expect(first("%3 = cmpxchg ptr %1, i32 1, i32 2 seq_cst seq_cst, align 4").type).toMatchObject({ kind: "struct" });
  });

  it("matches brackets in attributes of calls", () => {
    const call = first(
      'tail call fastcc noundef range(i64 -3, 5) i64 @g(ptr noundef nonnull align 4 captures(none) initializes((24, 28)) "k"="v,)" %1, i64 noundef 5) #3, !dbg !9',
    );
    expect(call).toMatchObject({ op: "call", dbg: 9 });
    if (call.op === "call")
      expect(call.args.map((a) => [a.value.kind, a.align])).toEqual([
        ["local", 4],
        ["int", 0],
      ]);
  });

  it("takes helpers called through a number, and poison arguments", () => {
    const call = first("%3 = call i64 inttoptr (i64 170 to ptr)(ptr poison, i64 undef)");
    expect(call).toMatchObject({ op: "call", callee: { kind: "int", value: 170n } });
  });

  it("reads assembly with its constraints", () => {
    const call = first(String.raw`%3 = call i64 asm sideeffect "$0 = $1\0A\09$0 <<= 3", "=r,r,~{r5}"(i64 %0)`);
    expect(call).toMatchObject({ callee: { template: "$0 = $1\n\t$0 <<= 3", constraints: "=r,r,~{r5}" } });
  });

  it("drops debug records and comments between instructions", () => {
    const lines = "  ; a note\n    #dbg_value(!DIArgList(i64 %0, i64 %0), !3, !DIExpression(), !4)\n  ret i64 %0";
    expect(body(lines)).toHaveLength(1);
  });

  it("keeps what BPF lacks as unsupported", () => {
    expect(first("%3 = fadd double 1.0, 2.0")).toMatchObject({ op: "unsupported", text: "fadd" });
    expect(first("%3 = add <4 x i32> splat (i32 1), splat (i32 2)")).toMatchObject({ op: "unsupported", text: "add" });
  });
});

describe("control", () => {
  it("numbers blocks in the order of the text, whatever their labels", () => {
    const text = `  switch i8 3, label %5 [
    i8 -1, label %3
    i8 4, label %"odd name"
  ], !dbg !2

3:                                                ; preds = %2
  br label %5

"odd name":
  br i1 true, label %5, label %3

5:
  %6 = phi i64 [ 0, %2 ], [ 1, %3 ], [ %0, %"odd name" ]
  ret i64 %6`;
    const fn = module(`define i64 @f(i64 %0, ptr %1) {\n${text}\n}`).functions[0];
    expect(fn?.blocks).toHaveLength(4);
    const [entry, , third, last] = (fn?.blocks ?? []).map((b) => b.instructions[0]);
    expect(entry).toMatchObject({
      op: "switch",
      otherwise: 3,
      cases: [
        { value: 255n, block: 1 },
        { value: 4n, block: 2 },
      ],
    });
    expect(third).toMatchObject({ op: "condbr", taken: 3, otherwise: 1 });
    expect(last).toMatchObject({ op: "phi", incoming: [{ block: 0 }, { block: 1 }, { block: 2 }] });
  });

  it("reads asm goto", () => {
    const text = `  callbr void asm sideeffect "if $0 == 0 goto \${1:l}", "r,!i"(i64 %0)
          to label %3 [label %4], !dbg !5

3:
  ret i64 1

4:
  ret i64 2`;
    expect(body(text)[0]).toMatchObject({ op: "call", fallthrough: 1, indirect: [2], dbg: 5 });
  });
});

describe("module", () => {
  it("reads globals with nested and packed initialisers", () => {
    const { globals } = module(
      [
        '%"union.odd one" = type { i64 }',
        "%struct.a = type { i8, %struct.b, [3 x ptr] }",
        "%struct.b = type <{ i8, i32 }>",
        '@LICENSE = dso_local global [4 x i8] c"GPL\\00", section "license", align 1, !dbg !0',
        "@a = internal unnamed_addr constant %struct.a zeroinitializer, align 8",
        "@p = dso_local global { ptr, [2 x ptr] } { ptr @a, [2 x ptr] [ptr null, ptr getelementptr inbounds nuw (i8, ptr @a, i64 24)] }, align 8",
        '@k = external dso_local local_unnamed_addr global i32, section ".kconfig", align 4',
        "@w = weak global i32 -1",
      ].join("\n"),
    );
    expect(globals.map((g) => [g.name, g.linkage, g.section, g.initialiser?.kind ?? null])).toEqual([
      ["LICENSE", "external", "license", "bytes"],
      ["a", "internal", "", "zero"],
      ["p", "external", "", "aggregate"],
      ["k", "external", ".kconfig", null],
      ["w", "weak", "", "int"],
    ]);
    const p = globals[2]?.initialiser;
    const inner = p?.kind === "aggregate" ? p.elements[1] : undefined;
    expect(inner?.kind === "aggregate" ? inner.elements[1] : null).toMatchObject({
      kind: "global",
      name: "a",
      addend: 24,
    });
    expect(globals[1]).toMatchObject({ unnamed: true, type: { kind: "struct", fields: [{}, { packed: true }, {}] } });
  });

  it("reads metadata: tuples, fields, flags, big numbers, escapes", () => {
    const { metadata } = module(
      [
        "!llvm.dbg.cu = !{!0}",
        "!0 = distinct !DICompileUnit(language: DW_LANG_C11, file: !1, isOptimized: true)",
        '!1 = !DIFile(filename: "a \\22b\\22.c", directory: "")',
        '!2 = !{!"btf_decl_tag", !"caf\\C3\\A9, (x)", null, i32 7}',
        '!3 = !DIEnumerator(name: "E", value: 18446744073709551615, isUnsigned: true)',
        '!4 = !DISubprogram(name: "f", flags: DIFlagPrototyped | DIFlagNoReturn, spFlags: DISPFlagDefinition)',
        "!5 = !DIGlobalVariableExpression(var: !4, expr: !DIExpression(DW_OP_constu, 3, DW_OP_stack_value))",
      ].join("\n"),
    );
    expect(metadata.named.get("llvm.dbg.cu")).toEqual([0]);
    expect(metadata.nodes.get(1)?.fields.get("filename")).toEqual({ kind: "string", value: 'a "b".c' });
    expect(metadata.nodes.get(2)?.elements.slice(0, 2)).toEqual([
      { kind: "string", value: "btf_decl_tag" },
      { kind: "string", value: "café, (x)" },
    ]);
    expect(metadata.nodes.get(3)?.fields.get("value")).toEqual({ kind: "int", value: 18446744073709551615n });
    expect(metadata.nodes.get(4)?.fields.get("flags")).toEqual({
      kind: "word",
      value: "DIFlagPrototyped | DIFlagNoReturn",
    });
    expect(metadata.nodes.get(5)?.fields.get("expr")).toMatchObject({ node: { tag: "DIExpression" } });
  });

  it("says where the text is no IR", () => {
    const broken = parseIr('target triple = "bpf"\n\ndefine i32 @f( {\n');
    expect(broken).toMatchObject({ ok: false, error: [{ span: { file: "module.ll", line: 3 } }] });
    expect(parseIr("hello").ok).toBe(false);
  });

  it("does not follow nesting without end", () => {
    const deep = `@a = global ${"[1 x ".repeat(5000)}i8${"]".repeat(5000)} zeroinitializer`;
    expect(parseIr(deep)).toMatchObject({ ok: false });
    expect(parseIr(`!0 = ${"!{".repeat(5000)}`).ok).toBe(false);
  });
});

describe("damaged text", () => {
  const recorded = JSON.parse(
    new TextDecoder().decode(
      gunzipSync(readFileSync(new URL("../codegen/corpus/recorded-ir.json.gz", import.meta.url))),
    ),
  ) as Record<string, string>;
  const text = (recorded["maps O2"] as string).slice(0, 40_000);
  const seed = Number(process.env["PARSE_SEED"] ?? 1);

  it(`gives a value or an error, never a throw (seed ${seed})`, () => {
    const prng = makePrng(seed);
    for (let i = 0; i < 60; i++) {
      const at = nextBelow(prng, text.length);
      const length = 1 + nextBelow(prng, 40);
      const other = nextBelow(prng, text.length - 40);
      const patch = i % 3 === 0 ? "" : text.slice(other, other + nextBelow(prng, 40));
      const damaged = i % 7 === 0 ? text.slice(0, at) : text.slice(0, at) + patch + text.slice(at + length);
      const parsed = parseIr(damaged);
      expect(parsed.ok || parsed.error.length === 1, `seed ${seed}, case ${i}`).toBe(true);
    }
  });
});

describe("debug records", () => {
  const read = (records: string) => {
    const module = parseIr(`define i64 @f(i64 %0) {
  ${records}
  %2 = add i64 %0, 1
  ret i64 %2
}
`);
    if (!module.ok) throw new Error(module.error[0]?.message);
    return module.value.functions[0];
  };

  it("stand before an instruction, with their values, variable and expression", () => {
    const list = `!DIArgList(i64 %0, i64 7)`;
    const fn = read(`#dbg_value(${list}, !4, !DIExpression(DW_OP_LLVM_arg, 0, DW_OP_plus_uconst, 8), !6)
  #dbg_declare(ptr poison, !5, !DIExpression(), !6)
  #dbg_label(!9, !6)`);
    expect(fn?.blocks[0]?.records).toMatchObject([
      {
        kind: "value",
        before: 0,
        variable: 4,
        dbg: 6,
        values: [
          { kind: "local", index: 0 },
          { kind: "int", value: 7n },
        ],
      },
      { kind: "declare", before: 0, variable: 5, values: [{ kind: "undef" }] },
    ]);
    expect(fn?.valueCount).toBe(2);
  });

  it("cost no program: one that cannot be read leaves the function without any", () => {
    for (const bad of [
      "#dbg_value(i64 %0, 4, !DIExpression(), !6)",
      "#dbg_value(i64 %nowhere, !4, !DIExpression(), !6)",
    ]) {
      const fn = read(`#dbg_value(i64 1, !4, !DIExpression(), !6)\n  ${bad}`);
      expect(fn?.blocks[0]).toMatchObject({ records: [], instructions: [{ op: "binary" }, { op: "ret" }] });
      expect(fn?.valueCount).toBe(2);
    }
  });
});
