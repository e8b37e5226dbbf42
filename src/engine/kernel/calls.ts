import type { Dialect } from "../abi/types.ts";
import type { Btf } from "../btf/types.ts";
import type { MapSpec } from "../loader/spec.ts";
import type { VerifiedProgram, VerifierProgram } from "../verifier/types.ts";

/**
 * What user space asks the kernel for, as data. Every call is started as a task on a CPU (`Kernel.start`) and gives a
 * `SyscallResult`; errno and retval are those of bpf(2) on Linux 6.18.
 */
export type Syscall =
  /** BPF_MAP_CREATE. retval: fd. Maps in maps are given their template as an fd of the calling process, or by `spec.inner`. */
  | {
      readonly name: "map-create";
      readonly spec: MapSpec;
      readonly btf: Btf | null;
      readonly dialect: Dialect;
      readonly innerFd?: number;
    }
  /**
   * BPF_PROG_LOAD of a program that the verifier passed, or (`unverified`) of any program: then every access is checked as
   * it runs. Map loads carry fds of the calling process. retval: fd.
   */
  | { readonly name: "prog-load"; readonly program: VerifiedProgram; readonly section: string }
  | { readonly name: "prog-load-unverified"; readonly program: VerifierProgram; readonly section: string }
  /** `value`: of valueSize bytes; of round8(valueSize) x CPUs for per-CPU maps; of 4 bytes (an fd) for maps of maps and programs. */
  | {
      readonly name: "map-update";
      readonly fd: number;
      readonly key: Uint8Array;
      readonly value: Uint8Array;
      readonly flags: number;
    }
  | { readonly name: "map-lookup"; readonly fd: number; readonly key: Uint8Array; readonly flags?: number }
  | { readonly name: "map-delete"; readonly fd: number; readonly key: Uint8Array }
  /** BPF_MAP_LOOKUP_AND_DELETE_ELEM; with an empty key: pop. */
  | { readonly name: "map-lookup-and-delete"; readonly fd: number; readonly key: Uint8Array }
  /** `key` null: the first key. ENOENT after the last. */
  | { readonly name: "map-next-key"; readonly fd: number; readonly key: Uint8Array | null }
  | { readonly name: "map-push"; readonly fd: number; readonly value: Uint8Array; readonly flags?: number }
  | { readonly name: "map-pop"; readonly fd: number }
  | { readonly name: "map-peek"; readonly fd: number }
  | { readonly name: "map-freeze"; readonly fd: number }
  /** The next record that user space has not read; EAGAIN when there is none. */
  | { readonly name: "ringbuf-read"; readonly fd: number }
  /** BPF_PROG_TEST_RUN. `context`: bytes of the context as user space lays it out, or null for zeros. */
  | {
      readonly name: "prog-run";
      readonly fd: number;
      readonly data: Uint8Array;
      readonly context: Uint8Array | null;
      /** at least 1 */
      readonly repeat: number;
    }
  /** A link that holds the program. retval: fd. */
  | { readonly name: "prog-attach"; readonly fd: number }
  /** Closes the newest link fd of the process for the program behind `fd`. */
  | { readonly name: "prog-detach"; readonly fd: number }
  | { readonly name: "close"; readonly fd: number }
  /** BPF_MAP_GET_FD_BY_ID, BPF_PROG_GET_FD_BY_ID. ENOENT when it is gone. */
  | { readonly name: "open-by-id"; readonly kind: "map" | "prog" | "link"; readonly id: number }
  | { readonly name: "pin"; readonly fd: number; readonly path: string }
  | { readonly name: "open-pinned"; readonly path: string }
  | { readonly name: "unpin"; readonly path: string }
  /** The process ends: its fds close. */
  | { readonly name: "exit" }
  /** Waits until every grace period that has begun is over, and what waited for it is done. */
  | { readonly name: "rcu-settle" }
  /** Dialect `timer-map`: `expires` in jiffies from now. retval: the timer's ID. */
  | { readonly name: "timer-create"; readonly mapFd: number; readonly progFd: number; readonly expires: number };

export type SyscallName = Syscall["name"];
