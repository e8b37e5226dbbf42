import { packetAccess } from "../abi/contexts.ts";
import type { Errno } from "../abi/errno.ts";
import { BPF_ANY, BPF_EXIST, BPF_F_LOCK, BPF_F_TIMER_BUSY, BPF_F_TIMER_CANCEL, BPF_NOEXIST } from "../abi/types.ts";
import { err, ok, type Result } from "../base/result.ts";
import { type Kernel, mapEntries, type Syscall, type SyscallResult } from "../kernel/api.ts";
import type { CollectionSpec } from "../loader/spec.ts";
import { decodedText, decodeValue, hexOf, PLAIN } from "../script/decode-value.ts";
import { encodeValue, type ResolveObject, type ValueFault } from "../script/encode-value.ts";
import type { Command, Duration, ScriptLine, UpdateFlag, ValueExpression } from "../script/types.ts";
import { contextBytes, DEFAULT_PACKET_BYTES } from "./context-bytes.ts";
import {
  fdOf,
  idOf,
  mapNamed,
  type NameTable,
  type ObjectKind,
  withFd,
  withId,
  withoutFd,
  withoutProcess,
} from "./names.ts";
import { encodeMapValue, keyTypeOf, type TypedMap, typedMap, valueTypeOf } from "./typed-map.ts";

/** What a command of the script asks of the kernel. */
export type Plan =
  | { readonly kind: "call"; readonly call: Syscall; readonly cpu: number }
  /** `target` is ns of virtual time. */
  | { readonly kind: "advance"; readonly target: number }
  | { readonly kind: "object-load" }
  | { readonly kind: "done"; readonly outcome: Outcome };

export interface Outcome {
  readonly retval: number;
  readonly errno: Errno | null;
  readonly output: readonly string[];
}

export interface CommandWorld {
  readonly kernel: Kernel;
  readonly collection: CollectionSpec;
  readonly names: NameTable;
  readonly process: number;
}

const FLAGS: Record<UpdateFlag, number> = {
  any: BPF_ANY,
  noexist: BPF_NOEXIST,
  exist: BPF_EXIST,
  lock: BPF_F_LOCK,
  busy: BPF_F_TIMER_BUSY,
  cancel: BPF_F_TIMER_CANCEL,
};

export const failure = (errno: Errno): Outcome => ({ retval: -1, errno, output: [] });
export const success = (retval = 0, output: readonly string[] = []): Outcome => ({ retval, errno: null, output });
const done = (outcome: Outcome): Result<Plan, ValueFault> => ok({ kind: "done", outcome });

/** The fd behind `map:NAME` and `prog:NAME` in a value. */
export function resolver(world: CommandWorld): ResolveObject {
  return (of, name) => {
    const real = of === "map" ? mapNamed(world.collection, name) : name;
    return real === null ? null : fdOf(world.names, world.process, of, real);
  };
}

export function typedMapNamed(collection: CollectionSpec, name: string): TypedMap | null {
  const real = mapNamed(collection, name);
  const spec = collection.maps.find((m) => m.name === real);
  return spec === undefined ? null : typedMap(collection, spec);
}

