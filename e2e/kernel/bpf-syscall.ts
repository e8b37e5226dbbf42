import { createRequire } from "node:module";

/**
 * bpf(2) of the machine's own kernel, from Node. Used to ask Linux what it says of a program: never attaches anything.
 * Callers run in a child process of their own (see `oracle-worker.ts`), because a verifier bug may kill the loader.
 */
const BPF_MAP_CREATE = 0;
const BPF_MAP_LOOKUP_ELEM = 1;
const BPF_MAP_UPDATE_ELEM = 2;
const BPF_MAP_DELETE_ELEM = 3;
const BPF_MAP_GET_NEXT_KEY = 4;
const BPF_PROG_LOAD = 5;
const BPF_OBJ_GET = 7;
const BPF_PROG_TEST_RUN = 10;
const BPF_BTF_LOAD = 18;
const BPF_MAP_FREEZE = 22;

const SYS_BPF_X86_64 = 321;
const ATTR_BYTES = 168;
const ARENA_BYTES = 64 << 20;

/** `value` is the call's result when it is not negative; else `errno` (positive) says why. */
export type SyscallResult =
  | { readonly value: number; readonly errno: 0 }
  | { readonly value: -1; readonly errno: number };

export interface MapAttributes {
  readonly type: number;
  readonly keySize: number;
  readonly valueSize: number;
  readonly maxEntries: number;
  readonly flags?: number;
  readonly name?: string;
  readonly innerFd?: number;
  readonly btfFd?: number;
  readonly keyTypeId?: number;
  readonly valueTypeId?: number;
  readonly mapExtra?: bigint;
}

export interface ProgramAttributes {
  readonly type: number;
  /** Slots, encoded; map loads carry fds of this process. */
  readonly insns: Uint8Array;
  readonly license: string;
  readonly logLevel: number;
  /** Bytes of log buffer; default 16 MiB. */
  readonly logSize?: number;
  readonly flags?: number;
  readonly name?: string;
  readonly expectedAttachType?: number;
  readonly btfFd?: number;
  /** bpf_func_info records of 8 bytes. */
  readonly funcInfo?: Uint8Array;
  /** bpf_line_info records of 16 bytes. */
  readonly lineInfo?: Uint8Array;
  readonly attachBtfId?: number;
}

export interface TestRunResult {
  readonly errno: number;
  readonly retval: number;
  /** ns for each repetition, as the kernel measured it */
  readonly duration: number;
  readonly dataOut: Uint8Array;
}

export interface BpfSyscall {
  mapCreate(attributes: MapAttributes): SyscallResult;
  mapUpdate(fd: number, key: Uint8Array, value: Uint8Array, flags?: bigint): SyscallResult;
  mapLookup(fd: number, key: Uint8Array, valueBytes: number): Uint8Array | null;
  mapDelete(fd: number, key: Uint8Array): SyscallResult;
  mapNextKey(fd: number, key: Uint8Array | null, keyBytes: number): Uint8Array | null;
  mapFreeze(fd: number): SyscallResult;
  btfLoad(btf: Uint8Array): SyscallResult;
  /** fd of what is pinned at a path. */
  objGet(path: string): SyscallResult;
  progLoad(attributes: ProgramAttributes): SyscallResult & { readonly log: string };
  testRun(
    fd: number,
    options: {
      readonly data?: Uint8Array;
      readonly context?: Uint8Array;
      readonly repeat?: number;
      readonly dataOutBytes?: number;
    },
  ): TestRunResult;
  close(fd: number): void;
}

