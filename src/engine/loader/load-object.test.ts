import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { MAP_TYPES, PROG_TYPES } from "../abi/types.ts";
import { typeAt } from "../btf/layout.ts";
import { readBtf } from "../btf/read.ts";
import { writeBtf } from "../btf/write.ts";
import { BPF_PSEUDO_CALL, BPF_PSEUDO_FUNC, CALL, LD_IMM64 } from "../isa/opcodes.ts";
import { loadObject } from "./load-object.ts";
import { sectionMeaning } from "./section-names.ts";
import type { CollectionSpec, ProgramSpec } from "./spec.ts";

const fixture = (name: string): Uint8Array => readFileSync(new URL(`fixtures/${name}`, import.meta.url));

function load(name: string): CollectionSpec {
  const result = loadObject(fixture(name), `some/where/${name}`);
  if (!result.ok) throw new Error(result.error.map((d) => d.message).join("\n"));
  return result.value;
}

function refusals(name: string): string[] {
  const result = loadObject(fixture(name), name);
  return result.ok ? [] : result.error.map((d) => d.message);
}

describe("an object of clang's", () => {
  const spec = load("features.bpf.o");
  const map = (name: string) => spec.maps.find((m) => m.name === name);
  const prog = (name: string) => spec.programs.find((p) => p.name === name) as ProgramSpec;

  it("has its maps, those of global data named as libbpf names them", () => {
    expect(spec.maps.map((m) => m.name)).toEqual([
      "first",
      "outer",
      "jumps",
      "line",
      "events",
      "features.data",
      "features.rodata",
      ".rodata.table",
      "features.bss",
      "feature.kconfig",
    ]);
    expect(map("first")).toMatchObject({ type: MAP_TYPES.array, keySize: 4, valueSize: 8, maxEntries: 1 });
    expect(map("events")).toMatchObject({ type: MAP_TYPES.ringbuf, maxEntries: 8192, pinByName: true });
  });

  it("has inner maps and initial slots", () => {
    expect(map("outer")?.inner).toMatchObject({ name: "outer.inner", type: MAP_TYPES.array, valueSize: 8 });
    expect(map("outer")).toMatchObject({ valueSize: 4, slots: [{ index: 1, kind: "map", name: "first" }] });
    expect(map("jumps")?.slots).toEqual([{ index: 0, kind: "prog", name: "target" }]);
  });

  it("keeps from the kernel the types of a queue, and shows them", () => {
    const queue = map("line");
    expect(queue?.valueType).toBe(0);
    expect(typeAt(spec.btf as NonNullable<typeof spec.btf>, queue?.declaredValueType ?? 0)).toMatchObject({
      kind: "struct",
      name: "inner",
    });
  });

  it("fills maps of global data, and freezes what is read only", () => {
    expect(map("features.data")).toMatchObject({ flags: 0x400, frozen: false });
    expect([...(map("features.data")?.globalData?.contents ?? [])]).toEqual([5, 0, 0, 0]);
    expect(map("features.rodata")).toMatchObject({ flags: 0x480, frozen: true });
    expect(map("features.bss")).toMatchObject({ flags: 0, frozen: false });
    expect([...(map("feature.kconfig")?.globalData?.contents ?? [])]).toEqual([0, 18, 6, 0, 0]);
  });

  it("has the programs that are loaded without being asked for", () => {
    expect(spec.programs.map((p) => [p.name, p.type, p.expectedAttachType, p.flags])).toEqual([
      ["target", PROG_TYPES.xdp, 37, 0],
      ["entry", PROG_TYPES.xdp, 37, 0],
      ["sleeper", PROG_TYPES.lsm, 27, 16],
    ]);
    expect(spec.license).toBe("GPL");
    expect(spec.dialect).toBe("linux");
  });

  it("appends subprograms in the order of their first use, depth first", () => {
    const { insns, functions } = prog("entry");
    expect(functions.map((f) => f.name)).toEqual(["entry", "step", "deep", "helper_global", "concealed"]);
    const starts = new Set(functions.map((f) => f.insn));
    for (const [at, insn] of insns.entries()) {
      const local = insn.opcode === CALL && insn.src === BPF_PSEUDO_CALL;
      const address = insn.opcode === LD_IMM64 && insn.src === BPF_PSEUDO_FUNC;
      if (local || address) expect(starts).toContain(at + insn.imm + 1);
    }
    for (const f of functions)
      expect(typeAt(spec.btf as NonNullable<typeof spec.btf>, f.type)).toMatchObject({ name: f.name });
  });

  it("names what its instructions refer to", () => {
    expect(prog("entry").mapReferences.map((r) => `${r.map}+${r.offset}`)).toEqual([
      "features.rodata+0",
      "features.data+0",
      ".rodata.table+0",
      "features.rodata+4",
      "jumps+null",
      "feature.kconfig+0",
      "feature.kconfig+4",
      "features.bss+0",
      "features.bss+0",
      "features.data+0",
    ]);
    expect(prog("target").kfuncReferences).toEqual([{ insn: 0, name: "bpf_cast_to_kern_ctx" }]);
  });

  it("knows the source line of instructions", () => {
    const lines = prog("entry").lines;
    expect(lines[0]?.insn).toBe(0);
    expect(lines.find((l) => l.text.includes("return helper_global"))).toMatchObject({
      line: 79,
      file: "./features.bpf.c",
    });
    expect(lines.map((l) => l.insn)).toEqual([...lines.map((l) => l.insn)].sort((a, b) => a - b));
  });

  it("has BTF that the kernel would take: places, sizes, no externs", () => {
    const btf = spec.btf as NonNullable<typeof spec.btf>;
    for (const type of btf.types) {
      if (type.kind === "datasec") expect(type.size).toBeGreaterThan(0);
      if (type.kind === "var" || type.kind === "func") expect(type.linkage).not.toBe("extern");
    }
    expect(btf.types.find((t) => t.kind === "func" && t.name === "concealed")).toMatchObject({ linkage: "static" });
    expect(readBtf(writeBtf(btf))).toEqual({ ok: true, value: btf });
  });
});

