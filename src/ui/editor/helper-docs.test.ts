import { describe, expect, it } from "vitest";
import { helperByName } from "../../engine/abi/helpers.ts";
import { dialectOf, HELPER_DOCS, helperDoc, parametersOf } from "./helper-docs.ts";

describe("helper documentation", () => {
  it("says the right thing of each dialect", () => {
    expect(helperDoc("bpf_timer_init", "linux")?.prototype).toContain("struct bpf_map *map");
    expect(helperDoc("bpf_timer_init", "rfc")?.prototype).toContain("callback_fn");
    expect(helperDoc("bpf_timer_mod", "linux")).toBeNull();
    expect(dialectOf("#include <bpf/bpf_timer_rfc.h>")).toBe("rfc");
    expect(dialectOf("#include <bpf/bpf_helpers.h>")).toBe("linux");
  });

  it("has as many parameters as the verifier checks arguments", () => {
    for (const doc of HELPER_DOCS) {
      const helper = helperByName(doc.name, doc.dialect === "rfc");
      expect(helper, doc.name).toBeDefined();
      const parameters = parametersOf(doc);
      if (!parameters.includes("...")) expect(parameters.length, doc.name).toBe(helper?.args.length);
    }
  });

  it("returns a value exactly where the helper does", () => {
    for (const doc of HELPER_DOCS)
      expect(doc.prototype.startsWith("void bpf_"), doc.name).toBe(
        helperByName(doc.name, doc.dialect === "rfc")?.ret.kind === "void" && doc.name !== "bpf_tail_call",
      );
  });

  it("has each helper once per dialect, and a sentence for each", () => {
    for (const doc of HELPER_DOCS) expect(doc.summary, doc.name).toMatch(/\.$/);
    expect(new Set(HELPER_DOCS.map((d) => `${d.name}/${d.dialect}`)).size).toBe(HELPER_DOCS.length);
  });
});
