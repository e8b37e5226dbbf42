import { describe, expect, it } from "vitest";
import { readBtfSection } from "../btf/read.ts";
import { readElf } from "../elf/read.ts";
import type { ElfObject } from "../elf/types.ts";
import { R_BPF_64_32, R_BPF_64_64, R_BPF_64_ABS64 } from "../elf/types.ts";
import { parseIr } from "../ir/parse-ir.ts";
import { formatInstruction } from "../isa/format.ts";
import { decodeInstructions, isLdImm64 } from "../isa/instruction.ts";
import { readBtfExt } from "../loader/btf-ext.ts";
import { generateObject } from "./generate-object.ts";
import type { CpuVersion } from "./select/module-context.ts";

function build(ir: string, cpuVersion: CpuVersion = "v3"): ElfObject {
  const module = parseIr(ir);
  if (!module.ok) throw new Error(module.error[0]?.message);
  const object = generateObject(module.value, { cpuVersion });
  if (!object.ok) throw new Error(object.error.map((d) => d.message).join("; "));
  const elf = readElf(object.value);
  if (!elf.ok) throw new Error(elf.error);
  return elf.value;
}

function errors(ir: string, cpuVersion: CpuVersion = "v3"): string[] {
  const module = parseIr(ir);
  if (!module.ok) throw new Error(module.error[0]?.message);
  const object = generateObject(module.value, { cpuVersion });
  return object.ok ? [] : object.error.map((d) => `${d.span?.line ?? "-"}: ${d.message}`);
}

const section = (elf: ElfObject, name: string) => elf.sections.find((s) => s.name === name);

/** Text of a code section, one instruction a line. */
function code(elf: ElfObject, name = ".text"): string[] {
  const insns = decodeInstructions(section(elf, name)?.bytes ?? new Uint8Array());
  const lines: string[] = [];
  const names = { call: (i: { imm: number }) => String(i.imm), wide: (_: unknown, value: bigint) => `${value} ll` };
  for (let i = 0; i < insns.length; i++) {
    const insn = insns[i];
    if (insn === undefined) continue;
    lines.push(formatInstruction(insn, insns[i + 1], i, names));
    if (isLdImm64(insn)) i++;
  }
  return lines;
}

const fn = (body: string, head = "define i64 @f(i64 %0, i64 %1)"): string => `${head} {\n${body}\n}\n`;

