import type { Instruction } from "../isa/instruction.ts";
import type { Reg } from "./register.ts";
import type { Frame, Subprogram, VerifierState, Walk } from "./state.ts";
import type { VerifierMap, VerifierProgram } from "./types.ts";

/**
 * What the walk asks of `calls/`. `calls/index.ts` exports one function of each name.
 * A boolean `false` means rejected through `walk.reject`.
 */
export interface CallsHalf {
  // Facts known before the walk.

  /** Registers r1..rN that a helper reads; null for an unknown number (liveness then takes five). */
  helperArgCount(id: number, program: VerifierProgram): number | null;
  kfuncArgCount(name: string, program: VerifierProgram): number | null;
  helperName(id: number): string | null;
  /** The helper (kfunc) calls a callback before it returns, or registers one for later. */
  helperCallsBack(id: number): "sync" | "async" | null;
  kfuncCallsBack(name: string): "sync" | "async" | null;
  isIteratorNext(kfunc: string): boolean;
  helperChangesPacket(id: number): boolean;
  kfuncChangesPacket(name: string): boolean;
  helperMightSleep(id: number): boolean;
  kfuncMightSleep(name: string): boolean;
  /** The helper (kfunc) is inlined by the JIT or verifier so that r1..r5 may live in spilled pairs around it. */
  isFastcallHelper(id: number, program: VerifierProgram): boolean;
  isFastcallKfunc(name: string): boolean;
  /** A kfunc of that name exists in the modelled kernel. Its BTF id, for the log's `NAME#ID`. */
  kfuncId(name: string): number;

  // Passes.

  /** Program-wide checks of a map when first named (pass 6): `tracing progs cannot use bpf_timer yet`. */
  checkMapForProgram(walk: Walk, map: VerifierMap): boolean;
  /** Pass 8: attach target and sleepable rules. */
  checkAttach(walk: Walk): boolean;

  // The walk.

  /** Whole of a helper call; on true r0..r5 are set and callbacks pushed. Encoding was checked. */
  checkHelperCall(walk: Walk, insn: Instruction, at: number): boolean;
  checkKfuncCall(walk: Walk, insn: Instruction, at: number): boolean;
  /** Arguments of a global function at a call against its BTF, notes and rejections included; r0..r5 are the caller's. */
  checkGlobalCallArgs(walk: Walk, subprog: Subprogram): boolean;
  /** Static calls: a mismatch with BTF only marks the function unreliable. */
  noteStaticCallArgs(walk: Walk, subprog: Subprogram): void;
  /** Before main is walked: notes on main's own BTF signature, which otherwise only becomes unreliable. */
  noteMainSignature(walk: Walk): void;
  /** Entry registers of a global function that is walked by itself. */
  enterGlobal(walk: Walk, frame: Frame, subprog: Subprogram): boolean;
  /**
   * Load (`signed`: sign-extending) or store through a ctx pointer. Offset rules and table. Result: the loaded register
   * (full width of the load applied), REG_UNKNOWN for stores; null when rejected.
   */
  checkContextAccess(walk: Walk, regno: number, off: number, size: number, write: boolean, signed: boolean): Reg | null;
  /** Loads and stores through sock, sock_common, tcp_sock, xdp_sock, flow_keys, ptr_NAME, tp_buffer, buf. */
  checkTypedAccess(walk: Walk, regno: number, off: number, size: number, write: boolean): Reg | null;
  /** `cannot write into packet` where the program type may only read. */
  canWritePacket(program: VerifierProgram): boolean;
  /** Name (`bpf_timer`) of a special field of the map's value in [start, end), null: none. The program's dialect sizes the timer. */
  specialFieldIn(program: VerifierProgram, map: VerifierMap, start: number, end: number): string | null;
  /** The value holds a spin lock: its pointers keep their id after the null check. */
  hasSpinLock(map: VerifierMap): boolean;
  /** The value holds a timer, work queue or task work: inner-map pointers carry a uid. */
  needsMapUid(program: VerifierProgram, map: VerifierMap): boolean;
  /** At exit of frame 0, tail call, LD_ABS, bpf_throw: locks, references, irq, rcu, preempt. `prefix` as printed. */
  checkResourceLeaks(walk: Walk, prefix: string): boolean;
  /** Exit of the outermost frame: r0 by program type, async callback, or global function. Readability included. */
  checkProgramReturn(walk: Walk): boolean;
  /** Exit of a synchronous callback's frame: r0 scalar, precise, in range. */
  checkCallbackReturn(walk: Walk, callee: Frame): boolean;
  /**
   * A store (or misc-making call) hits slots that hold dynptr, iterator or irq objects: destroys or refuses.
   * Called before the bytes are changed, for every slot in [firstSlot, lastSlot] that has an object.
   */
  destroyStackObject(walk: Walk, frame: Frame, slot: number): boolean;
  /** A non-null `map_value` made from the null check of an outer lookup becomes `map_ptr`, etc. */
  afterNullCheck(walk: Walk, state: VerifierState, reg: Reg): Reg;
}
