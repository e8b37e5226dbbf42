import { describe, expect, it } from "vitest";
import { BPF_F_TEST_STATE_FREQ, MAP_TYPES, PROG_TYPES } from "../abi/types.ts";
import type { Btf, BtfType } from "../btf/types.ts";
import type { Instruction } from "../isa/instruction.ts";
import * as op from "../isa/opcodes.ts";
import type { VerifierEnvironment, VerifierMap, VerifierProgram } from "./types.ts";
import { verify } from "./verify.ts";

const insn = (opcode: number, dst = 0, src = 0, off = 0, imm = 0): Instruction => ({ opcode, dst, src, off, imm });
const MOV_K = op.BPF_ALU64 | op.BPF_MOV | op.BPF_K;
const MOV_X = op.BPF_ALU64 | op.BPF_MOV | op.BPF_X;
const ADD_K = op.BPF_ALU64 | op.BPF_ADD | op.BPF_K;
const EXIT = insn(op.EXIT);

const MAP: VerifierMap = {
  id: 7,
  name: "m",
  type: MAP_TYPES.array,
  keySize: 4,
  valueSize: 16,
  maxEntries: 4,
  flags: 0,
  btf: null,
  keyType: 0,
  valueType: 0,
  frozen: false,
  inner: null,
  readConstant: () => null,
};
const ENV: VerifierEnvironment = { mapByFd: (fd) => (fd === 3 ? MAP : "EBADF"), cpus: 2 };

function program(insns: readonly Instruction[], change: Partial<VerifierProgram> = {}): VerifierProgram {
  return {
    name: "test",
    type: PROG_TYPES.socket_filter,
    expectedAttachType: 0,
    flags: 0,
    license: "GPL",
    insns,
    btf: null,
    functions: null,
    lines: null,
    kfuncs: new Map(),
    dialect: "linux",
    ...change,
  };
}

/** r0 = lookup(m, key at fp-4), then `rest`. */
function withLookup(rest: readonly Instruction[]): Instruction[] {
  return [
    insn(op.BPF_LDX | op.BPF_MEM | op.BPF_W, 2, 1, 0, 0),
    insn(op.BPF_STX | op.BPF_MEM | op.BPF_W, 10, 2, -4),
    insn(MOV_X, 2, 10),
    insn(ADD_K, 2, 0, 0, -4),
    insn(op.LD_IMM64, 1, op.BPF_PSEUDO_MAP_FD, 0, 3),
    insn(0),
    insn(op.CALL, 0, 0, 0, 1),
    ...rest,
  ];
}

const quiet = { logLevel: 0, trace: false };