describe("code", () => {
  it("folds constants into operations, addresses into loads, comparisons into jumps", () => {
    const elf = build(
      fn(
        `  %3 = getelementptr inbounds nuw i8, ptr %0, i64 24
  %4 = load i32, ptr %3, align 4
  %5 = icmp ult i32 %4, 100
  br i1 %5, label %6, label %8

6:
  %7 = add i32 %4, 7
  ret i32 %7

8:
  ret i32 0`,
        "define i32 @f(ptr %0, i64 %1)",
      ),
    );
    expect(code(elf)).toEqual([
      "r0 = *(u32 *)(r1 +24)",
      "if w0 >= 0x64 goto pc+2",
      "w0 += 7",
      "exit",
      "w0 = 0",
      "exit",
    ]);
  });

  it("extends i32 to i64 only where the upper half may hold something", () => {
    const known = "  %3 = trunc i64 %0 to i32\n  %4 = add i32 %3, 1\n  %5 = zext i32 %4 to i64\n  ret i64 %5";
    expect(code(build(fn(known)))).toEqual(["w1 += 1", "r0 = r1", "exit"]);
    const unknown = "  %3 = trunc i64 %0 to i32\n  %4 = zext i32 %3 to i64\n  ret i64 %4";
    expect(code(build(fn(unknown)))).toEqual(["w0 = w1", "exit"]);
    expect(code(build(fn(unknown), "v2"))).toEqual(["r1 <<= 32", "r1 >>= 32", "r0 = r1", "exit"]);
  });

  it("uses what v4 adds", () => {
    const body = `  %3 = sdiv i64 %0, %1
  %4 = trunc i64 %3 to i16
  %5 = sext i16 %4 to i64
  %6 = call i64 @llvm.bswap.i64(i64 %5)
  ret i64 %6`;
    const text = code(build(`${fn(body)}declare i64 @llvm.bswap.i64(i64)\n`, "v4"));
    expect(text.some((line) => line.includes("s/="))).toBe(true);
    expect(text.some((line) => line.includes("(s16)"))).toBe(true);
    expect(text.some((line) => line.includes("bswap64"))).toBe(true);
    expect(errors(`${fn(body)}declare i64 @llvm.bswap.i64(i64)\n`)).toEqual([
      "-: unsupported signed division, please convert to unsigned div/mod.",
    ]);
  });

  it("turns < into older jumps at v1", () => {
    const body = "  %3 = icmp ult i64 %0, %1\n  br i1 %3, label %4, label %5\n\n4:\n  ret i64 1\n\n5:\n  ret i64 2";
    for (const line of code(build(fn(body), "v1"))) expect(line).not.toMatch(/ <=? /);
    expect(code(build(fn(body), "v3")).join()).toMatch(/if r1 (<|>=) r2/);
  });

  it("keeps values across calls in r6..r9 and re-makes constants", () => {
    const body = `  %3 = call i64 inttoptr (i64 5 to ptr)()
  %4 = add i64 %3, %0
  %5 = xor i64 %4, %1
  ret i64 %5`;
    expect(code(build(fn(body)))).toEqual(["r7 = r1", "r6 = r2", "call 5", "r0 += r7", "r0 ^= r6", "exit"]);
  });

  it("calls helpers through variables that are never written (-O0)", () => {
    const ir = `@h = internal global ptr inttoptr (i64 5 to ptr), align 8\n${fn("  %3 = load ptr, ptr @h, align 8\n  %4 = call i64 %3()\n  ret i64 %4")}`;
    const elf = build(ir);
    expect(code(elf)).toEqual(["call 5", "exit"]);
    expect(section(elf, ".data")).toBeUndefined();
  });

  it("folds preserved access indices into offsets, so that a context stays a context", () => {
    const ir = `%s = type { i32, [3 x i64] }
define i64 @f(ptr %0) {
  %2 = call ptr @llvm.preserve.struct.access.index.p0.p0(ptr elementtype(%s) %0, i32 1, i32 1)
  %3 = call ptr @llvm.preserve.array.access.index.p0.p0(ptr elementtype([3 x i64]) %2, i32 1, i32 2)
  %4 = load i64, ptr %3, align 8
  %5 = call i64 @llvm.bpf.preserve.field.info.p0(ptr %3, i64 0)
  %6 = add i64 %4, %5
  ret i64 %6
}
declare ptr @llvm.preserve.struct.access.index.p0.p0(ptr, i32, i32)
declare ptr @llvm.preserve.array.access.index.p0.p0(ptr, i32, i32)
declare i64 @llvm.bpf.preserve.field.info.p0(ptr, i64)
`;
    expect(code(build(ir))).toEqual(["r0 = *(u64 *)(r1 +24)", "r1 = 24", "r0 += r1", "exit"]);
  });

  it("leaves naked functions as they are written", () => {
    const ir = `define internal void @f() #0 {\n  call void asm sideeffect "r0 = 7\\0Aexit", ""()\n  unreachable\n}\nattributes #0 = { naked noinline }\n`;
    expect(code(build(ir))).toEqual(["r0 = 7", "exit"]);
  });

  it("copies 1024 bytes in place and refuses more", () => {
    const copy = (n: number): string =>
      `define void @f(ptr %0, ptr %1) {\n  call void @llvm.memcpy.p0.p0.i64(ptr align 8 %0, ptr align 8 %1, i64 ${n}, i1 false)\n  ret void\n}\ndeclare void @llvm.memcpy.p0.p0.i64(ptr, ptr, i64, i1)\n`;
    expect(code(build(copy(1024)))).toHaveLength(257);
    expect(errors(copy(1025))).toEqual(["-: A call to built-in function 'memcpy' is not supported."]);
  });
});

