/**
 * The part of WASI preview 1 that clang's core module asks for: arguments, a read-only tree of files in memory, and two
 * output streams. Everything that would change a file answers EROFS; there is no clock but the one given, and no chance.
 */
export interface WasiOptions {
  readonly args: readonly string[];
  /** Absolute path -> contents. Directories follow from the paths. */
  readonly files: ReadonlyMap<string, Uint8Array>;
  /** `bytes` is only valid during the call. */
  readonly stdout: (bytes: Uint8Array) => void;
  readonly stderr: (bytes: Uint8Array) => void;
}

/** Thrown through the module's frames by `proc_exit`. */
export class WasiExit extends Error {
  readonly code: number;
  constructor(code: number) {
    super(`exit ${code}`);
    this.code = code;
  }
}

const SUCCESS = 0;
const EBADF = 8;
const EINVAL = 28;
const EISDIR = 31;
const ENOENT = 44;
const ENOSYS = 52;
const ENOTDIR = 54;
const EROFS = 69;
const ESPIPE = 70;

const CHARACTER_DEVICE = 2;
const DIRECTORY = 3;
const REGULAR_FILE = 4;

const FIRST_OPEN = 3;
const ROOT: Entry = { kind: "directory", path: "/", inode: 1 };
/** Open flags of `path_open` that would change the tree: create, exclusive, truncate. */
const OPEN_CREATE = 1;
const OPEN_DIRECTORY = 2;
const OPEN_TRUNCATE = 8;

type Entry =
  | { readonly kind: "file"; readonly path: string; readonly inode: number; readonly bytes: Uint8Array }
  | { readonly kind: "directory"; readonly path: string; readonly inode: number };

interface OpenFile {
  readonly entry: Entry;
  position: number;
}

/** A tree of files, reusable by many runs: inode numbers stay, as clang tells files apart by them. */
function entriesOf(files: ReadonlyMap<string, Uint8Array>): Map<string, Entry> {
  const entries = new Map<string, Entry>([["/", ROOT]]);
  let inode = 2;
  for (const [path, bytes] of files) {
    for (let slash = path.indexOf("/", 1); slash > 0; slash = path.indexOf("/", slash + 1)) {
      const directory = path.slice(0, slash);
      if (!entries.has(directory)) entries.set(directory, { kind: "directory", path: directory, inode: inode++ });
    }
    entries.set(path, { kind: "file", path, inode: inode++, bytes });
  }
  return entries;
}

function resolvePath(base: string, path: string): string {
  const parts: string[] = [];
  for (const part of `${path.startsWith("/") ? "" : base}/${path}`.split("/")) {
    if (part === "..") parts.pop();
    else if (part !== "" && part !== ".") parts.push(part);
  }
  return `/${parts.join("/")}`;
}

export class WasiHost {
  readonly imports: WebAssembly.ModuleImports;
  readonly #options: WasiOptions;
  readonly #entries: Map<string, Entry>;
  readonly #open = new Map<number, OpenFile>([[FIRST_OPEN, { entry: ROOT, position: 0 }]]);
  #nextFd = FIRST_OPEN + 1;
  #memory: WebAssembly.Memory | null = null;
  #view = new DataView(new ArrayBuffer(0));
  #bytes = new Uint8Array(0);
  readonly #args: readonly Uint8Array[];
  #clock = 0n;

  constructor(options: WasiOptions) {
    this.#options = options;
    this.#entries = entriesOf(options.files);
    const encoder = new TextEncoder();
    this.#args = options.args.map((arg) => encoder.encode(`${arg}\0`));
    this.imports = this.#makeImports();
  }

  /** The memory exists only after instantiation. */
  attach(memory: WebAssembly.Memory): void {
    this.#memory = memory;
    this.#refresh();
  }

  /** Memory that grew has a new buffer. */
  #refresh(): void {
    const buffer = this.#memory?.buffer;
    if (buffer === undefined || buffer === this.#bytes.buffer) return;
    this.#view = new DataView(buffer);
    this.#bytes = new Uint8Array(buffer);
  }

  #text(pointer: number, length: number): string {
    this.#refresh();
    return new TextDecoder().decode(this.#bytes.subarray(pointer, pointer + length));
  }

