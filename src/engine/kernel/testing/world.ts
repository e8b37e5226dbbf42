import { parseValueType, TypeTable } from "../../../../e2e/kernel/case-btf.ts";
import { type Dialect, MAP_TYPES, type MapTypeName, PROG_TYPES, type ProgTypeName } from "../../abi/types.ts";
import { assembleLines } from "../../assembler/assemble-lines.ts";
import type { Instruction } from "../../isa/instruction.ts";
import type { MapSpec } from "../../loader/spec.ts";
import type { VerifiedProgram, VerifierProgram } from "../../verifier/types.ts";
import type { WasmHost } from "../../vm/wasm-host.ts";
import type { KernelEvent } from "../event-types.ts";
import { Kernel } from "../kernel.ts";
import type { KernelSettings, SyscallResult, Task } from "../state.ts";

export interface MapText {
  readonly name: string;
  readonly type: MapTypeName;
  readonly key?: number;
  readonly value?: number;
  readonly entries?: number;
  readonly flags?: number;
  /** `struct elem 24 {bpf_timer t @0; u64 x @16}` */
  readonly btf?: string;
  readonly inner?: MapText;
}

const SETTINGS: KernelSettings = { policy: "uref", cpus: 2, hz: 250, seed: 1, insnCost: 0, watch: true };

export function u32(value: number): Uint8Array {
  return Uint8Array.of(value & 255, (value >>> 8) & 255, (value >>> 16) & 255, value >>> 24);
}

export function u64(...values: (number | bigint)[]): Uint8Array {
  const bytes = new Uint8Array(8 * values.length);
  const view = new DataView(bytes.buffer);
  values.forEach((value, i) => {
    view.setBigUint64(8 * i, BigInt.asUintN(64, BigInt(value)), true);
  });
  return bytes;
}

function specOf(text: MapText, table: TypeTable): MapSpec {
  const value = text.btf === undefined ? 0 : parseValueType(table, text.btf);
  return {
    name: text.name,
    type: MAP_TYPES[text.type],
    keySize: text.key ?? 4,
    valueSize: text.value ?? 8,
    maxEntries: text.entries ?? 4,
    flags: text.flags ?? 0,
    mapExtra: 0n,
    keyType: value === 0 ? 0 : table.int("u32", text.key ?? 4),
    valueType: value,
    inner: text.inner === undefined ? null : specOf(text.inner, table),
    globalData: null,
    frozen: false,
    slots: [],
    pinByName: false,
  };
}

/** A kernel with one process, for tests: maps and programs by name, written as the recorded cases are. */
export class World {
  readonly events: KernelEvent[] = [];
  readonly kernel: Kernel;
  readonly main: number;
  readonly dialect: Dialect;
  readonly fds = new Map<string, number>();

  /** Programs are loaded as though the verifier had passed them; with compiled code when it is given. */
  trusted = false;

  constructor(settings: Partial<KernelSettings> = {}, dialect: Dialect = "linux", wasm: WasmHost | null = null) {
    this.kernel = new Kernel({ ...SETTINGS, ...settings }, (event) => this.events.push(event), wasm);
    this.main = this.kernel.openProcess("main");
    this.dialect = dialect;
  }

  fd(name: string): number {
    const fd = this.fds.get(name);
    if (fd === undefined) throw new Error(`no fd for ${name}`);
    return fd;
  }

  createMap(text: MapText, process = this.main): SyscallResult {
    const table = new TypeTable();
    const spec = specOf(text, table);
    const btf = text.btf === undefined && text.inner?.btf === undefined ? null : table.btf;
    const result = this.kernel.call(process, { name: "map-create", spec, btf, dialect: this.dialect });
    if (result.errno === null) this.fds.set(text.name, result.retval);
    return result;
  }

  program(lines: readonly string[], type: ProgTypeName = "syscall", name = "prog"): VerifierProgram {
    const read = assembleLines(lines, name);
    if (!read.ok) throw new Error(read.error.map((problem) => problem.message).join("\n"));
    const code = read.value;
    const insns: Instruction[] = [...code.insns];
    for (const load of code.maps) {
      insns[load.insn] = { ...(insns[load.insn] as Instruction), imm: this.fd(load.map) };
    }
    return {
      name,
      type: PROG_TYPES[type],
      expectedAttachType: 0,
      flags: 0,
      license: "GPL",
      insns,
      btf: null,
      functions: code.functions.map((f) => ({ insn: f.insn, name: f.name === "prog" ? name : f.name, type: 0 })),
      lines: null,
      kfuncs: new Map(code.kfuncs.map((k) => [k.insn, k.name])),
      dialect: this.dialect,
    };
  }

  load(lines: readonly string[], type: ProgTypeName = "syscall", name = "prog", process = this.main): number {
    const program = this.program(lines, type, name);
    const passed = { program } as unknown as VerifiedProgram;
    const result = this.kernel.call(
      process,
      this.trusted
        ? { name: "prog-load", program: passed, section: type }
        : { name: "prog-load-unverified", program, section: type },
    );
    if (result.errno !== null) throw new Error(`load: ${result.errno}`);
    this.fds.set(name, result.retval);
    return result.retval;
  }

  startRun(name: string, context: Uint8Array | null = null, cpu = 0, data = new Uint8Array(64)): Task {
    const empty = context !== null || data.length === 0 ? new Uint8Array() : data;
    return this.kernel.start(this.main, { name: "prog-run", fd: this.fd(name), data: empty, context, repeat: 1 }, cpu);
  }

  run(name: string, context: Uint8Array | null = null, cpu = 0, data = new Uint8Array(64)): SyscallResult {
    const task = this.startRun(name, context, cpu, data);
    let status = this.kernel.run(task, 1e8);
    for (let i = 0; status === "fuel" && i < 10; i++) status = this.kernel.run(task, 1e8);
    if (this.kernel.unsupported !== null) throw new Error(this.kernel.unsupported.message);
    return task.result ?? { retval: -1, errno: null };
  }

  update(map: string, key: number, value: Uint8Array, flags = 0): SyscallResult {
    return this.kernel.call(this.main, { name: "map-update", fd: this.fd(map), key: u32(key), value, flags });
  }

  lookup(map: string, key: number): Uint8Array | null {
    return this.kernel.call(this.main, { name: "map-lookup", fd: this.fd(map), key: u32(key) }).value ?? null;
  }

  delete(map: string, key: number): SyscallResult {
    return this.kernel.call(this.main, { name: "map-delete", fd: this.fd(map), key: u32(key) });
  }

  close(name: string): SyscallResult {
    return this.kernel.call(this.main, { name: "close", fd: this.fd(name) });
  }

  settle(): void {
    this.kernel.call(this.main, { name: "rcu-settle" });
  }

  advance(ns: number): string {
    return this.kernel.advanceTo(this.kernel.state.now + ns, 1e9);
  }

  /** Events in one word each with what matters, for comparing. */
  told(...kinds: KernelEvent["kind"][]): KernelEvent[] {
    return this.events.filter((event) => kinds.includes(event.kind));
  }

  get pending(): number {
    let n = 0;
    for (const timer of this.kernel.state.timers.values()) if (timer.queuedOn >= 0) n++;
    return n;
  }
}