/** Turns a command into what the kernel is asked for. The error is the script's: a name or value that does not fit the object. */
export function planCommand(line: ScriptLine, world: CommandWorld): Result<Plan, ValueFault> {
  const { command } = line;
  const cpu = line.cpu ?? 0;
  const call = (made: Syscall): Result<Plan, ValueFault> => ok({ kind: "call", call: made, cpu });
  const withMap = (name: string, make: (fd: number, map: TypedMap) => Result<Plan, ValueFault>) => {
    const map = typedMapNamed(world.collection, name);
    if (map === null) return err({ message: `the object has no map '${name}'`, column: 1 });
    const fd = fdOf(world.names, world.process, "map", map.spec.name);
    return fd === null ? done(failure("EBADF")) : make(fd, map);
  };
  const withKey = (
    name: string,
    key: ValueExpression,
    make: (fd: number, key: Uint8Array, map: TypedMap) => Result<Plan, ValueFault>,
  ) =>
    withMap(name, (fd, map) => {
      const encoded = encodeValue(key, keyTypeOf(map), resolver(world));
      return encoded.ok ? make(fd, encoded.value, map) : encoded;
    });
  const withProg = (name: string, make: (fd: number) => Result<Plan, ValueFault>) => {
    if (!world.collection.programs.some((p) => p.name === name)) {
      return err({ message: `the object has no program '${name}'`, column: 1 });
    }
    const fd = fdOf(world.names, world.process, "prog", name);
    return fd === null ? done(failure("EBADF")) : make(fd);
  };
  switch (command.kind) {
    case "prog-run":
      return withProg(command.prog, (fd) => planRun(command, fd, command.cpu ?? cpu, world));
    case "advance":
      return ok({ kind: "advance", target: advanceTarget(command.by, world.kernel) });
    case "map-update":
      return withKey(command.map, command.key, (fd, key, map) => {
        const value = encodeMapValue(map, command.value, world.kernel.settings.cpus, resolver(world));
        return value.ok ? call({ name: "map-update", fd, key, value: value.value, flags: FLAGS[command.flag] }) : value;
      });
    case "map-lookup":
      return withKey(command.map, command.key, (fd, key) => call({ name: "map-lookup", fd, key }));
    case "map-delete":
      return withKey(command.map, command.key, (fd, key) => call({ name: "map-delete", fd, key }));
    case "map-dump":
      return withMap(command.map, (_fd, map) => done(success(0, dumpMap(world, map))));
    case "map-push":
      return withMap(command.map, (fd, map) => {
        const value = encodeMapValue(map, command.value, world.kernel.settings.cpus, resolver(world));
        return value.ok ? call({ name: "map-push", fd, value: value.value }) : value;
      });
    case "map-pop":
      return withMap(command.map, (fd) => call({ name: "map-pop", fd }));
    case "ringbuf-read":
      return withMap(command.map, (fd) => call({ name: "ringbuf-read", fd }));
    case "map-close":
      return withMap(command.map, (fd) => call({ name: "close", fd }));
    case "map-pin":
      return withMap(command.map, (fd) => call({ name: "pin", fd, path: command.path }));
    case "map-open": {
      const map = typedMapNamed(world.collection, command.map);
      if (map === null) return err({ message: `the object has no map '${command.map}'`, column: 1 });
      return open("map", idOf(world.names, "map", map.spec.name));
    }
    case "prog-attach":
      return withProg(command.prog, (fd) => call({ name: "prog-attach", fd }));
    case "prog-detach":
      return withProg(command.prog, (fd) => call({ name: "prog-detach", fd }));
    case "prog-close":
      return withProg(command.prog, (fd) => call({ name: "close", fd }));
    case "prog-pin":
      return withProg(command.prog, (fd) => call({ name: "pin", fd, path: command.path }));
    case "prog-open":
      if (!world.collection.programs.some((p) => p.name === command.prog)) {
        return err({ message: `the object has no program '${command.prog}'`, column: 1 });
      }
      return open("prog", idOf(world.names, "prog", command.prog));
    case "unpin":
      return call({ name: "unpin", path: command.path });
    case "object-load":
      return ok({ kind: "object-load" });
    case "exit":
      return call({ name: "exit" });
    case "rcu-settle":
      return call({ name: "rcu-settle" });
    case "fail-next-alloc":
      world.kernel.failNextAllocation();
      return done(success());
    case "timer-create":
      return withMap(command.map, (mapFd) =>
        withProg(command.prog, (progFd) =>
          call({ name: "timer-create", mapFd, progFd, expires: jiffiesOf(command.expires, world.kernel) }),
        ),
      );
    case "expect":
      return done(success());
  }

  function open(kind: ObjectKind, id: number | null): Result<Plan, ValueFault> {
    return id === null ? done(failure("ENOENT")) : call({ name: "open-by-id", kind, id });
  }
}