describe("the object", () => {
  const ir = `@m = dso_local global { ptr } zeroinitializer, section ".maps", align 8
@text = private unnamed_addr constant [3 x i8] c"hi\\00", align 1
@count = internal global i32 0, align 4
@names = dso_local global [2 x ptr] [ptr @text, ptr @count], align 8
@LICENSE = dso_local global [4 x i8] c"GPL\\00", section "license", align 1
define dso_local i32 @main(ptr %0) section "xdp" {
  %2 = call i32 @sub(i32 3)
  %3 = call i64 inttoptr (i64 1 to ptr)(ptr @m, ptr @text)
  %4 = call i32 @ext(ptr @cb)
  %5 = load i32, ptr @count, align 4
  ret i32 %5
}
define internal i32 @sub(i32 %0) {
  %2 = call i32 @cb(i32 %0)
  ret i32 %2
}
define internal i32 @cb(i32 %0) {
  ret i32 %0
}
declare i32 @ext(ptr) section ".ksyms"
`;
  const elf = build(ir);
  const relocations = (name: string): string[] =>
    (elf.relocations.get(section(elf, name)?.index ?? -1) ?? []).map((r) => {
      const symbol = elf.symbols[r.symbol];
      const target = symbol?.type === "section" ? `section ${elf.sections[symbol.section]?.name}` : symbol?.name;
      return `${r.offset / 8} ${r.type} ${target}`;
    });

  it("names its sections and symbols as LLVM does", () => {
    const names = elf.sections.map((s) => s.name).filter((n) => !n.startsWith(".rel"));
    expect(names.slice(0, 4)).toEqual(["", ".strtab", ".text", "xdp"]);
    for (const name of [".maps", ".rodata.str1.1", ".bss", ".data", "license"]) expect(names).toContain(name);
    expect(elf.symbols.filter((s) => s.type === "func").map((s) => [s.name, s.binding, s.size])).toEqual([
      ["sub", "local", 16],
      ["cb", "local", 16],
      ["main", "global", expect.any(Number)],
    ]);
    expect(elf.symbols.find((s) => s.name === "ext")).toMatchObject({ type: "none", section: 0, binding: "global" });
    expect(elf.symbols.some((s) => s.name === "text")).toBe(false);
  });

  it("relocates maps, literals, variables, functions and calls", () => {
    const insns = decodeInstructions(section(elf, "xdp")?.bytes ?? new Uint8Array());
    const found = relocations("xdp");
    expect(found).toEqual([
      `1 ${R_BPF_64_32} section .text`,
      `2 ${R_BPF_64_64} m`,
      `4 ${R_BPF_64_64} section .rodata.str1.1`,
      `7 ${R_BPF_64_64} section .text`,
      `9 ${R_BPF_64_32} ext`,
      `10 ${R_BPF_64_64} section .bss`,
    ]);
    expect(insns[1]).toMatchObject({ src: 1, imm: -1 }); // first function of .text
    expect(insns[7]?.imm).toBe(16); // bytes to cb in .text
    expect(insns[9]).toMatchObject({ src: 1, imm: -1 });
    // Within .text a static function is called without one.
    expect(relocations(".text")).toEqual([]);
    expect(decodeInstructions(section(elf, ".text")?.bytes ?? new Uint8Array())[0]).toMatchObject({ src: 1, imm: 1 });
    expect(relocations(".data")).toEqual([
      `0 ${R_BPF_64_ABS64} section .rodata.str1.1`,
      `1 ${R_BPF_64_ABS64} section .bss`,
    ]);
  });
});

describe("debug metadata", () => {
  const ir = `define dso_local i32 @f(i32 %0) section "tc" !dbg !5 {
  %2 = mul i32 %0, 3, !dbg !11
  %3 = add i32 %2, 1, !dbg !12
  ret i32 %3, !dbg !12
}
!llvm.dbg.cu = !{!0}
!0 = distinct !DICompileUnit(language: DW_LANG_C11, file: !1)
!1 = !DIFile(filename: "a.c", directory: "")
!2 = !DIBasicType(name: "int", size: 32, encoding: DW_ATE_signed)
!5 = distinct !DISubprogram(name: "f", scope: !1, file: !1, line: 4, type: !6, spFlags: DISPFlagDefinition, retainedNodes: !8)
!6 = !DISubroutineType(types: !7)
!7 = !{!2, !2}
!8 = !{!9}
!9 = !DILocalVariable(name: "x", arg: 1, scope: !5, file: !1, line: 4, type: !2)
!11 = !DILocation(line: 5, column: 9, scope: !5)
!12 = !DILocation(line: 6, column: 2, scope: !5)
`;

  it("becomes BTF, function and line records", () => {
    const module = parseIr(ir);
    if (!module.ok) throw new Error("IR");
    const sources = new Map([["a.c", "one\ntwo\nthree\nint f(int x)\n\tint y = x * 3;\n\treturn y + 1;\n"]]);
    const object = generateObject(module.value, { cpuVersion: "v3", sources });
    if (!object.ok) throw new Error(object.error[0]?.message);
    const elf = readElf(object.value);
    if (!elf.ok) throw new Error(elf.error);
    const btf = readBtfSection(section(elf.value, ".BTF")?.bytes ?? new Uint8Array());
    if (!btf.ok) throw new Error(btf.error);
    expect(btf.value.btf.types.map((t) => t.kind)).toEqual(["void", "int", "func_proto", "func"]);
    expect(btf.value.btf.types[2]).toMatchObject({ returnType: 1, params: [{ name: "x", type: 1 }] });
    const ext = readBtfExt(section(elf.value, ".BTF.ext")?.bytes ?? null, btf.value);
    if (!ext.ok) throw new Error(ext.error);
    expect(ext.value.functions).toEqual([{ section: "tc", offset: 0, type: 3 }]);
    expect(ext.value.lines.map((l) => [l.offset / 8, l.line, l.column, l.text])).toEqual([
      [0, 5, 9, "\tint y = x * 3;"],
      [1, 6, 2, "\treturn y + 1;"],
    ]);
  });

  it("gives a function whose first instruction has no place the function's own line", () => {
    const moved = ir.replace("mul i32 %0, 3, !dbg !11", "call i32 inttoptr (i64 7 to ptr)(i64 0)");
    const object = build(moved);
    const btf = readBtfSection(section(object, ".BTF")?.bytes ?? new Uint8Array());
    const ext = btf.ok ? readBtfExt(section(object, ".BTF.ext")?.bytes ?? null, btf.value) : btf;
    expect(ext.ok ? ext.value.lines.map((l) => [l.offset / 8, l.line, l.column]) : ext.error).toEqual([
      [0, 4, 0],
      [2, 6, 2],
    ]);
  });

  it("places errors in the C source", () => {
    const bad = ir.replace("mul i32 %0, 3", "sdiv i32 %0, %0");
    const module = parseIr(bad);
    if (!module.ok) throw new Error("IR");
    const object = generateObject(module.value, { cpuVersion: "v3" });
    expect(object).toMatchObject({ ok: false, error: [{ span: { file: "a.c", line: 5, column: 9 } }] });
  });
});

