import type { Reference, Walk } from "../state.ts";

function sameLock(a: NonNullable<Reference["lock"]>, b: NonNullable<Reference["lock"]>): boolean {
  return a.kind === b.kind && a.map?.id === b.map?.id;
}

/** A spin lock is taken through register `regno`, whose field was checked. */
export function takeLock(walk: Walk, regno: number, at: number): boolean {
  const { state } = walk;
  const reg = walk.reg(regno);
  if (state.activeLocks > 0) {
    return walk.reject("EINVAL", "Locking two bpf_spin_locks are not allowed", "lock-second", regno);
  }
  state.acquire({ kind: "lock", id: reg.id, insn: at, lock: { map: reg.map, kind: "spin" } });
  state.activeLocks++;
  state.activeLockId = reg.id;
  return true;
}

/** A lock belongs to the pointer that took it: a second lookup of the same element is another lock. */
export function dropLock(walk: Walk, regno: number): boolean {
  const { state } = walk;
  const reg = walk.reg(regno);
  if (state.activeLocks === 0) {
    return walk.reject("EINVAL", "bpf_spin_unlock without taking a lock", "unlock-without-lock", regno);
  }
  const wanted = { map: reg.map, kind: "spin" } as const;
  const held = state.refs.find((r) => r.lock !== null && r.id === reg.id && sameLock(r.lock, wanted));
  if (held === undefined) {
    return walk.reject("EINVAL", "bpf_spin_unlock of different lock", "unlock-other-lock", regno);
  }
  state.refs = state.refs.filter((r) => r !== held);
  state.activeLocks--;
  state.activeLockId = state.refs.findLast((r) => r.kind === "lock")?.id ?? 0;
  return true;
}

/** While a spin lock is held only its release may be called. */
export function refuseUnderLock(walk: Walk): boolean {
  return walk.reject("EINVAL", "function calls are not allowed while holding a lock", "call-under-lock");
}

/**
 * Nothing may be held where the program is left: at exit of the outermost frame, tail call, LD_ABS, bpf_throw. References are looked
 * for only in the outermost frame, but bpf_throw leaves from any.
 */
export function checkResourceLeaks(walk: Walk, prefix: string): boolean {
  const { state } = walk;
  if (state.activeLocks > 0) {
    return walk.reject("EINVAL", `${prefix} cannot be used inside bpf_spin_lock-ed region`, "leave-under-lock");
  }
  if (walk.frame.frameno === 0 || prefix === "bpf_throw") {
    const leaked = state.refs.filter((r) => r.kind === "pointer");
    for (const r of leaked) walk.line(`Unreleased reference id=${r.id} alloc_insn=${r.insn}`);
    if (leaked.length > 0) return walk.reject("EINVAL", `${prefix} would lead to reference leak`, "reference-leak");
  }
  if (state.activeIrqId !== 0) {
    return walk.reject("EINVAL", `${prefix} cannot be used inside bpf_local_irq_save-ed region`, "leave-irq-off");
  }
  if (state.activeRcuLock) {
    return walk.reject("EINVAL", `${prefix} cannot be used inside bpf_rcu_read_lock-ed region`, "leave-under-rcu");
  }
  if (state.activePreemptLocks > 0) {
    return walk.reject(
      "EINVAL",
      `${prefix} cannot be used inside bpf_preempt_disable-ed region`,
      "leave-preemption-off",
    );
  }
  return true;
}
