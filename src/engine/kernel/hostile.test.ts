import { describe, expect, it } from "vitest";
import { makePrng, nextBelow, nextU32, type Prng } from "../base/prng.ts";
import type { Instruction } from "../isa/instruction.ts";
import { auditKernel } from "./audit.ts";
import { HELPERS } from "./helpers/table.ts";
import { u64, World } from "./testing/world.ts";

const SEED = 4711;
const RUNS = 1500;
const BTF = "struct elem 24 {bpf_timer t @0; u64 n @16}";

const OPCODES = [
  0x07, 0x0f, 0xb7, 0xbf, 0x57, 0x5f, 0x67, 0x27, 0x61, 0x69, 0x71, 0x79, 0x62, 0x63, 0x6b, 0x73, 0x7a, 0x7b, 0x15,
  0x1d, 0x25, 0x2d, 0x05, 0x85, 0x85, 0x85, 0x85, 0x95, 0xdb, 0xc3, 0x20, 0x40, 0xe5,
];
const IDS = [...HELPERS.keys()];

/** Nonsense with a bias: map addresses, function addresses and the stack are at hand, and helpers are called. */
function nonsense(prng: Prng, maps: readonly number[]): Instruction[] {
  const insns: Instruction[] = [];
  const length = 4 + nextBelow(prng, 40);
  const put = (opcode: number, dst: number, src: number, off: number, imm: number): void => {
    insns.push({ opcode, dst, src, off, imm });
  };
  while (insns.length < length) {
    switch (nextBelow(prng, 6)) {
      case 0:
        put(0x18, 1 + nextBelow(prng, 4), 1, 0, maps[nextBelow(prng, maps.length)] as number);
        put(0, 0, 0, 0, 0);
        break;
      case 1:
        put(0x18, 2, 4, 0, nextBelow(prng, length) - insns.length);
        put(0, 0, 0, 0, 0);
        break;
      case 2: {
        const r = 1 + nextBelow(prng, 5);
        put(0xbf, r, 10, 0, 0);
        put(0x07, r, 0, 0, -8 * (1 + nextBelow(prng, 6)));
        break;
      }
      default: {
        const opcode = OPCODES[nextBelow(prng, OPCODES.length)] as number;
        const imm = opcode === 0x85 ? (IDS[nextBelow(prng, IDS.length)] as number) : nextBelow(prng, 9) - 4;
        const src = opcode === 0x85 ? (nextBelow(prng, 8) === 0 ? 1 : 0) : nextBelow(prng, 11);
        put(
          opcode,
          nextBelow(prng, 11),
          src,
          nextBelow(prng, 24) - 12,
          nextBelow(prng, 20) === 0 ? nextU32(prng) | 0 : imm,
        );
      }
    }
  }
  put(0x95, 0, 0, 0, 0);
  return insns;
}

describe("unverified programs", () => {
  it(`may do what they will: the kernel says what happened and stays whole (seed ${SEED})`, () => {
    const prng = makePrng(SEED);
    const outcomes = new Map<string, number>();
    for (let i = 0; i < RUNS; i++) {
      const world = new World({
        policy: i % 2 === 0 ? "uref" : "unprotected",
        seed: i,
        insnCost: i % 5 === 0 ? 10 : 0,
      });
      const { kernel, main } = world;
      world.createMap({ name: "h", type: "hash", value: 24, btf: BTF });
      world.createMap({ name: "a", type: "array", value: 24, btf: BTF });
      world.createMap({ name: "rb", type: "ringbuf", key: 0, value: 0, entries: 4096 });
      world.createMap({ name: "q", type: "queue", key: 0 });
      world.createMap({ name: "j", type: "prog_array", value: 4 });
      world.createMap({ name: "l", type: "lru_hash", value: 24, btf: BTF, entries: 2 });
      world.update("h", 0, new Uint8Array(24));
      const insns = nonsense(prng, [...world.fds.values()]);
      const program = { ...world.program(["main prog:", "exit"], i % 3 === 0 ? "xdp" : "syscall"), insns };
      const load = kernel.call(main, { name: "prog-load-unverified", program, section: "x" });
      expect(load.errno).toBe(null);
      world.fds.set("prog", load.retval);
      const task = world.startRun("prog", i % 3 === 0 ? null : u64(1, 2, 3));
      let status = kernel.run(task, 20_000);
      if (status === "done") status = kernel.advanceTo(kernel.state.now + 1e9, 20_000);
      if (status === "done") kernel.call(main, { name: "exit" });
      expect(auditKernel(kernel), `run ${i}`).toEqual([]);
      const what = kernel.state.oops?.what ?? (kernel.unsupported === null ? status : "unsupported");
      outcomes.set(what, (outcomes.get(what) ?? 0) + 1);
      expect(kernel.unsupported).toBe(null);
    }
    expect([...outcomes.keys()]).toEqual(
      expect.arrayContaining(["done", "invalid-address", "null-dereference", "out-of-bounds"]),
    );
    expect(outcomes.get("done") ?? 0).toBeGreaterThan(RUNS / 50);
  });

  it("a stray call of something that is not modelled is said, with its place", () => {
    const world = new World();
    world.load(["main prog:", "call bpf_get_stackid#27", "r0 = 0", "exit"], "xdp");
    const task = world.startRun("prog");
    expect(world.kernel.run(task, 1000)).toBe("unsupported");
    expect(world.kernel.unsupported?.message).toBe("helper bpf_get_stackid is not modelled here");
    expect(world.kernel.unsupported?.place?.insn).toBe(0);
  });

  it("an endless program uses up its fuel, slice by slice, and nothing else", () => {
    const world = new World();
    world.load(["main prog:", "again:", "goto again", "exit"], "xdp");
    const task = world.startRun("prog");
    for (let i = 0; i < 5; i++) expect(world.kernel.run(task, 10_000)).toBe("fuel");
    expect(auditKernel(world.kernel)).toEqual([]);
  });

  it("recursion without end overflows the stack", () => {
    const world = new World();
    world.load(["main prog:", "call prog", "exit"], "xdp");
    expect(world.kernel.run(world.startRun("prog"), 10_000)).toBe("oops");
    expect(world.kernel.state.oops?.what).toBe("stack-overflow");
  });
});