  #u32(pointer: number, value: number): void {
    this.#view.setUint32(pointer, value, true);
  }

  #u64(pointer: number, value: bigint): void {
    this.#view.setBigUint64(pointer, value, true);
  }

  #writeStat(pointer: number, type: number, inode: number, size: number): void {
    this.#bytes.fill(0, pointer, pointer + 64);
    this.#u64(pointer, 1n);
    this.#u64(pointer + 8, BigInt(inode));
    this.#view.setUint8(pointer + 16, type);
    this.#u64(pointer + 24, 1n);
    this.#u64(pointer + 32, BigInt(size));
  }

  #statEntry(pointer: number, entry: Entry): void {
    const file = entry.kind === "file";
    this.#writeStat(pointer, file ? REGULAR_FILE : DIRECTORY, entry.inode, file ? entry.bytes.length : 0);
  }

  #lookUp(fd: number, pointer: number, length: number): Entry | null {
    const base = this.#open.get(fd)?.entry;
    if (base === undefined) return null;
    return this.#entries.get(resolvePath(base.path, this.#text(pointer, length))) ?? null;
  }

  #gather(iovs: number, count: number, each: (start: number, length: number) => number): number {
    let total = 0;
    for (let i = 0; i < count; i++) {
      const start = this.#view.getUint32(iovs + i * 8, true);
      const length = this.#view.getUint32(iovs + i * 8 + 4, true);
      const done = each(start, length);
      total += done;
      if (done < length) break;
    }
    return total;
  }

  #readAt(file: Entry & { kind: "file" }, position: number, iovs: number, count: number): number {
    let at = position;
    return this.#gather(iovs, count, (start, length) => {
      const chunk = file.bytes.subarray(at, at + length);
      this.#bytes.set(chunk, start);
      at += chunk.length;
      return chunk.length;
    });
  }

  #write(fd: number, iovs: number, count: number, written: number): number {
    const sink = fd === 1 ? this.#options.stdout : fd === 2 ? this.#options.stderr : null;
    if (sink === null) return EBADF;
    this.#refresh();
    const total = this.#gather(iovs, count, (start, length) => {
      if (length > 0) sink(this.#bytes.subarray(start, start + length));
      return length;
    });
    this.#u32(written, total);
    return SUCCESS;
  }

  #read(fd: number, iovs: number, count: number, result: number): number {
    this.#refresh();
    if (fd === 0) {
      this.#u32(result, 0);
      return SUCCESS;
    }
    const open = this.#open.get(fd);
    if (open === undefined) return EBADF;
    if (open.entry.kind !== "file") return EISDIR;
    const done = this.#readAt(open.entry, open.position, iovs, count);
    open.position += done;
    this.#u32(result, done);
    return SUCCESS;
  }

  #seek(fd: number, offset: bigint, whence: number, result: number): number {
    this.#refresh();
    if (fd < FIRST_OPEN) return ESPIPE;
    const open = this.#open.get(fd);
    if (open === undefined) return EBADF;
    const size = open.entry.kind === "file" ? open.entry.bytes.length : 0;
    const base = [0, open.position, size][whence];
    const position = base === undefined ? -1 : base + Number(offset);
    if (position < 0) return EINVAL;
    open.position = position;
    this.#u64(result, BigInt(position));
    return SUCCESS;
  }

  #openPath(dir: number, pointer: number, length: number, flags: number, result: number): number {
    if ((flags & (OPEN_CREATE | OPEN_TRUNCATE)) !== 0) return EROFS;
    const entry = this.#lookUp(dir, pointer, length);
    if (entry === null) return ENOENT;
    if ((flags & OPEN_DIRECTORY) !== 0 && entry.kind !== "directory") return ENOTDIR;
    const fd = this.#nextFd++;
    this.#open.set(fd, { entry, position: 0 });
    this.#u32(result, fd);
    return SUCCESS;
  }

  #list(fd: number, buffer: number, capacity: number, cookie: bigint, result: number): number {
    this.#refresh();
    const open = this.#open.get(fd);
    if (open === undefined) return EBADF;
    if (open.entry.kind !== "directory") return ENOTDIR;
    const prefix = open.entry.path === "/" ? "/" : `${open.entry.path}/`;
    const children = [...this.#entries.values()].filter(
      (e) => e.path.length > prefix.length && e.path.startsWith(prefix) && !e.path.includes("/", prefix.length),
    );
    let used = 0;
    for (let i = Number(cookie); i < children.length && used < capacity; i++) {
      const child = children[i] as Entry;
      const name = new TextEncoder().encode(child.path.slice(prefix.length));
      const record = new Uint8Array(24 + name.length);
      const view = new DataView(record.buffer);
      view.setBigUint64(0, BigInt(i + 1), true);
      view.setBigUint64(8, BigInt(child.inode), true);
      view.setUint32(16, name.length, true);
      view.setUint8(20, child.kind === "file" ? REGULAR_FILE : DIRECTORY);
      record.set(name, 24);
      const part = record.subarray(0, capacity - used);
      this.#bytes.set(part, buffer + used);
      used += part.length;
    }
    this.#u32(result, used);
    return SUCCESS;
  }

  #strings(list: readonly Uint8Array[], pointers: number, buffer: number): number {
    this.#refresh();
    let at = buffer;
    list.forEach((bytes, i) => {
      this.#u32(pointers + i * 4, at);
      this.#bytes.set(bytes, at);
      at += bytes.length;
    });
    return SUCCESS;
  }

  #sizes(list: readonly Uint8Array[], count: number, size: number): number {
    this.#refresh();
    this.#u32(count, list.length);
    this.#u32(
      size,
      list.reduce((sum, bytes) => sum + bytes.length, 0),
    );
    return SUCCESS;
  }

  #describe(fd: number, pointer: number): number {
    this.#refresh();
    const entry = this.#open.get(fd)?.entry;
    if (entry === undefined && fd >= FIRST_OPEN) return EBADF;
    this.#bytes.fill(0, pointer, pointer + 24);
    const type = entry === undefined ? CHARACTER_DEVICE : entry.kind === "file" ? REGULAR_FILE : DIRECTORY;
    this.#view.setUint8(pointer, type);
    this.#u64(pointer + 8, 0xffff_ffff_ffff_ffffn);
    this.#u64(pointer + 16, 0xffff_ffff_ffff_ffffn);
    return SUCCESS;
  }

  #makeImports(): WebAssembly.ModuleImports {
    const readOnly = (): number => EROFS;
    return {
      args_get: (pointers: number, buffer: number) => this.#strings(this.#args, pointers, buffer),
      args_sizes_get: (count: number, size: number) => this.#sizes(this.#args, count, size),
      environ_get: (pointers: number, buffer: number) => this.#strings([], pointers, buffer),
      environ_sizes_get: (count: number, size: number) => this.#sizes([], count, size),
      // Time that only goes on: the same input gives the same output.
      clock_time_get: (_id: number, _precision: bigint, result: number) => {
        this.#refresh();
        this.#clock += 1000n;
        this.#u64(result, this.#clock);
        return SUCCESS;
      },
      random_get: (buffer: number, length: number) => {
        this.#refresh();
        this.#bytes.fill(0x5a, buffer, buffer + length);
        return SUCCESS;
      },
      fd_close: (fd: number) => (this.#open.delete(fd) || fd < FIRST_OPEN ? SUCCESS : EBADF),
      fd_fdstat_get: (fd: number, pointer: number) => this.#describe(fd, pointer),
      fd_filestat_get: (fd: number, pointer: number) => {
        this.#refresh();
        const entry = this.#open.get(fd)?.entry;
        if (entry !== undefined) this.#statEntry(pointer, entry);
        else if (fd < FIRST_OPEN) this.#writeStat(pointer, CHARACTER_DEVICE, 0, 0);
        else return EBADF;
        return SUCCESS;
      },
      fd_filestat_set_size: readOnly,
      fd_filestat_set_times: readOnly,
      fd_pread: (fd: number, iovs: number, count: number, offset: bigint, result: number) => {
        this.#refresh();
        const entry = this.#open.get(fd)?.entry;
        if (entry === undefined) return EBADF;
        if (entry.kind !== "file") return EISDIR;
        this.#u32(result, this.#readAt(entry, Number(offset), iovs, count));
        return SUCCESS;
      },
      fd_prestat_get: (fd: number, pointer: number) => {
        this.#refresh();
        if (fd !== FIRST_OPEN) return EBADF;
        this.#u32(pointer, 0);
        this.#u32(pointer + 4, 1);
        return SUCCESS;
      },
      fd_prestat_dir_name: (fd: number, pointer: number, length: number) => {
        this.#refresh();
        if (fd !== FIRST_OPEN || length < 1) return EBADF;
        this.#bytes[pointer] = 0x2f;
        return SUCCESS;
      },
      fd_read: (fd: number, iovs: number, count: number, result: number) => this.#read(fd, iovs, count, result),
      fd_readdir: (fd: number, buffer: number, size: number, cookie: bigint, result: number) =>
        this.#list(fd, buffer, size, cookie, result),
      fd_seek: (fd: number, offset: bigint, whence: number, result: number) => this.#seek(fd, offset, whence, result),
      fd_write: (fd: number, iovs: number, count: number, written: number) => this.#write(fd, iovs, count, written),
      path_create_directory: readOnly,
      path_filestat_get: (fd: number, _flags: number, path: number, length: number, pointer: number) => {
        const entry = this.#lookUp(fd, path, length);
        if (entry === null) return ENOENT;
        this.#statEntry(pointer, entry);
        return SUCCESS;
      },
      path_link: readOnly,
      path_open: (
        dir: number,
        _lookup: number,
        path: number,
        length: number,
        flags: number,
        _rights: bigint,
        _inherited: bigint,
        _fdFlags: number,
        result: number,
      ) => this.#openPath(dir, path, length, flags, result),
      path_readlink: () => EINVAL,
      path_remove_directory: readOnly,
      path_rename: readOnly,
      path_symlink: readOnly,
      path_unlink_file: readOnly,
      poll_oneoff: () => ENOSYS,
      proc_exit: (code: number) => {
        throw new WasiExit(code);
      },
    };
  }
}

export interface WasiOutcome {
  /** Exit code; null when the module trapped, and then `trap` says how. */
  readonly code: number | null;
  readonly trap: string | null;
}

/** Runs the module's `_start` once, in a fresh instance. */
export async function runWasi(module: WebAssembly.Module, options: WasiOptions): Promise<WasiOutcome> {
  const host = new WasiHost(options);
  const instance = await WebAssembly.instantiate(module, { wasi_snapshot_preview1: host.imports });
  host.attach(instance.exports["memory"] as WebAssembly.Memory);
  try {
    (instance.exports["_start"] as () => void)();
    return { code: 0, trap: null };
  } catch (error) {
    if (error instanceof WasiExit) return { code: error.code, trap: null };
    if (error instanceof WebAssembly.RuntimeError || error instanceof RangeError)
      return { code: null, trap: error.message };
    throw error;
  }
}
