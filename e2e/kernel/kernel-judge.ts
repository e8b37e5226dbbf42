import { type ChildProcess, fork } from "node:child_process";
import { fileURLToPath } from "node:url";

/** A map to be created in the real kernel before a program is loaded. */
export interface KernelMap {
  readonly type: number;
  readonly keySize: number;
  readonly valueSize: number;
  readonly maxEntries: number;
  readonly flags: number;
  readonly name: string;
  readonly mapExtra?: bigint;
  /** Index of the map's BTF in {@link KernelLoad.btfs}, with its types. */
  readonly btf?: { readonly index: number; readonly keyType: number; readonly valueType: number };
  readonly inner?: KernelMap;
  readonly entries?: readonly { readonly key: Uint8Array; readonly value: Uint8Array }[];
  readonly freeze?: boolean;
}

/** A program for the real kernel. Map loads carry in `imm` the index of their map in `maps`. */
export interface KernelLoad {
  /** Loads with the same key share one set of BTFs and maps, made at the first and kept: for verdicts only, not for runs. */
  readonly worldKey?: string;
  readonly btfs: readonly Uint8Array[];
  readonly maps: readonly KernelMap[];
  readonly type: number;
  readonly insns: Uint8Array;
  readonly license: string;
  readonly name: string;
  readonly flags: number;
  readonly expectedAttachType: number;
  readonly logLevel: number;
  readonly btf?: number;
  readonly funcInfo?: Uint8Array;
  readonly lineInfo?: Uint8Array;
  /** Run it after it was accepted. */
  readonly run?: {
    readonly data?: Uint8Array;
    readonly context?: Uint8Array;
    readonly repeat?: number;
    readonly dataOutBytes?: number;
  };
  /** Read back after the run: whole arrays, or the given keys of other maps. */
  readonly readBack?: readonly {
    readonly map: number;
    readonly keys: readonly Uint8Array[];
    readonly valueBytes: number;
  }[];
  /** Have bpftool print the program as it is after acceptance. */
  readonly dump?: boolean;
}

export interface KernelVerdict {
  /** Which call failed; null when the program was accepted. */
  readonly failed: "btf" | "map" | "prog" | null;
  /** Index of the failed BTF or map. */
  readonly failedIndex: number;
  readonly errno: number;
  readonly log: string;
  readonly run: {
    readonly errno: number;
    readonly retval: number;
    readonly duration: number;
    readonly dataOut: Uint8Array;
  } | null;
  /** For each `readBack`: the value of each key, null when missing. */
  readonly values: readonly (readonly (Uint8Array | null)[])[];
  /** Lines of `bpftool prog dump xlated`, where {@link KernelLoad.dump} asks for it and bpftool is there. */
  readonly xlated: readonly string[] | null;
}

/** Answers from the live kernel, through a child process that may die of what it loads. */
export interface KernelJudge {
  judge(load: KernelLoad): Promise<KernelVerdict>;
  stop(): void;
}

/**
 * Starts the child. Resolves to a reason when this machine's kernel cannot be asked.
 * A load that kills the child rejects its promise; the next one gets a new child.
 */
export async function startKernelJudge(): Promise<KernelJudge | { readonly unavailable: string }> {
  let child: ChildProcess | null = null;
  let serial = 0;
  const open = new Map<number, { resolve(v: unknown): void; reject(e: Error): void }>();

  const start = (): ChildProcess => {
    const started = fork(fileURLToPath(new URL("./kernel-judge-child.ts", import.meta.url)), [], {
      execArgv: ["--import", "tsx"],
      serialization: "advanced",
      stdio: ["ignore", "inherit", "inherit", "ipc"],
    });
    started.unref();
    started.channel?.unref();
    started.on("message", (message: { id: number; value: unknown }) => {
      const waiting = open.get(message.id);
      open.delete(message.id);
      if (open.size === 0) started.channel?.unref();
      waiting?.resolve(message.value);
    });
    started.on("exit", (code, signal) => {
      if (child === started) child = null;
      for (const waiting of open.values())
        waiting.reject(new Error(`the loading process ended (${signal ?? `exit ${code}`})`));
      open.clear();
    });
    return started;
  };
  const ask = (body: unknown): Promise<unknown> => {
    child ??= start();
    const to = child;
    const id = ++serial;
    to.channel?.ref();
    return new Promise((resolve, reject) => {
      open.set(id, { resolve, reject });
      to.send({ id, body } as never, (error) => {
        if (error) reject(error);
      });
    });
  };

  const available = (await ask("hello")) as string | null;
  if (available !== null) {
    (child as ChildProcess | null)?.kill();
    return { unavailable: available };
  }
  return {
    judge: (load) => ask(load) as Promise<KernelVerdict>,
    stop: () => child?.kill(),
  };
}
