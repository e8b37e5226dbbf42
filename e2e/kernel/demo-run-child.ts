import { readdirSync, rmSync } from "node:fs";
import path from "node:path";
import { type BpfSyscall, openBpfSyscall } from "./bpf-syscall.ts";

/**
 * Runs a demo's script in the live kernel: a process of its own that takes over what bpftool has loaded and pinned. Values come
 * encoded, waits come in ns, so that this process knows nothing of BTF, scripts or the model.
 */
export type LiveStep =
  | {
      readonly kind: "run";
      readonly prog: string;
      readonly data: Uint8Array;
      readonly context: Uint8Array | null;
      readonly repeat: number;
    }
  | { readonly kind: "wait"; readonly ns: number }
  | {
      readonly kind: "update";
      readonly map: string;
      readonly key: Uint8Array;
      readonly value: Uint8Array | { readonly prog: string };
      readonly flags: number;
    }
  | { readonly kind: "delete" | "lookup"; readonly map: string; readonly key: Uint8Array }
  | { readonly kind: "close"; readonly of: "prog" | "map"; readonly name: string };

export interface LiveRun {
  /** Folder in the BPF file system with `progs/NAME` and `maps/NAME`; unpinned once this process holds the fds. */
  readonly pins: string;
  readonly steps: readonly LiveStep[];
  readonly maps: readonly { readonly name: string; readonly keySize: number; readonly valueSize: number }[];
}

export interface LiveOutcome {
  /** Per step: what a program returned, or minus the error number. */
  readonly results: readonly number[];
  /** Per map that is still open: hex of key and value. */
  readonly maps: Readonly<Record<string, Readonly<Record<string, string>>>>;
}

/** What a program returned, or minus the error number. */
function performStep(bpf: BpfSyscall, fds: Map<string, number>, step: LiveStep): number {
  const fd = (of: string, name: string): number => fds.get(`${of}:${name}`) ?? -1;
  switch (step.kind) {
    case "run": {
      const { data, context, repeat } = step;
      const result = bpf.testRun(fd("prog", step.prog), { data, repeat, ...(context === null ? {} : { context }) });
      return result.errno === 0 ? result.retval : -result.errno;
    }
    case "wait":
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, step.ns / 1e6);
      return 0;
    case "update": {
      const value = step.value instanceof Uint8Array ? step.value : new Uint8Array(4);
      if (!(step.value instanceof Uint8Array))
        new DataView(value.buffer).setUint32(0, fd("prog", step.value.prog), true);
      return -bpf.mapUpdate(fd("map", step.map), step.key, value, BigInt(step.flags)).errno;
    }
    case "delete":
      return -bpf.mapDelete(fd("map", step.map), step.key).errno;
    case "lookup":
      return bpf.mapLookup(fd("map", step.map), step.key, 4096) === null ? -2 : 0;
    case "close": {
      const name = `${step.of}:${step.name}`;
      bpf.close(fds.get(name) ?? -1);
      fds.delete(name);
      return 0;
    }
  }
}

function perform(bpf: BpfSyscall, run: LiveRun): LiveOutcome {
  const fds = new Map<string, number>();
  for (const of of ["prog", "map"] as const) {
    const folder = path.join(run.pins, `${of}s`);
    for (const name of readdirSync(folder)) {
      const opened = bpf.objGet(path.join(folder, name));
      if (opened.errno !== 0) throw new Error(`${name} cannot be opened: errno ${opened.errno}`);
      fds.set(`${of}:${name}`, opened.value);
    }
  }
  rmSync(run.pins, { recursive: true, force: true });
  const results = run.steps.map((step) => {
    const result = performStep(bpf, fds, step);
    // Minus zero is zero.
    return result === 0 ? 0 : result;
  });
  const maps: Record<string, Record<string, string>> = {};
  for (const { name, keySize, valueSize } of run.maps) {
    const map = fds.get(`map:${name}`);
    if (map === undefined) continue;
    const entries: Record<string, string> = {};
    for (let key = bpf.mapNextKey(map, null, keySize); key !== null; key = bpf.mapNextKey(map, key, keySize)) {
      const value = bpf.mapLookup(map, key, valueSize);
      if (value !== null) entries[Buffer.from(key).toString("hex")] = Buffer.from(value).toString("hex");
    }
    maps[name] = entries;
  }
  return { results, maps };
}

if (process.send !== undefined) {
  process.on("message", (run: LiveRun | "hello") => {
    const bpf = openBpfSyscall();
    if ("unavailable" in bpf) process.send?.({ unavailable: bpf.unavailable });
    else if (run === "hello") process.send?.({ unavailable: null });
    else process.send?.(perform(bpf, run));
  });
}
