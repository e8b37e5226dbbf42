import fc from "fast-check";
import { deflateSync, strToU8 } from "fflate";
import { describe, expect, it } from "vitest";
import { decodeLink, encodeLink, fromBase64, toBase64 } from "./link.ts";
import { readSnippet, type Snippet, writeSnippet } from "./snippet.ts";

const SNIPPET: Snippet = {
  version: 1,
  sources: [{ name: "program.bpf.c", text: 'char LICENSE[] SEC("license") = "GPL"; // Grüße 🙂' }],
  script: "prog run arm\n",
  settings: {
    policy: "rfc",
    cpus: 2,
    hz: 250,
    seed: 1,
    insnCost: 0,
    unverified: false,
    engine: "interpreter",
    cpuVersion: "v3",
    optimization: "O2",
  },
  versions: { engine: "0.1.0", compiler: "22" },
  moment: { event: 12 },
};

const b64url = (bytes: Uint8Array) => Buffer.from(bytes).toString("base64url");
const packed = (json: string) => `1/${b64url(deflateSync(strToU8(json)))}`;
const complaint = (fragment: string) => {
  const result = decodeLink(fragment);
  return result.kind === "error" ? result.message.replace("This link cannot be opened. ", "") : result.kind;
};

describe("links", () => {
  it("come back as they were", () => {
    const fragment = encodeLink(SNIPPET) as string;
    expect(fragment).toMatch(/^1\/[\w-]+$/);
    expect(decodeLink(`#${fragment}`)).toEqual({ kind: "snippet", snippet: SNIPPET });
  });

  it("hold any text", () => {
    fc.assert(
      fc.property(fc.string({ unit: "grapheme", maxLength: 400 }), (script) => {
        const snippet = { ...SNIPPET, script };
        const result = decodeLink(encodeLink(snippet) as string);
        expect(result).toEqual({ kind: "snippet", snippet });
      }),
    );
  });

  it("are not made of what could not be opened", () => {
    expect(encodeLink({ ...SNIPPET, script: "x".repeat(1_000_001) })).toBeNull();
    expect(encodeLink({ ...SNIPPET, object: { name: "big.o", base64: "A".repeat(1_400_004) } })).toBeNull();
  });

  it("say nothing when there is none", () => expect(decodeLink("#")).toEqual({ kind: "none" }));

  it.each([
    ["section-3", "Its part behind # is not from the playground."],
    ["7/abcd", "It was made by a newer playground (packing 7; this one reads 1)."],
    ["1/ab!d", "It is damaged: some of its characters do not belong there."],
    ["1/", "It is damaged: part of it is missing."],
    [packed("{"), "It is damaged: its text is not JSON."],
    [packed("[]"), "It is not a snippet of the playground (at version)."],
    [packed('{"version": 2}'), "It was made by a newer playground (format 2; this one reads up to 1)."],
    [
      packed(JSON.stringify({ ...SNIPPET, settings: { ...SNIPPET.settings, cpus: 9 } })),
      "It is not a snippet of the playground (at settings.cpus).",
    ],
    [packed(JSON.stringify({ ...SNIPPET, script: 7 })), "It is not a snippet of the playground (at script)."],
    [packed('{"__proto__": {"version": 1}}'), "It is not a snippet of the playground (at version)."],
  ])("refuse %s in words", (fragment, message) => expect(complaint(fragment)).toBe(message));

  it("stop a bomb before it fills the memory", () => {
    const bomb = deflateSync(new Uint8Array(200_000_000));
    expect(complaint(`1/${b64url(bomb)}`)).toBe("It unpacks to more than any snippet holds.");
  });

  it("refuse every truncation", () => {
    const fragment = encodeLink(SNIPPET) as string;
    for (let length = 3; length < fragment.length; length += 7) {
      expect(decodeLink(fragment.slice(0, length)).kind).toBe("error");
    }
  });

  it("never throw, whatever stands there", () => {
    fc.assert(
      fc.property(fc.string(), fc.uint8Array(), (text, bytes) => {
        expect(["none", "error"]).toContain(decodeLink(text).kind);
        expect(decodeLink(`1/${b64url(bytes)}`).kind).toBe("error");
      }),
    );
  });
});

describe("snippet files", () => {
  it("come back as they were", () => expect(readSnippet(writeSnippet(SNIPPET))).toEqual({ ok: true, value: SNIPPET }));
  it("carry objects as base64", () => {
    fc.assert(
      fc.property(fc.uint8Array(), (bytes) => {
        expect(toBase64(bytes)).toBe(Buffer.from(bytes).toString("base64"));
        expect(fromBase64(toBase64(bytes))).toEqual(bytes);
      }),
    );
  });
});
