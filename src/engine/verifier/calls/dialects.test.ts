import { describe, expect, it } from "vitest";
import { RFC_TIMER_DEL, RFC_TIMER_INIT, RFC_TIMER_MOD } from "../../abi/helpers.ts";
import type { Dialect } from "../../abi/types.ts";
import { MAP_TYPES, PROG_TYPES } from "../../abi/types.ts";
import type { Btf } from "../../btf/types.ts";
import type { Instruction } from "../../isa/instruction.ts";
import type { VerifierMap, VerifierProgram, VerifyResult } from "../types.ts";
import { verify } from "../verify.ts";

const FD = 100;
const LOOKUP = 1;
const LINUX_TIMER_INIT = 169;

const insn = (opcode: number, dst = 0, src = 0, off = 0, imm = 0): Instruction => ({ opcode, dst, src, off, imm });
const movK = (dst: number, imm: number): Instruction => insn(0xb7, dst, 0, 0, imm);
const movX = (dst: number, src: number): Instruction => insn(0xbf, dst, src);
const addK = (dst: number, imm: number): Instruction => insn(0x07, dst, 0, 0, imm);
const load8 = (dst: number, src: number, off: number): Instruction => insn(0x79, dst, src, off);
const store8K = (dst: number, off: number, imm: number): Instruction => insn(0x7a, dst, 0, off, imm);
const call = (id: number): Instruction => insn(0x85, 0, 0, 0, id);
const exit = insn(0x95);
const map = (dst: number): Instruction[] => [insn(0x18, dst, 1, 0, FD), insn(0)];
/** Address of the function that begins `distance` slots behind this two-slot load. */
const func = (dst: number, distance: number): Instruction[] => [insn(0x18, dst, 4, 0, distance + 1), insn(0)];

/** `struct elem { u64 stuff; struct bpf_timer timer; u64 more; }` with a timer of the RFC's 8 bytes or Linux's 16. */
function elementBtf(timerBytes: 8 | 16): Btf {
  return {
    types: [
      { kind: "void" },
      { kind: "int", name: "u64", size: 8, bits: 64, bitOffset: 0, encoding: "unsigned" },
      {
        kind: "struct",
        name: "bpf_timer",
        size: timerBytes,
        members:
          timerBytes === 8
            ? [{ name: "opaque", type: 1, bitOffset: 0, bitSize: 0 }]
            : [0, 64].map((bitOffset, n) => ({ name: `opaque${n}`, type: 1, bitOffset, bitSize: 0 })),
      },
      {
        kind: "struct",
        name: "elem",
        size: 16 + timerBytes,
        members: [
          { name: "stuff", type: 1, bitOffset: 0, bitSize: 0 },
          { name: "timer", type: 2, bitOffset: 64, bitSize: 0 },
          { name: "more", type: 1, bitOffset: 64 + timerBytes * 8, bitSize: 0 },
        ],
      },
    ],
  };
}

function elementMap(timerBytes: 8 | 16, type: number = MAP_TYPES.hash): VerifierMap {
  return {
    id: 1,
    name: "elems",
    type,
    keySize: 4,
    valueSize: 16 + timerBytes,
    maxEntries: 4,
    flags: 0,
    btf: elementBtf(timerBytes),
    keyType: 1,
    valueType: 3,
    frozen: false,
    inner: null,
    readConstant: () => null,
  };
}

/** BTF of functions `main` (global) and `cb`. */
function functionBtf(callbackLinkage: "static" | "global"): Btf {
  return {
    types: [
      { kind: "void" },
      { kind: "int", name: "int", size: 4, bits: 32, bitOffset: 0, encoding: "signed" },
      { kind: "func_proto", returnType: 1, params: [] },
      { kind: "func", name: "main", type: 2, linkage: "global" },
      { kind: "func", name: "cb", type: 2, linkage: callbackLinkage },
    ],
  };
}

interface Setup {
  readonly dialect?: Dialect;
  readonly type?: number;
  readonly license?: string;
  readonly map?: VerifierMap;
  readonly callbackLinkage?: "static" | "global";
}

function judge(main: readonly Instruction[], callback: readonly Instruction[], setup: Setup = {}): VerifyResult {
  const functions = [{ insn: 0, name: "main", type: 3 }];
  if (callback.length > 0) functions.push({ insn: main.length, name: "cb", type: 4 });
  const program: VerifierProgram = {
    name: "t",
    type: setup.type ?? PROG_TYPES.xdp,
    expectedAttachType: 0,
    flags: 0,
    license: setup.license ?? "GPL",
    insns: [...main, ...callback],
    btf: functionBtf(setup.callbackLinkage ?? "static"),
    functions,
    lines: null,
    kfuncs: new Map(),
    dialect: setup.dialect ?? "rfc",
  };
  const elements = setup.map ?? elementMap(8);
  return verify(program, { mapByFd: (fd) => (fd === FD ? elements : "EBADF"), cpus: 2 }, { logLevel: 2, trace: false });
}

function refusal(result: VerifyResult): string {
  if (result.verdict !== "reject") throw new Error(`not refused: ${result.verdict}`);
  return `${result.rejection.errno}: ${result.rejection.message}`;
}

/** r6 = the element with key 0, or leave. 10 slots. */
const lookup: readonly Instruction[] = [
  store8K(10, -8, 0),
  movX(2, 10),
  addK(2, -8),
  ...map(1),
  call(LOOKUP),
  insn(0x55, 0, 0, 2, 0),
  movK(0, 0),
  exit,
  movX(6, 0),
];
const timer = (offset: number): Instruction[] => [movX(1, 6), addK(1, offset)];
const leave = [movK(0, 0), exit];

