import { readdirSync, readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { formatDiagnostic } from "../base/diagnostic.ts";
import { makePrng, nextBelow } from "../base/prng.ts";
import { readElf } from "../elf/read.ts";
import { loadObject } from "../loader/load-object.ts";
import type { CollectionSpec } from "../loader/spec.ts";
import { assemble } from "./assemble.ts";
import { disassemble } from "./disassemble.ts";
import { parseStatement } from "./statement.ts";

function load(text: string): CollectionSpec {
  const object = assemble(text, "a.s");
  if (!object.ok) throw new Error(object.error.map(formatDiagnostic).join("\n"));
  const spec = loadObject(object.value, "a.s");
  if (!spec.ok) throw new Error(spec.error.map(formatDiagnostic).join("\n"));
  return spec.value;
}

function faults(text: string): string[] {
  const object = assemble(text, "a.s");
  return object.ok ? [] : object.error.map(formatDiagnostic);
}

const TIMER = `
license "GPL"

struct elem {
    u64 counter;
    struct bpf_timer timer;   // 16 bytes
};

map hmap { type: hash; key: u32; value: struct elem; max_entries: 4 }

u64 fired;
u32 limit = 3;
const char fmt[] = "fired %d\\n";

static int cb(void *map, u32 *key, struct elem *val):
    r1 = fired ll
    r2 = 1; lock *(u64 *)(r1 + 0) += r2
    r1 = fmt ll
    r2 = 10
    r3 = limit ll
    r3 = *(u32 *)(r3 + 0)
    call bpf_trace_printk
    r0 = 0
    exit

SEC("xdp")
int prog(struct xdp_md *ctx):
    *(u32 *)(r10 - 4) = 0     # key
    r2 = r10
    r2 += -4
    r1 = hmap ll
    call bpf_map_lookup_elem
    if r0 == 0 goto out
    r1 = r0
    r1 += 8
    r2 = cb ll
    call bpf_timer_set_callback
out:
    r0 = 2
    exit
`;

describe("assemble", () => {
  it("makes an object with maps, data, functions and lines", () => {
    const spec = load(TIMER);
    expect(spec.license).toBe("GPL");
    expect(spec.maps.map((m) => [m.name, m.type, m.keySize, m.valueSize, m.maxEntries])).toEqual([
      ["hmap", 1, 4, 24, 4],
      ["a.bss", 2, 4, 8, 1],
      ["a.data", 2, 4, 4, 1],
      ["a.rodata", 2, 4, 10, 1],
    ]);
    const [prog] = spec.programs;
    expect(prog?.functions.map((f) => f.name)).toEqual(["prog", "cb"]);
    expect(prog?.mapReferences.map((m) => [m.map, m.offset])).toEqual([
      ["hmap", null],
      ["a.bss", 0],
      ["a.rodata", 0],
      ["a.data", 0],
    ]);
    expect(prog?.lines[0]).toMatchObject({ file: "a.s", line: 28, text: "    *(u32 *)(r10 - 4) = 0     # key" });
  });

  it("speaks the dialects: another timer, other helpers, a marker", () => {
    const spec = load(`dialect rfc
      struct elem { int stuff; struct bpf_timer timer; };
      map m { type: array; key: int; value: struct elem; max_entries: 1 }
      SEC("xdp") int prog(void *ctx):
        call bpf_timer_mod
        exit`);
    expect([spec.dialect, spec.maps[0]?.valueSize]).toEqual(["rfc", 16]);
    expect(spec.programs[0]?.insns[0]?.imm).toBe(0x10001);
  });

  it("takes LLVM's sections, globals and labels", () => {
    const spec = load(`
        .text
        .section xdp,"ax",@progbits
        .globl prog
        .p2align 3
        .type prog,@function
      prog:
        if r1 != 0 goto .L1
        r0 = 1
        exit
      .L1:
        r0 = 0x1122334455667788 ll
        exit
        .section license,"aw"`);
    expect(spec.programs.map((p) => [p.name, p.section, p.insns.length])).toEqual([["prog", "xdp", 6]]);
  });

  it("initialises slots of maps of maps and of programs", () => {
    const spec = load(`
      map one { type: array; key: u32; value: u64; max_entries: 1 }
      map outer { type: array_of_maps; key: u32; max_entries: 2; inner: one; slots: 1 = one }
      map jumps { type: prog_array; key: u32; value_size: 4; max_entries: 2; slots: 0 = prog }
      SEC("xdp") int prog(void *ctx):
        r0 = 0
        exit`);
    expect(spec.maps.map((m) => m.slots)).toEqual([
      [],
      [{ index: 1, kind: "map", name: "one" }],
      [{ index: 0, kind: "prog", name: "prog" }],
    ]);
  });

  it("puts addresses into data, as the loader finds them", () => {
    const text = `
      static const char first[] = "one";
      char second[4] = "two";
      char *names[3] = { first + 1, second, 0 };
      SEC("xdp") int prog(void *ctx):
        r0 = 0
        exit`;
    const object = assemble(text, "a.s");
    const elf = object.ok ? readElf(object.value) : object;
    if (!elf.ok) throw new Error("no object");
    const data = elf.value.sections.find((s) => s.name === ".data");
    const found = elf.value.relocations.get(data?.index ?? -1)?.map((r) => {
      const symbol = elf.value.symbols[r.symbol];
      const section = elf.value.sections[symbol?.section ?? 0]?.name;
      return [r.offset, r.type, symbol?.name || section, data?.bytes[r.offset]];
    });
    // A static variable is named by its section; the bytes say where in it.
    expect(found).toEqual([
      [8, 2, ".rodata", 1],
      [16, 2, "second", 0],
    ]);
    const again = object.ok ? disassemble(object.value) : object;
    expect(again.ok && again.value).toContain("char *names[3] = { first + 1, second, 0 };");
  });

  it("says at its place what is wrong", () => {
    expect(
      faults(`SEC("xdp") int prog(void *ctx):
  r1 = nothing ll
  goto away
  call bpf_nothing
  r1 += w2
  r0 = 1 r2
map m { key: u32 }
struct s { u32 x; union y; };
u32 prog;
exit`),
    ).toEqual([
      "a.s:5:9: error: expected a 64-bit register here",
      "a.s:6:10: error: unexpected 'r2'",
      "a.s:7:5: error: map m has no type",
      "a.s:8:19: error: 'union' is no type that is known here",
      "a.s:9:5: error: 'prog' is there already",
    ]);
    expect(faults('SEC("xdp") int prog(void *ctx):\n  r1 = nothing ll\n  goto away\n  call bpf_nothing\n')).toEqual([
      "a.s:2:8: error: there is no map, variable or function 'nothing'",
      "a.s:3:8: error: there is no label 'away' in prog",
      "a.s:4:8: error: there is no function or helper 'bpf_nothing'; a kfunc is declared: extern int bpf_nothing(…)",
    ]);
    expect(faults("r0 = 1\n")).toEqual([
      "a.s:1:1: error: an instruction has to be in a function: write its head first, such as `int prog(struct xdp_md *ctx):`",
    ]);
    expect(faults("")[0]).toContain("there is no function");
  });

  it("bears any text", () => {
    for (const text of [
      "{",
      "map",
      "struct x {",
      "SEC(",
      '"',
      "u32",
      "static",
      "extern",
      "x:",
      "r1 =",
      ".section",
      "/*",
      "}",
    ]) {
      expect(faults(text).length, text).toBeGreaterThan(0);
    }
  });
});

describe("random changes", () => {
  const seed = Math.floor(Math.random() * 1e9);
  const prng = makePrng(seed);

  it(`of a text give an object or faults, never a crash (seed ${seed})`, () => {
    const words = TIMER.split(/(\s+|\b)/);
    const signs = ["{", "}", "(", ")", "[", "]", "-1", "99999999999999999999", ";", ":", '"', "*", "struct", "map", ""];
    for (let i = 0; i < 200; i++) {
      const changed = words.slice();
      for (let n = 1 + nextBelow(prng, 4); n > 0; n--) {
        const other =
          nextBelow(prng, 2) === 0 ? signs[nextBelow(prng, signs.length)] : words[nextBelow(prng, words.length)];
        changed[nextBelow(prng, changed.length)] = other ?? "";
      }
      const result = assemble(changed.join(""), "a.s");
      expect(result.ok || result.error.length > 0).toBe(true);
    }
  });

  it(`of an object give a text or a reason (seed ${seed})`, () => {
    const object = readFileSync(new URL("../loader/fixtures/features.bpf.o", import.meta.url));
    for (let i = 0; i < 100; i++) {
      const changed = Uint8Array.from(object);
      for (let n = 1 + nextBelow(prng, 6); n > 0; n--) changed[nextBelow(prng, changed.length)] = nextBelow(prng, 256);
      const text = disassemble(changed);
      if (text.ok) expect(typeof assemble(text.value, "a.s").ok).toBe("boolean");
      else expect(text.error).not.toBe("");
    }
  });
});

describe("docs/ASSEMBLY.md", () => {
  const text = readFileSync(new URL("../../../docs/ASSEMBLY.md", import.meta.url), "utf8");

  it("shows a program that assembles", () => {
    const spec = load(/```\n([\s\S]*?)```/.exec(text)?.[1] ?? "");
    expect([spec.programs.map((p) => p.name), spec.maps.map((m) => m.name)]).toEqual([["prog"], ["hmap", "a.bss"]]);
  });

  it("shows instructions that are read", () => {
    const cells = text.split("\n").flatMap((line) => /^\| (`.*?) +\|/.exec(line)?.[1] ?? []);
    const forms = cells.flatMap((cell) => [...cell.matchAll(/`([^`]+)`/g)].map((m) => m[1] as string));
    expect(forms.length).toBeGreaterThanOrEqual(30);
    const unread = forms.filter((form) => !form.includes("…") && !parseStatement(form).ok);
    expect(unread).toEqual([]);
  });
});

describe("disassemble", () => {
  const FIXTURES = new URL("../loader/fixtures/", import.meta.url);

  /** What the kernel would see. */
  function essence({ programs, maps, license, dialect }: CollectionSpec): object {
    return {
      programs: programs.map((p) => [
        p.name,
        p.section,
        p.insns,
        p.mapReferences,
        p.kfuncReferences,
        p.functions.map((f) => f.name),
      ]),
      maps: maps.map((m) => [
        m.name,
        m.type,
        m.keySize,
        m.valueSize,
        m.maxEntries,
        m.flags,
        m.slots,
        m.globalData?.contents,
      ]),
      license,
      dialect,
    };
  }

  function again(object: Uint8Array): CollectionSpec {
    const text = disassemble(object);
    if (!text.ok) throw new Error(text.error);
    return load(text.value);
  }

  it("gives a text that assembles to the same object", () => {
    const object = assemble(TIMER, "a.s");
    expect(object.ok && essence(again(object.value))).toEqual(essence(load(TIMER)));
  });

  it("does so with what clang makes", () => {
    expect(readdirSync(FIXTURES)).toContain("features.bpf.o");
    const object = readFileSync(new URL("features.bpf.o", FIXTURES));
    const spec = loadObject(object, "a.s");
    expect(spec.ok && essence(spec.value)).toEqual(essence(again(object)));
  });

  it("writes encodings that have no words as raw slots", () => {
    const raw = `SEC("xdp") int prog(void *ctx):\n raw 04 11 3 7 -1\n raw ff 0 0 0 0\n r0 = 0\n exit\n`;
    const object = assemble(raw, "a.s");
    const text = object.ok ? disassemble(object.value) : object;
    expect(text.ok && text.value).toContain("raw 04 11 3 7 -1\n    raw ff 0 0 0 0\n");
  });

  it("says why bytes are no object", () => {
    expect(disassemble(Uint8Array.of(1, 2, 3)).ok).toBe(false);
  });
});
