import { readFileSync } from "node:fs";
import { afterAll, describe, expect, it } from "vitest";
import { errnoName } from "../../src/engine/abi/errno.ts";
import { MAP_TYPES, type MapTypeName } from "../../src/engine/abi/types.ts";
import { makePrng, nextBelow, type Prng } from "../../src/engine/base/prng.ts";
import { Kernel, type Syscall, type SyscallResult } from "../../src/engine/kernel/api.ts";
import type { MapSpec } from "../../src/engine/loader/spec.ts";
import { type BpfSyscall, openBpfSyscall } from "./bpf-syscall.ts";

/** The same random operations on maps of the live kernel and of ours: results, errnos and contents agree. */
const opened = openBpfSyscall();
const live: BpfSyscall | null = "unavailable" in opened ? null : opened;
if ("unavailable" in opened) console.log(`map operations are not compared with a live kernel: ${opened.unavailable}`);

const SEED = 520;
const OPERATIONS = 3000;
const ENTRIES = 8;
const VALUE = 12;

function possibleCpus(): number {
  try {
    const text = readFileSync("/sys/devices/system/cpu/possible", "utf8").trim();
    return Number(text.split("-").at(-1)) + 1;
  } catch {
    return 1;
  }
}

interface Shape {
  readonly type: MapTypeName;
  readonly key: number;
  readonly flags: number;
}

const SHAPES: readonly Shape[] = [
  { type: "array", key: 4, flags: 0 },
  { type: "hash", key: 4, flags: 0 },
  { type: "hash", key: 7, flags: 1 },
  { type: "lru_hash", key: 4, flags: 0 },
  { type: "percpu_array", key: 4, flags: 0 },
  { type: "percpu_hash", key: 5, flags: 0 },
  { type: "percpu_hash", key: 4, flags: 1 },
  { type: "lru_percpu_hash", key: 4, flags: 0 },
];

const spec = (shape: Shape): MapSpec => ({
  name: "m",
  type: MAP_TYPES[shape.type],
  keySize: shape.key,
  valueSize: VALUE,
  maxEntries: ENTRIES,
  flags: shape.flags,
  mapExtra: 0n,
  keyType: 0,
  valueType: 0,
  inner: null,
  globalData: null,
  frozen: false,
  slots: [],
  pinByName: false,
});

const bytes = (prng: Prng, size: number): Uint8Array => Uint8Array.from({ length: size }, () => nextBelow(prng, 256));

function keyOf(prng: Prng, shape: Shape): Uint8Array {
  const key = new Uint8Array(shape.key);
  // LRU maps evict by rules of their own when they are full: they stay below.
  key[0] = nextBelow(prng, shape.type.startsWith("lru") ? 4 : ENTRIES + 3);
  return key;
}

const errnoOf = (errno: number): string | null => (errno === 0 ? null : (errnoName(errno) ?? String(errno)));

describe.skipIf(live === null)("maps beside the live kernel's", () => {
  const fds: number[] = [];
  afterAll(() => {
    for (const fd of fds) live?.close(fd);
  });

  it.each(SHAPES)("$type, key of $key bytes, flags $flags", (shape) => {
    const linux = live as BpfSyscall;
    const cpus = possibleCpus();
    const ours = new Kernel({ policy: "uref", cpus, hz: 250, seed: 1, insnCost: 0, watch: false }, () => {});
    const process = ours.openProcess("test");
    const call = (syscall: Syscall): SyscallResult => ours.call(process, syscall);
    const mine = call({ name: "map-create", spec: spec(shape), btf: null, dialect: "linux" }).retval;
    const theirs = linux.mapCreate({
      type: MAP_TYPES[shape.type],
      keySize: shape.key,
      valueSize: VALUE,
      maxEntries: ENTRIES,
      flags: shape.flags,
    }).value;
    expect(theirs).toBeGreaterThan(0);
    fds.push(theirs);
    const perCpu = shape.type.includes("percpu");
    const size = perCpu ? 16 * cpus : VALUE;
    const prng = makePrng(SEED);
    const seen = new Set<string>();
    for (let i = 0; i < OPERATIONS; i++) {
      const key = keyOf(prng, shape);
      const what = `operation ${i} (seed ${SEED}), key ${key[0]}`;
      switch (nextBelow(prng, 4)) {
        case 0:
        case 1: {
          const value = bytes(prng, size);
          // Padding between the CPUs' values is not kept.
          if (perCpu) for (let at = 0; at < size; at++) if (at % 16 >= VALUE) value[at] = 0;
          const flags = [0, 0, 0, 1, 2, 3, 4, 8, 0x100][nextBelow(prng, 9)] as number;
          const expected = errnoOf(linux.mapUpdate(theirs, key, value, BigInt(flags)).errno);
          expect(call({ name: "map-update", fd: mine, key, value, flags }).errno, `${what}, flags ${flags}`).toBe(
            expected,
          );
          seen.add(`update ${expected}`);
          break;
        }
        case 2: {
          const expected = linux.mapLookup(theirs, key, size);
          const actual = call({ name: "map-lookup", fd: mine, key }).value ?? null;
          expect(actual === null ? null : [...actual], what).toEqual(expected === null ? null : [...expected]);
          break;
        }
        default: {
          const expected = errnoOf(linux.mapDelete(theirs, key).errno);
          expect(call({ name: "map-delete", fd: mine, key }).errno, what).toBe(expected);
          seen.add(`delete ${expected}`);
        }
      }
    }
    expect(seen.size).toBeGreaterThan(3);
    // The same keys, whatever the order.
    const keys = new Set<string>();
    for (
      let key = linux.mapNextKey(theirs, null, shape.key);
      key !== null;
      key = linux.mapNextKey(theirs, key, shape.key)
    ) {
      keys.add(key.join());
    }
    const own = new Set<string>();
    for (let key = call({ name: "map-next-key", fd: mine, key: null }).key; key !== undefined; ) {
      own.add(key.join());
      key = call({ name: "map-next-key", fd: mine, key }).key;
    }
    expect([...own].sort()).toEqual([...keys].sort());
  });
});
