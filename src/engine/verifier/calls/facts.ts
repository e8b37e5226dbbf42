import type { Helper } from "../../abi/helpers.ts";
import { helperById, helperForProgram } from "../../abi/helpers.ts";
import { PROG_TYPES } from "../../abi/types.ts";
import type { VerifierProgram } from "../types.ts";
import { helperCallbackKind } from "./callbacks.ts";
import { isKfuncOffered, kfuncByName } from "./kfuncs.ts";

/** Helpers that the JIT inlines without touching r1..r5: spills around them may go. */
const FASTCALL_HELPERS: ReadonlySet<string> = new Set([
  "bpf_get_smp_processor_id",
  "bpf_get_current_task",
  "bpf_get_current_task_btf",
]);
const FASTCALL_KFUNCS: ReadonlySet<string> = new Set(["bpf_cast_to_kern_ctx", "bpf_rdonly_cast"]);

export function helperArgCount(id: number, program: VerifierProgram): number | null {
  return helperForProgram(id, program.type)?.args.length ?? null;
}

export function kfuncArgCount(name: string, program: VerifierProgram): number | null {
  const kfunc = kfuncByName(name);
  return kfunc !== undefined && isKfuncOffered(kfunc, program.type) ? kfunc.args.length : null;
}

export function helperName(id: number): string | null {
  return id === 0 ? "bpf_unspec" : (helperById(id)?.name ?? null);
}

export function helperCallsBack(id: number): "sync" | "async" | null {
  return helperCallbackKind(helperById(id));
}

export function kfuncCallsBack(name: string): "sync" | "async" | null {
  return name === "bpf_wq_set_callback_impl" ? "async" : null;
}

export function isIteratorNext(kfunc: string): boolean {
  const first = kfuncByName(kfunc)?.args[0];
  return first?.kind === "iter" && first.role === "use";
}

export function helperChangesPacket(id: number): boolean {
  return helperById(id)?.changesPacket ?? false;
}

export function kfuncChangesPacket(name: string): boolean {
  return kfuncByName(name)?.changesPacket ?? false;
}

export function helperMightSleep(id: number): boolean {
  return helperById(id)?.sleeps ?? false;
}

export function kfuncMightSleep(name: string): boolean {
  return kfuncByName(name)?.sleeps ?? false;
}

export function isFastcallHelper(id: number, program: VerifierProgram): boolean {
  const helper: Helper | undefined = helperById(id);
  if (helper === undefined || !FASTCALL_HELPERS.has(helper.name)) return false;
  // Socket filters have a version of bpf_get_smp_processor_id of their own, which is an ordinary call.
  return !(helper.name === "bpf_get_smp_processor_id" && program.type === PROG_TYPES.socket_filter);
}

export function isFastcallKfunc(name: string): boolean {
  return FASTCALL_KFUNCS.has(name);
}
