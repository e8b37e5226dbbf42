/** Registers and place of one function invocation. Plain data: a checkpoint clones it. */
export interface VmFrame {
  readonly kind: "vm";
  /** Program id, which names the executable. */
  readonly program: number;
  pc: number;
  /** Slot of the function's first instruction. */
  readonly entry: number;
  readonly lo: Int32Array;
  readonly hi: Int32Array;
  /** Offset of the lowest byte of its 512 bytes of stack. */
  readonly stack: number;
  /** Function invocations that may lie on the stack from here on without frames of their own: 1, more for compiled code. */
  span: number;
  /** Iterations that `may_goto` still grants. */
  mayGoto: number;
  /** Calls that the bpf_loop at `pc` has made already: 0, unless compiled code was left within one. */
  loopDone: number;
  /** Instructions that the interpreter has run of this invocation; {@link LEFT_BY_CODE} and more when compiled code has left it here. */
  executed: number;
}

/** `executed` of an invocation that compiled code was left in, and may be entered again in. */
export const LEFT_BY_CODE = -(2 ** 30);

/** Why a program cannot go on. The kernel makes an oops of it. */
export interface Trap {
  readonly what:
    | "invalid-address"
    | "null-dereference"
    | "out-of-bounds"
    | "use-after-free"
    | "write-to-read-only"
    | "dead-stack"
    | "invalid-instruction"
    | "stack-overflow"
    | "runaway"
    | "deadlock"
    | "warn";
  readonly message: string;
  readonly address: bigint | null;
}

export const MAY_GOTO_ITERATIONS = 8 * 1024 * 1024;

export function makeVmFrame(program: number, entry: number, stack: number): VmFrame {
  const lo = new Int32Array(11);
  const hi = new Int32Array(11);
  return {
    kind: "vm",
    program,
    pc: entry,
    entry,
    lo,
    hi,
    stack,
    span: 1,
    mayGoto: MAY_GOTO_ITERATIONS,
    loopDone: 0,
    executed: 0,
  };
}

export function setRegister(frame: VmFrame, register: number, value: bigint): void {
  frame.lo[register] = Number(BigInt.asIntN(32, value));
  frame.hi[register] = Number(BigInt.asIntN(32, value >> 32n));
}

/** Unsigned 64-bit reading. */
export function getRegister(frame: VmFrame, register: number): bigint {
  return (BigInt((frame.hi[register] as number) >>> 0) << 32n) | BigInt((frame.lo[register] as number) >>> 0);
}

export function registersHex(frame: VmFrame): string[] {
  return Array.from({ length: 11 }, (_, r) => `0x${getRegister(frame, r).toString(16)}`);
}
