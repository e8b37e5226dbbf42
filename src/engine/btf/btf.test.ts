import { execFileSync } from "node:child_process";
import { existsSync, mkdtempSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { alignOfType, declarationText, isSigned, sizeOfType, skipModifiersAndTypedefs, typeText } from "./layout.ts";
import { readBtf } from "./read.ts";
import type { Btf } from "./types.ts";
import { writeBtf } from "./write.ts";

/** One of every kind. */
const sample: Btf = {
  types: [
    { kind: "void" },
    { kind: "int", name: "int", size: 4, bits: 32, bitOffset: 0, encoding: "signed" },
    { kind: "ptr", type: 7 },
    { kind: "array", type: 1, indexType: 1, count: 5 },
    {
      kind: "struct",
      name: "elem",
      size: 24,
      members: [
        { name: "counter", type: 1, bitOffset: 0, bitSize: 3 },
        { name: "p", type: 2, bitOffset: 64, bitSize: 0 },
        { name: "u", type: 5, bitOffset: 128, bitSize: 0 },
      ],
    },
    { kind: "union", name: "", size: 4, members: [{ name: "i", type: 1, bitOffset: 0, bitSize: 0 }] },
    { kind: "enum", name: "e", size: 4, signed: true, wide: false, values: [{ name: "MINUS", value: -1n }] },
    { kind: "const", type: 8 },
    { kind: "fwd", name: "later", union: false },
    { kind: "typedef", name: "elem_t", type: 4 },
    { kind: "volatile", type: 1 },
    { kind: "restrict", type: 2 },
    { kind: "func_proto", returnType: 1, params: [{ name: "ctx", type: 2 }] },
    { kind: "func", name: "prog", type: 12, linkage: "global" },
    { kind: "var", name: "counter", type: 1, linkage: "global" },
    { kind: "datasec", name: ".bss", size: 4, vars: [{ type: 14, offset: 0, size: 4 }] },
    { kind: "float", name: "double", size: 8 },
    { kind: "decl_tag", name: "mark", type: 4, componentIndex: -1 },
    { kind: "type_tag", name: "kptr", type: 4 },
    {
      kind: "enum",
      name: "big",
      size: 8,
      signed: false,
      wide: true,
      values: [{ name: "ALL", value: 0xffffffffffffffffn }],
    },
    { kind: "ptr", type: 12 },
    { kind: "array", type: 3, indexType: 1, count: 2 },
  ],
};

describe("BTF", () => {
  it("comes back as it was written", () => {
    expect(readBtf(writeBtf(sample))).toEqual({ ok: true, value: sample });
  });

  it("is what bpftool reads", () => {
    const bpftool = ["/usr/sbin/bpftool", "/usr/bin/bpftool"].find((p) => existsSync(p));
    if (bpftool === undefined) return;
    const file = join(mkdtempSync(join(tmpdir(), "btf-")), "sample.btf");
    writeFileSync(file, writeBtf(sample));
    const dump = execFileSync(bpftool, ["btf", "dump", "file", file], { encoding: "utf8" });
    expect(dump).toContain("[4] STRUCT 'elem' size=24 vlen=3\n\t'counter' type_id=1 bits_offset=0 bitfield_size=3");
    expect(dump).toContain("[13] FUNC 'prog' type_id=12 linkage=global");
    expect(dump).toContain("'ALL' val=18446744073709551615ULL");
  });

  it("refuses every truncation, and ids that do not exist", () => {
    const bytes = writeBtf(sample);
    for (let n = 0; n < bytes.length; n++) expect(readBtf(bytes.subarray(0, n)).ok).toBe(false);
    const bad = readBtf(writeBtf({ types: [{ kind: "void" }, { kind: "ptr", type: 9 }] }));
    expect(bad).toEqual({ ok: false, error: "BTF type 1 refers to type 9, which does not exist" });
  });

  it("lays types out as C does", () => {
    expect(sizeOfType(sample, 9)).toBe(24);
    expect(sizeOfType(sample, 3)).toBe(20);
    expect(sizeOfType(sample, 8)).toBeNull();
    expect(alignOfType(sample, 9)).toBe(8);
    expect(skipModifiersAndTypedefs(sample, 9)).toBe(4);
    expect(isSigned(sample, 6)).toBe(true);
  });

  it("names types as C does", () => {
    expect(typeText(sample, 2)).toBe("const struct later *");
    expect(typeText(sample, 20)).toBe("int (*)(const struct later *ctx)");
    expect(declarationText(sample, 21, "a")).toBe("int a[2][5]");
    expect(declarationText(sample, 9, "e")).toBe("elem_t e");
  });
});