describe("an object that cannot be loaded", () => {
  it("is told every reason", () => {
    expect(refusals("bad.bpf.o")).toEqual([
      "extern 'elsewhere' is not defined in this object; linking several objects is not supported",
      "extern 'CONFIG_ABSENT' (strong): the playground's kernel has no such setting",
      "map 'concealed' is static; libbpf wants maps that are global",
      "map 'misspelt': unknown field 'max_size'",
      "map 'typeless': map type isn't specified",
    ]);
  });

  it("has legacy maps", () => {
    expect(refusals("legacy.bpf.o")).toEqual([expect.stringContaining("legacy map definitions in 'maps' section")]);
  });

  it("asks for the running kernel's types; those that are the same everywhere pass", () => {
    expect(refusals("core.bpf.o")).toEqual([expect.stringContaining("'struct task_struct.tgid'")]);
    const result = loadObject(fixture("core.bpf.o"), "core.bpf.o");
    expect(!result.ok && result.error[0]?.span).toMatchObject({ file: "./core.bpf.c", line: 25, column: 15 });
  });

  it("is cut off or damaged anywhere, and nothing is thrown", () => {
    const bytes = Uint8Array.from(fixture("features.bpf.o"));
    for (let n = 0; n < bytes.length; n += 7) expect(loadObject(bytes.subarray(0, n), "cut.o").ok).toBe(false);
    for (let at = 0; at < bytes.length; at += 3) {
      const damaged = bytes.slice();
      damaged[at] = (damaged[at] as number) ^ 0xff;
      loadObject(damaged, "damaged.o");
    }
  });
});

describe("names of sections", () => {
  it("match whole, or up to a slash where a target may follow", () => {
    expect(sectionMeaning("xdp.frags")).toEqual({ type: PROG_TYPES.xdp, attachType: 37, flags: 32 });
    expect(sectionMeaning("kprobe/do_exit")?.type).toBe(PROG_TYPES.kprobe);
    expect(sectionMeaning("xdp/mine")).toBeNull();
    expect(sectionMeaning("tc")).toEqual({ type: PROG_TYPES.sched_cls, attachType: 0, flags: 0 });
  });
});