/** Opens the door to the kernel, or says why it is shut here (not Linux/x86-64, not root, no koffi). */
export function openBpfSyscall(): BpfSyscall | { readonly unavailable: string } {
  if (process.platform !== "linux" || process.arch !== "x64")
    return { unavailable: `${process.platform}/${process.arch} has no Linux x86-64 bpf(2)` };
  if (process.getuid?.() !== 0) return { unavailable: "bpf(2) needs root" };
  let koffi: typeof import("koffi");
  try {
    koffi = createRequire(import.meta.url)("koffi") as typeof import("koffi");
  } catch (cause) {
    return { unavailable: `koffi does not load: ${String(cause)}` };
  }
  const libc = koffi.load("libc.so.6");
  const malloc = libc.func("void *malloc(size_t n)") as unknown as (n: number) => bigint;
  const syscall = libc.func("long syscall(long n, int cmd, void *attr, uint32_t size)") as unknown as (
    n: number,
    cmd: number,
    attr: Buffer,
    size: number,
  ) => number | bigint;
  const close = libc.func("int close(int fd)") as unknown as (fd: number) => number;
  const copyIn = libc.func("void *memcpy(void *d, void *s, size_t n)") as unknown as (
    d: bigint | Buffer,
    s: bigint | Buffer,
    n: number,
  ) => bigint;

  const arena = malloc(ARENA_BYTES);
  let used = 0;
  const reset = (): void => {
    used = 0;
  };
  const reserve = (bytes: number): bigint => {
    const at = arena + BigInt(used);
    used += (bytes + 15) & ~15;
    if (used > ARENA_BYTES) throw new Error("bpf(2) arena is too small for this call");
    return at;
  };
  const place = (bytes: Uint8Array): bigint => {
    const at = reserve(Math.max(bytes.length, 1));
    if (bytes.length > 0) copyIn(at, Buffer.from(bytes), bytes.length);
    return at;
  };
  const fetch = (at: bigint, bytes: number): Uint8Array => {
    const out = Buffer.alloc(bytes);
    if (bytes > 0) copyIn(out, at, bytes);
    return new Uint8Array(out);
  };
  const name16 = (attr: Buffer, at: number, name: string): void => {
    attr.write(name.slice(0, 15), at, "latin1");
  };
  const call = (cmd: number, attr: Buffer): SyscallResult => {
    const value = Number(syscall(SYS_BPF_X86_64, cmd, attr, ATTR_BYTES));
    return value < 0 ? { value: -1, errno: koffi.errno() } : { value, errno: 0 };
  };
  const elementCall = (
    cmd: number,
    fd: number,
    key: Uint8Array | null,
    value: bigint,
    flags: bigint,
  ): SyscallResult => {
    const attr = Buffer.alloc(ATTR_BYTES);
    attr.writeUInt32LE(fd, 0);
    attr.writeBigUInt64LE(key ? place(key) : 0n, 8);
    attr.writeBigUInt64LE(value, 16);
    attr.writeBigUInt64LE(flags, 24);
    return call(cmd, attr);
  };

  return {
    mapCreate(a) {
      const attr = Buffer.alloc(ATTR_BYTES);
      attr.writeUInt32LE(a.type, 0);
      attr.writeUInt32LE(a.keySize, 4);
      attr.writeUInt32LE(a.valueSize, 8);
      attr.writeUInt32LE(a.maxEntries, 12);
      attr.writeUInt32LE(a.flags ?? 0, 16);
      attr.writeUInt32LE(a.innerFd ?? 0, 20);
      name16(attr, 28, a.name ?? "");
      attr.writeUInt32LE(a.btfFd ?? 0, 48);
      attr.writeUInt32LE(a.keyTypeId ?? 0, 52);
      attr.writeUInt32LE(a.valueTypeId ?? 0, 56);
      attr.writeBigUInt64LE(a.mapExtra ?? 0n, 64);
      return call(BPF_MAP_CREATE, attr);
    },
    mapUpdate(fd, key, value, flags = 0n) {
      reset();
      return elementCall(BPF_MAP_UPDATE_ELEM, fd, key, place(value), flags);
    },
    mapLookup(fd, key, valueBytes) {
      reset();
      const out = reserve(valueBytes);
      return elementCall(BPF_MAP_LOOKUP_ELEM, fd, key, out, 0n).errno === 0 ? fetch(out, valueBytes) : null;
    },
    mapDelete(fd, key) {
      reset();
      return elementCall(BPF_MAP_DELETE_ELEM, fd, key, 0n, 0n);
    },
    mapNextKey(fd, key, keyBytes) {
      reset();
      const out = reserve(keyBytes);
      return elementCall(BPF_MAP_GET_NEXT_KEY, fd, key, out, 0n).errno === 0 ? fetch(out, keyBytes) : null;
    },
    mapFreeze(fd) {
      const attr = Buffer.alloc(ATTR_BYTES);
      attr.writeUInt32LE(fd, 0);
      return call(BPF_MAP_FREEZE, attr);
    },
    btfLoad(btf) {
      reset();
      const attr = Buffer.alloc(ATTR_BYTES);
      attr.writeBigUInt64LE(place(btf), 0);
      attr.writeUInt32LE(btf.length, 16);
      return call(BPF_BTF_LOAD, attr);
    },
    objGet(path) {
      reset();
      const attr = Buffer.alloc(ATTR_BYTES);
      attr.writeBigUInt64LE(place(Buffer.from(`${path}\0`)), 0);
      return call(BPF_OBJ_GET, attr);
    },
    progLoad(a) {
      reset();
      const attr = Buffer.alloc(ATTR_BYTES);
      const logSize = a.logLevel > 0 ? (a.logSize ?? 16 << 20) : 0;
      attr.writeUInt32LE(a.type, 0);
      attr.writeUInt32LE(a.insns.length / 8, 4);
      attr.writeBigUInt64LE(place(a.insns), 8);
      attr.writeBigUInt64LE(place(Buffer.from(`${a.license}\0`)), 16);
      attr.writeUInt32LE(a.logLevel, 24);
      attr.writeUInt32LE(logSize, 28);
      attr.writeUInt32LE(a.flags ?? 0, 44);
      name16(attr, 48, a.name ?? "");
      attr.writeUInt32LE(a.expectedAttachType ?? 0, 68);
      attr.writeUInt32LE(a.btfFd ?? 0, 72);
      if (a.funcInfo && a.funcInfo.length > 0) {
        attr.writeUInt32LE(8, 76);
        attr.writeBigUInt64LE(place(a.funcInfo), 80);
        attr.writeUInt32LE(a.funcInfo.length / 8, 88);
      }
      if (a.lineInfo && a.lineInfo.length > 0) {
        attr.writeUInt32LE(16, 92);
        attr.writeBigUInt64LE(place(a.lineInfo), 96);
        attr.writeUInt32LE(a.lineInfo.length / 16, 104);
      }
      attr.writeUInt32LE(a.attachBtfId ?? 0, 108);
      const log = logSize > 0 ? reserve(logSize) : 0n;
      if (logSize > 0) {
        copyIn(log, Buffer.alloc(1), 1);
        attr.writeBigUInt64LE(log, 32);
      }
      const result = call(BPF_PROG_LOAD, attr);
      return { ...result, log: logSize > 0 ? readCString(fetch, log, logSize) : "" };
    },
    testRun(fd, options) {
      reset();
      const attr = Buffer.alloc(ATTR_BYTES);
      const outBytes = options.dataOutBytes ?? 0;
      const out = reserve(Math.max(outBytes, 1));
      attr.writeUInt32LE(fd, 0);
      attr.writeUInt32LE(options.data?.length ?? 0, 8);
      attr.writeUInt32LE(outBytes, 12);
      attr.writeBigUInt64LE(options.data ? place(options.data) : 0n, 16);
      attr.writeBigUInt64LE(outBytes > 0 ? out : 0n, 24);
      attr.writeUInt32LE(options.repeat ?? 0, 32);
      if (options.context) {
        attr.writeUInt32LE(options.context.length, 40);
        attr.writeBigUInt64LE(place(options.context), 48);
      }
      const result = call(BPF_PROG_TEST_RUN, attr);
      return {
        errno: result.errno,
        retval: attr.readUInt32LE(4),
        duration: attr.readUInt32LE(36),
        dataOut: fetch(out, outBytes),
      };
    },
    close(fd) {
      close(fd);
    },
  };
}

/** Reads up to the first NUL in growing pieces: most logs are short, the buffer is not. */
function readCString(fetch: (at: bigint, bytes: number) => Uint8Array, at: bigint, limit: number): string {
  for (let size = 16 << 10; ; size *= 8) {
    const bytes = fetch(at, Math.min(size, limit));
    const end = bytes.indexOf(0);
    if (end >= 0) return Buffer.from(bytes.subarray(0, end)).toString("latin1");
    if (size >= limit) return Buffer.from(bytes).toString("latin1");
  }
}
