import type { Dialect } from "../../abi/types.ts";
import type { SpecialFieldKind, SpecialFields } from "../../btf/special-fields.ts";
import { findSpecialFields, specialField } from "../../btf/special-fields.ts";
import type { Btf } from "../../btf/types.ts";
import type { Walk } from "../state.ts";
import type { VerifierMap, VerifierProgram } from "../types.ts";

/** Records of value types, since every access to a map value asks for them. */
const RECORDS = new WeakMap<Btf, Map<number, SpecialFields>>();
const NO_FIELDS: SpecialFields = { valid: true, fields: [] };
const RFC_TIMER_BYTES = 8;
const TIMER_BYTES = 16;

/** The special fields of the map's value as a program of this dialect sees them; none without BTF. */
export function fieldsOf(dialect: Dialect, map: VerifierMap): SpecialFields {
  if (map.btf === null || map.valueType === 0) return NO_FIELDS;
  let byType = RECORDS.get(map.btf);
  if (byType === undefined) {
    byType = new Map();
    RECORDS.set(map.btf, byType);
  }
  const rfc = dialect === "rfc";
  const key = rfc ? -map.valueType : map.valueType;
  let record = byType.get(key);
  if (record === undefined) {
    record = findSpecialFields(map.btf, map.valueType, rfc ? RFC_TIMER_BYTES : TIMER_BYTES);
    byType.set(key, record);
  }
  return record;
}

export function hasField(dialect: Dialect, map: VerifierMap, kind: SpecialFieldKind): boolean {
  return specialField(fieldsOf(dialect, map), kind) !== null;
}

export function specialFieldIn(program: VerifierProgram, map: VerifierMap, start: number, end: number): string | null {
  const record = fieldsOf(program.dialect, map);
  if (!record.valid) return null;
  for (const field of record.fields) {
    if (start < field.offset + field.size && field.offset < end) return field.kind;
  }
  return null;
}

export function hasSpinLock(map: VerifierMap): boolean {
  return hasField("linux", map, "bpf_spin_lock") || hasField("linux", map, "bpf_res_spin_lock");
}

export function needsMapUid(program: VerifierProgram, map: VerifierMap): boolean {
  return (["bpf_timer", "bpf_wq", "bpf_task_work"] as const).some((kind) => hasField(program.dialect, map, kind));
}

/**
 * A map value pointer handed to a call that works on the field `kind` of its value: constant offset, BTF, a lawful field, and the
 * pointer exactly at it. `lock` writes the kind as the lock functions do (`bpf_spin` + `_lock`).
 */
export function checkFieldPointer(walk: Walk, regno: number, kind: SpecialFieldKind): boolean {
  const reg = walk.reg(regno);
  const map = reg.map;
  const rule = kind === "bpf_timer" ? "timer" : kind === "bpf_wq" ? "workqueue" : "spin-lock";
  if (!reg.scalar.isConst) {
    return walk.reject(
      "EINVAL",
      `R${regno} doesn't have constant offset. ${kind} has to be at the constant offset`,
      `${rule}-variable-offset`,
      regno,
    );
  }
  if (map === null || map.btf === null) {
    const name = map?.name ?? "";
    return walk.reject("EINVAL", `map '${name}' has to have BTF in order to use ${kind}`, `${rule}-without-btf`, regno);
  }
  const field = specialField(fieldsOf(walk.program.dialect, map), kind);
  if (field === null) {
    return walk.reject("EINVAL", `map '${map.name}' has no valid ${kind}`, `${rule}-not-in-value`, regno);
  }
  const off = reg.off + reg.scalar.value;
  if (off !== field.offset) {
    return walk.reject(
      "EINVAL",
      `off ${off} doesn't point to 'struct ${kind}' that is at ${field.offset}`,
      `${rule}-wrong-offset`,
      regno,
    );
  }
  return true;
}