function planRun(
  command: Command & { readonly kind: "prog-run" },
  fd: number,
  cpu: number,
  world: CommandWorld,
): Result<Plan, ValueFault> {
  const spec = world.collection.programs.find((p) => p.name === command.prog);
  if (spec === undefined) return err({ message: `the object has no program '${command.prog}'`, column: 1 });
  if (cpu >= world.kernel.settings.cpus) {
    return err({ message: `there is no CPU ${cpu}: the machine has ${world.kernel.settings.cpus}`, column: 1 });
  }
  const data = command.data ?? new Uint8Array(packetAccess(spec.type) === "none" ? 0 : DEFAULT_PACKET_BYTES);
  const context = contextBytes(spec, command.context, data.length);
  if (!context.ok) return context;
  const call: Syscall = { name: "prog-run", fd, data, context: context.value, repeat: command.repeat };
  return ok({ kind: "call", call, cpu });
}

function advanceTarget(by: Duration, kernel: Kernel): number {
  const { now } = kernel.state;
  switch (by.kind) {
    case "ns":
      return now + by.ns;
    case "jiffies":
      return now + by.count * kernel.nsPerJiffy;
    case "next":
      return kernel.nextExpiry() ?? now;
  }
}

function jiffiesOf(by: Duration, kernel: Kernel): number {
  return by.kind === "jiffies" ? by.count : by.kind === "ns" ? Math.ceil(by.ns / kernel.nsPerJiffy) : 0;
}

function dumpMap(world: CommandWorld, map: TypedMap): string[] {
  const id = idOf(world.names, "map", map.spec.name);
  if (id === null) return [];
  return mapEntries(world.kernel, id, Number.POSITIVE_INFINITY).map(({ key, values }) => {
    const shown = values.map((v) => decodedText(decodeValue(v, map.valueType, { ...PLAIN, btf: map.btf })));
    return `${keyText(map, key)}: ${map.perCpu ? `[${shown.join(", ")}]` : (shown[0] ?? "")}`;
  });
}

export const keyText = (map: TypedMap, key: Uint8Array): string =>
  decodedText(decodeValue(key, map.keyType, { ...PLAIN, btf: map.btf }));

/** What a finished system call leaves behind: names that changed, and what the command prints. */
export function concludeCall(
  line: ScriptLine,
  result: SyscallResult,
  world: CommandWorld,
): { readonly outcome: Outcome; readonly names: NameTable } {
  const { command } = line;
  const { names, process, collection } = world;
  if (result.errno !== null) return { outcome: failure(result.errno), names };
  const plain = success(result.retval);
  const realMap = (name: string) => mapNamed(collection, name) ?? name;
  switch (command.kind) {
    case "prog-run":
      return { outcome: success(result.run?.retval ?? result.retval), names };
    case "map-lookup":
    case "map-pop": {
      const map = typedMapNamed(collection, command.map);
      const output = map === null || result.value === undefined ? [] : [readText(map, result.value)];
      return { outcome: success(0, output), names };
    }
    case "ringbuf-read":
      return { outcome: success(result.retval, result.value ? [`hex:${hexOf(result.value)}`] : []), names };
    case "map-close":
      return { outcome: plain, names: withoutFd(names, process, "map", realMap(command.map)) };
    case "prog-close":
      return { outcome: plain, names: withoutFd(names, process, "prog", command.prog) };
    case "map-open":
      return { outcome: plain, names: opened("map", realMap(command.map)) };
    case "prog-open":
      return { outcome: plain, names: opened("prog", command.prog) };
    case "exit":
      return { outcome: plain, names: withoutProcess(names, process) };
    default:
      return { outcome: plain, names };
  }

  function opened(kind: ObjectKind, name: string): NameTable {
    const target = world.kernel.state.processes.get(process)?.fds.get(result.retval);
    const known = withFd(names, process, kind, name, result.retval);
    return target === undefined ? known : withId(known, kind, name, target.id);
  }
}

function readText(map: TypedMap, value: Uint8Array): string {
  const { size } = valueTypeOf(map);
  const show = (bytes: Uint8Array) => decodedText(decodeValue(bytes, map.valueType, { ...PLAIN, btf: map.btf }));
  if (!map.perCpu) return show(value.subarray(0, size));
  const stride = (size + 7) & ~7;
  const parts: string[] = [];
  for (let at = 0; at + size <= value.length; at += stride) parts.push(show(value.subarray(at, at + size)));
  return `[${parts.join(", ")}]`;
}