describe("what BPF cannot do", () => {
  const cases: readonly (readonly [string, string, RegExp])[] = [
    [
      "six parameters",
      "define i64 @f(i64 %0, i64 %1, i64 %2, i64 %3, i64 %4, i64 %5) {\n  ret i64 %0\n}",
      /stack arguments/,
    ],
    ["struct return", "define void @f(ptr sret({ i64, i64, i64 }) %0) {\n  ret void\n}", /aggregate returns/],
    ["struct by value", "define void @f(ptr byval({ i64, i64, i64 }) %0) {\n  ret void\n}", /pass by value/],
    [
      "variable stack",
      "define ptr @f(i64 %0) {\n  %2 = alloca i8, i64 %0\n  ret ptr %2\n}",
      /dynamic stack allocation/,
    ],
    ["floats", "define double @f(double %0) {\n  %2 = fadd double %0, 1.0\n  ret double %2\n}", /floating point/],
    [
      "byte atomics",
      "define void @f(ptr %0) {\n  %2 = atomicrmw add ptr %0, i8 1 seq_cst, align 1\n  ret void\n}",
      /32\/64 bit/,
    ],
    [
      "acquire below v4",
      "define i32 @f(ptr %0) {\n  %2 = load atomic i32, ptr %0 acquire, align 4\n  ret i32 %2\n}",
      /acquire/,
    ],
    [
      "128-bit division",
      "define i64 @f(i64 %0) {\n  %2 = zext i64 %0 to i128\n  %3 = udiv i128 %2, 7\n  %4 = trunc i128 %3 to i64\n  ret i64 %4\n}",
      /__udivti3/,
    ],
    ["wrong assembly", 'define void @f() {\n  call void asm sideeffect "frob", ""()\n  ret void\n}', /frob/],
    [
      "wrong constraint",
      'define void @f(i64 %0) {\n  call void asm sideeffect "$0", "Q"(i64 %0)\n  ret void\n}',
      /unknown asm constraint 'Q'/,
    ],
    ["aliases", "@g = alias i32 (), ptr @f\ndefine i32 @f() {\n  ret i32 0\n}", /alias/],
    ["thread-local data", "@x = thread_local global i32 0\n", /thread-local/],
  ];
  for (const [name, ir, message] of cases) {
    it(`is said of ${name}`, () => {
      expect(errors(ir).join("\n")).toMatch(message);
    });
  }

  it("is said of a frame larger than 512 bytes", () => {
    const frame = (n: number): string =>
      `define i64 @f() {\n  %1 = alloca [${n} x i8], align 8\n  %2 = call i64 inttoptr (i64 6 to ptr)(ptr %1, i64 4)\n  ret i64 %2\n}`;
    expect(errors(frame(512))).toEqual([]);
    expect(errors(frame(520)).join()).toMatch(/BPF stack limit is exceeded/);
  });
});
