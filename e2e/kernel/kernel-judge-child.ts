import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { BPF_PSEUDO_MAP_FD, BPF_PSEUDO_MAP_VALUE, LD_IMM64 } from "../../src/engine/isa/opcodes.ts";
import { type BpfSyscall, openBpfSyscall } from "./bpf-syscall.ts";
import type { KernelLoad, KernelMap, KernelVerdict } from "./kernel-judge.ts";

/** The child of `kernel-judge.ts`: loads one program at a time and closes everything after it. */
const opened = openBpfSyscall();

process.on("message", (message: { id: number; body: "hello" | KernelLoad }) => {
  const { id, body } = message;
  const value =
    body === "hello"
      ? "unavailable" in opened
        ? opened.unavailable
        : null
      : "unavailable" in opened
        ? null
        : judge(opened, body);
  process.send?.({ id, value });
});
process.on("disconnect", () => process.exit(0));

/** BTF and map fds that outlive a load, by `worldKey`. */
const worlds = new Map<string, { readonly btfFds: number[]; readonly mapFds: number[] }>();

function judge(bpf: BpfSyscall, load: KernelLoad): KernelVerdict {
  const fds: number[] = [];
  const keep = (fd: number): number => {
    fds.push(fd);
    return fd;
  };
  const fail = (failed: KernelVerdict["failed"], failedIndex: number, errno: number, log = ""): KernelVerdict => ({
    failed,
    failedIndex,
    errno,
    log,
    run: null,
    values: [],
    xlated: null,
  });
  const createMap = (map: KernelMap, btfFds: readonly number[]): { fd: number; errno: number } => {
    const inner = map.inner ? createMap(map.inner, btfFds) : null;
    if (inner && inner.errno !== 0) return inner;
    const made = bpf.mapCreate({
      type: map.type,
      keySize: map.keySize,
      valueSize: map.valueSize,
      maxEntries: map.maxEntries,
      flags: map.flags,
      name: map.name,
      ...(map.mapExtra ? { mapExtra: map.mapExtra } : {}),
      ...(inner ? { innerFd: inner.fd } : {}),
      ...(map.btf
        ? { btfFd: btfFds[map.btf.index] ?? 0, keyTypeId: map.btf.keyType, valueTypeId: map.btf.valueType }
        : {}),
    });
    if (made.errno !== 0) return { fd: -1, errno: made.errno };
    keep(made.value);
    for (const entry of map.entries ?? []) {
      const updated = bpf.mapUpdate(made.value, entry.key, entry.value);
      if (updated.errno !== 0) return { fd: -1, errno: updated.errno };
    }
    if (map.freeze) {
      const frozen = bpf.mapFreeze(made.value);
      if (frozen.errno !== 0) return { fd: -1, errno: frozen.errno };
    }
    return { fd: made.value, errno: 0 };
  };

  try {
    const known = load.worldKey === undefined ? undefined : worlds.get(load.worldKey);
    const btfFds: number[] = known?.btfFds ?? [];
    const mapFds: number[] = known?.mapFds ?? [];
    if (!known) {
      for (const [index, btf] of load.btfs.entries()) {
        const made = bpf.btfLoad(btf);
        if (made.errno !== 0) return fail("btf", index, made.errno);
        btfFds.push(keep(made.value));
      }
      for (const [index, map] of load.maps.entries()) {
        const made = createMap(map, btfFds);
        if (made.errno !== 0) return fail("map", index, made.errno);
        mapFds.push(made.fd);
      }
      if (load.worldKey !== undefined) {
        worlds.set(load.worldKey, { btfFds, mapFds });
        fds.length = 0;
      }
    }
    const program = bpf.progLoad({
      type: load.type,
      insns: withFds(load.insns, mapFds),
      license: load.license,
      logLevel: load.logLevel,
      flags: load.flags,
      name: load.name,
      expectedAttachType: load.expectedAttachType,
      ...(load.btf !== undefined ? { btfFd: btfFds[load.btf] ?? 0 } : {}),
      ...(load.funcInfo ? { funcInfo: load.funcInfo } : {}),
      ...(load.lineInfo ? { lineInfo: load.lineInfo } : {}),
    });
    if (program.errno !== 0) return fail("prog", 0, program.errno, program.log);
    keep(program.value);
    const run = load.run ? bpf.testRun(program.value, load.run) : null;
    const values = (load.readBack ?? []).map(({ map, keys, valueBytes }) =>
      keys.map((key) => bpf.mapLookup(mapFds[map] ?? -1, key, valueBytes)),
    );
    const xlated = load.dump === true ? dump(program.value) : null;
    return { failed: null, failedIndex: 0, errno: 0, log: program.log, run, values, xlated };
  } finally {
    for (const fd of fds.reverse()) bpf.close(fd);
  }
}

/** What bpftool says of the loaded program, line by line; null where there is no bpftool. */
function dump(fd: number): string[] | null {
  const id = /^prog_id:\s*(\d+)$/m.exec(readFileSync(`/proc/self/fdinfo/${fd}`, "utf8"))?.[1];
  try {
    const text = execFileSync("bpftool", ["prog", "dump", "xlated", "id", id ?? "0"], { encoding: "utf8" });
    return text.trimEnd().split("\n");
  } catch {
    return null;
  }
}

/** Map loads name an index into the load's maps (anything else stays, as a deliberately bad fd). */
function withFds(insns: Uint8Array, fds: readonly number[]): Uint8Array {
  const out = insns.slice();
  const view = new DataView(out.buffer);
  for (let at = 0; at + 16 <= out.length; at += 8) {
    if (out[at] !== LD_IMM64) continue;
    const source = (out[at + 1] ?? 0) >> 4;
    if (source === BPF_PSEUDO_MAP_FD || source === BPF_PSEUDO_MAP_VALUE) {
      const fd = fds[view.getInt32(at + 4, true)];
      if (fd !== undefined) view.setInt32(at + 4, fd, true);
    }
    at += 8;
  }
  return out;
}
