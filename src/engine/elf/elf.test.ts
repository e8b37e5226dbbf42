import { describe, expect, it } from "vitest";
import { readElf } from "./read.ts";
import { R_BPF_64_64, SHF_ALLOC, SHF_EXECINSTR, SHT_NOBITS, SHT_PROGBITS } from "./types.ts";
import type { SymbolPart } from "./write.ts";
import { writeElf } from "./write.ts";

const symbol = (over: Partial<SymbolPart>): SymbolPart => ({
  name: "",
  value: 0,
  size: 0,
  binding: "global",
  type: "object",
  hidden: false,
  section: 1,
  ...over,
});

const bytes = writeElf({
  sections: [
    {
      name: "xdp",
      type: SHT_PROGBITS,
      flags: SHF_ALLOC | SHF_EXECINSTR,
      align: 8,
      entrySize: 0,
      bytes: new Uint8Array(24).fill(7),
      size: 24,
      relocations: [{ offset: 8, type: R_BPF_64_64, symbol: 0 }],
    },
    {
      name: ".bss",
      type: SHT_NOBITS,
      flags: 3,
      align: 8,
      entrySize: 0,
      bytes: new Uint8Array(),
      size: 64,
      relocations: [],
    },
  ],
  symbols: [
    symbol({ name: "counter", size: 8 }),
    symbol({ name: "", type: "section", binding: "local" }),
    symbol({ name: "prog", type: "func", section: 0, size: 24, hidden: true }),
    symbol({ name: "kfunc", type: "none", section: "undefined", binding: "weak" }),
  ],
});

describe("ELF", () => {
  it("comes back as it was written, local symbols first", () => {
    const read = readElf(bytes);
    if (!read.ok) throw new Error(read.error);
    const { sections, symbols, relocations } = read.value;
    expect(sections.map((s) => s.name)).toEqual(["", ".strtab", "xdp", ".relxdp", ".bss", ".symtab"]);
    expect(sections[4]).toMatchObject({ size: 64, bytes: new Uint8Array(0) });
    expect(symbols.map((s) => [s.name, s.binding, s.type, s.section])).toEqual([
      ["", "local", "none", 0],
      ["", "local", "section", 4],
      ["counter", "global", "object", 4],
      ["prog", "global", "func", 2],
      ["kfunc", "weak", "none", 0],
    ]);
    expect(symbols[3]?.hidden).toBe(true);
    expect(relocations.get(2)).toEqual([{ offset: 8, type: R_BPF_64_64, symbol: 2 }]);
  });

  it("refuses files that are cut off or not BPF, and never throws", () => {
    for (let n = 0; n < bytes.length; n++) expect(readElf(bytes.subarray(0, n)).ok).toBe(false);
    for (let at = 0; at < bytes.length; at++) {
      for (const value of [0, 0x7f, 0xff]) {
        const bad = bytes.slice();
        bad[at] = value;
        readElf(bad);
      }
    }
  });
});