/** Looks up, inits the timer with the function behind main, and does `more`. */
function initThen(more: readonly Instruction[], offset = 8): Instruction[] {
  const after = [movK(3, 0), call(RFC_TIMER_INIT), ...more, ...leave];
  return [...lookup, ...timer(offset), ...func(2, after.length), ...after];
}

const quiet = [movK(0, 0), exit];

describe("timers of the RFC", () => {
  it("takes init, mod and del of a timer inside an element", () => {
    const more = [...timer(8), movK(2, 100), call(RFC_TIMER_MOD), ...timer(8), call(RFC_TIMER_DEL)];
    expect(judge(initThen(more), quiet).verdict).toBe("accept");
  });

  it("hands the element to the callback, and ignores what it returns", () => {
    const result = judge(initThen([]), [load8(0, 1, 0), movK(0, 7), exit]);
    expect(result.verdict).toBe("accept");
    expect(result.verdict === "accept" && result.log).toContain("R1=map_value(map=elems,ks=4,vs=24) R10=fp0 async_cb");
  });

  it("lets the callback return without a value", () => {
    expect(judge(initThen([]), [exit]).verdict).toBe("accept");
  });

  it("hands over nothing else", () => {
    expect(refusal(judge(initThen([]), [movX(0, 2), exit]))).toBe("EACCES: R2 !read_ok");
  });

  it("walks the callback: it may not touch the timer's bytes", () => {
    expect(refusal(judge(initThen([]), [load8(0, 1, 8), exit]))).toBe(
      "EACCES: bpf_timer cannot be accessed directly by load/store",
    );
  });

  it("protects 8 bytes and no more", () => {
    expect(judge([...lookup, load8(1, 6, 0), load8(1, 6, 16), ...leave], []).verdict).toBe("accept");
    expect(refusal(judge([...lookup, load8(1, 6, 8), ...leave], []))).toBe(
      "EACCES: bpf_timer cannot be accessed directly by load/store",
    );
  });

  it("refuses a timer on the stack", () => {
    const main = [store8K(10, -8, 0), movX(1, 10), addK(1, -8), ...func(2, 4), movK(3, 0), call(RFC_TIMER_INIT)];
    expect(refusal(judge([...main, ...leave], quiet))).toBe("EACCES: R1 type=fp expected=map_value");
  });

  it("refuses a pointer beside the timer", () => {
    expect(refusal(judge(initThen([], 0), quiet))).toBe(
      "EINVAL: off 0 doesn't point to 'struct bpf_timer' that is at 8",
    );
  });

  it("refuses a global callback", () => {
    expect(refusal(judge(initThen([]), quiet, { callbackLinkage: "global" }))).toBe(
      "EINVAL: callback function not static",
    );
  });

  it("is for GPL programs", () => {
    expect(refusal(judge(initThen([]), quiet, { license: "MIT" }))).toBe(
      "EINVAL: cannot call GPL-restricted function from non-GPL compatible program",
    );
  });

  it("keeps tracing programs away from its maps", () => {
    const main = [...map(1), ...leave];
    expect(refusal(judge(main, [], { type: PROG_TYPES.kprobe }))).toBe(
      "EINVAL: tracing progs cannot use bpf_timer yet",
    );
    expect(judge(main, [], { type: PROG_TYPES.kprobe, dialect: "linux" }).verdict).toBe("accept");
  });
});

describe("one dialect's helpers in another", () => {
  it("does not know the RFC's helpers as Linux", () => {
    expect(refusal(judge(initThen([]), quiet, { dialect: "linux" }))).toBe("EINVAL: invalid func unknown#65536");
  });

  it("does not offer Linux's timers to the RFC", () => {
    expect(refusal(judge([...lookup, ...timer(8), ...map(2), movK(3, 0), call(LINUX_TIMER_INIT), ...leave], []))).toBe(
      "EINVAL: program of this type cannot use helper bpf_timer_init#169",
    );
  });

  it("takes an 8-byte timer for plain memory as Linux, and a 16-byte one for plain memory as RFC", () => {
    const main = [...lookup, load8(1, 6, 8), ...leave];
    expect(judge(main, [], { dialect: "linux" }).verdict).toBe("accept");
    expect(judge(main, [], { map: elementMap(16) }).verdict).toBe("accept");
    expect(refusal(judge(main, [], { dialect: "linux", map: elementMap(16) }))).toContain("bpf_timer cannot be");
  });
});

describe("the timer map", () => {
  const timerMap: VerifierMap = {
    ...elementMap(8, MAP_TYPES.timer),
    btf: null,
    keyType: 0,
    valueType: 0,
    valueSize: 8,
  };

  it("takes a program that a timer runs", () => {
    expect(judge([movK(0, 0), exit], [], { dialect: "timer-map", type: PROG_TYPES.timer }).verdict).toBe("accept");
  });

  it("lets programs look an entry up", () => {
    expect(judge([...lookup, load8(1, 6, 0), ...leave], [], { dialect: "timer-map", map: timerMap }).verdict).toBe(
      "accept",
    );
  });

  it("gives its programs no context to read", () => {
    const main = [load8(0, 1, 0), exit];
    expect(refusal(judge(main, [], { dialect: "timer-map", type: PROG_TYPES.timer }))).toBe(
      "EACCES: invalid bpf_context access off=0 size=8",
    );
  });
});