describe("verify", () => {
  it("accepts a program and tells its functions, maps and what was reached", () => {
    const result = verify(
      program(withLookup([insn(op.BPF_JMP | op.BPF_JEQ | op.BPF_K, 0, 0, 1, 0), insn(MOV_K, 0, 0, 0, 1), EXIT])),
      ENV,
      quiet,
    );
    expect(result.verdict).toBe("accept");
    if (result.verdict !== "accept") return;
    expect(result.program.maps).toEqual([7]);
    expect(result.program.functions).toEqual([{ name: "test", start: 0, end: 10, stackDepth: 8, role: "main" }]);
    expect(result.program.reached[5]).toBe(false);
    expect(result.program.reached.filter((r) => r).length).toBe(9);
    expect(result.log).toBe("");
    expect(result.stats.insnsProcessed).toBe(10);
  });

  it("tells rule, register, path and origin of a rejection", () => {
    const load = insn(op.BPF_LDX | op.BPF_MEM | op.BPF_DW, 6, 0, 8);
    const result = verify(program(withLookup([load, insn(MOV_K), EXIT])), ENV, { logLevel: 2, trace: false });
    expect(result.verdict).toBe("reject");
    if (result.verdict !== "reject") return;
    expect(result.rejection).toEqual({
      errno: "EACCES",
      message: "R0 invalid mem access 'map_value_or_null'",
      insn: 7,
      rule: "memory-base-type",
      register: 0,
      path: [0, 1, 2, 3, 4, 6, 7],
      origin: 6,
    });
    expect(result.log.trimEnd().split("\n").slice(-2)).toEqual([
      "R0 invalid mem access 'map_value_or_null'",
      "processed 7 insns (limit 1000000) max_states_per_insn 0 total_states 0 peak_states 0 mark_read 0",
    ]);
  });

  it("gives the same verdict and counts at every log level", () => {
    const loop = [
      insn(MOV_K, 6),
      insn(ADD_K, 6, 0, 0, 1),
      insn(op.BPF_JMP | op.BPF_JLT | op.BPF_K, 6, 0, -2, 200),
      insn(MOV_K),
      EXIT,
    ];
    const stats = [0, 1, 2, 4, 7].map((logLevel) => verify(program(loop), ENV, { logLevel, trace: false }));
    for (const result of stats) {
      expect(result.verdict).toBe("accept");
      expect(result.stats).toEqual(stats[0]!.stats);
    }
    expect(stats[0]!.stats.insnsProcessed).toBe(403);
  });

  it("records the states of every path when asked", () => {
    const branch = [
      insn(op.CALL, 0, 0, 0, 7),
      insn(op.BPF_JMP | op.BPF_JGT | op.BPF_K, 0, 0, 1, 3),
      EXIT,
      insn(MOV_K, 0, 0, 0, 9),
      EXIT,
    ];
    const result = verify(program(branch), ENV, { logLevel: 0, trace: true });
    if (result.verdict !== "accept" || result.trace === null) throw new Error("accepted with a trace");
    expect(result.trace.paths.map((p) => [p.index, p.parent, p.fromInsn, p.startInsn, p.endInsn, p.end])).toEqual([
      [0, null, null, 0, 2, "exit"],
      [1, 0, 1, 3, 4, "exit"],
    ]);
    expect(result.trace.steps.map((s) => s.insn)).toEqual([0, 1, 2, 3, 4]);
    const r0Before = (at: number): string | undefined =>
      result.trace?.steps.find((s) => s.insn === at)?.state.find(([name]) => name === "R0")?.[1];
    expect(r0Before(2)).toBe("scalar(smin=smin32=0,smax=umax=smax32=umax32=3,var_off=(0x0; 0x3))");
    expect(r0Before(3)).toBe("scalar(umin=4)");
    expect(r0Before(4)).toBe("9");
  });

  it("says of a pruned path which one covers it, and where", () => {
    const joined = [
      insn(op.CALL, 0, 0, 0, 7),
      insn(op.BPF_JMP | op.BPF_JGT | op.BPF_K, 0, 0, 1, 3),
      insn(MOV_K, 0, 0, 0, 1),
      insn(MOV_K, 0, 0, 0, 2),
      EXIT,
    ];
    const result = verify(program(joined, { flags: BPF_F_TEST_STATE_FREQ }), ENV, { logLevel: 0, trace: true });
    if (result.verdict !== "accept" || result.trace === null) throw new Error("accepted with a trace");
    expect(result.trace.paths.map((p) => [p.index, p.endInsn, p.end, p.coveredBy])).toEqual([
      [0, 4, "exit", undefined],
      [1, 3, "pruned", { path: 0, insn: 3 }],
    ]);
  });

  it("stops when asked to, telling how far it was", () => {
    const endless = [
      insn(MOV_K, 6),
      insn(ADD_K, 6, 0, 0, 1),
      insn(op.BPF_JMP | op.BPF_JLT | op.BPF_K, 6, 0, -2, 400000),
      insn(MOV_K),
      EXIT,
    ];
    let asked = 0;
    const result = verify(program(endless), ENV, {
      ...quiet,
      cancelled: (processed) => {
        asked = processed;
        return processed >= 20_000;
      },
    });
    expect(result.verdict).toBe("cancelled");
    expect(asked).toBeGreaterThanOrEqual(20_000);
    expect(result.stats.insnsProcessed).toBeLessThan(30_000);
  });

  it("refuses what bpf(2) refuses before there is a log", () => {
    const empty = verify(program([]), ENV, { logLevel: 2, trace: false });
    expect(empty.verdict === "reject" && empty.rejection.errno).toBe("E2BIG");
    expect(empty.verdict === "reject" && empty.log).toBe("");
    const flags = verify(program([insn(MOV_K), EXIT], { flags: 1 << 20 }), ENV, { logLevel: 2, trace: false });
    expect(flags.verdict === "reject" && flags.rejection.errno).toBe("EINVAL");
  });

  it("interleaves source lines", () => {
    const types: BtfType[] = [
      { kind: "void" },
      { kind: "int", name: "int", size: 4, bits: 32, bitOffset: 0, encoding: "signed" },
      { kind: "func_proto", returnType: 1, params: [] },
      { kind: "func", name: "f", type: 2, linkage: "global" },
    ];
    const btf: Btf = { types };
    const result = verify(
      program([insn(MOV_K), EXIT], {
        btf,
        functions: [{ insn: 0, name: "f", type: 3 }],
        lines: [{ insn: 0, file: "src/a.bpf.c", line: 4, column: 2, text: "\treturn 0;" }],
      }),
      ENV,
      { logLevel: 2, trace: false },
    );
    expect(result.verdict === "accept" && result.log).toContain("; return 0; @ a.bpf.c:4\n0: (b7) r0 = 0");
  });

  it("says what it does not model instead of judging", () => {
    const result = verify(program([insn(MOV_K), EXIT], { type: PROG_TYPES.struct_ops }), ENV, quiet);
    expect(result.verdict).toBe("unsupported");
    expect(result.verdict === "unsupported" && result.message).toContain("struct_ops");
  });
});
