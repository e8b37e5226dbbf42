import type { Btf, BtfId, BtfType } from "./types.ts";

/** Objects that the kernel recognises inside a map value by their type. */
export type SpecialFieldKind = "bpf_timer" | "bpf_spin_lock" | "bpf_res_spin_lock" | "bpf_wq" | "bpf_task_work";

export interface SpecialField {
  readonly kind: SpecialFieldKind;
  /** bytes from the start of the value */
  readonly offset: number;
  /** bytes */
  readonly size: number;
}

/**
 * The special fields of a value type, in order of offset. `invalid` when the type holds some but not lawfully (two of one kind,
 * an array of several, a wrong alignment): the kernel then treats every byte of the value as plain memory.
 */
export type SpecialFields =
  | { readonly valid: true; readonly fields: readonly SpecialField[] }
  | { readonly valid: false };

/** Size and alignment by name; a struct of that name with another size is plain memory. */
const KINDS: Readonly<Record<SpecialFieldKind, { readonly size: number; readonly align: number }>> = {
  bpf_timer: { size: 16, align: 8 },
  bpf_spin_lock: { size: 4, align: 4 },
  bpf_res_spin_lock: { size: 8, align: 4 },
  bpf_wq: { size: 16, align: 8 },
  bpf_task_work: { size: 8, align: 8 },
};

const NONE: SpecialFields = { valid: true, fields: [] };
const INVALID: SpecialFields = { valid: false };
/** Nested structures are searched this deep. */
const MAX_DEPTH = 8;

/**
 * Finds the special fields of `valueType`, which must be a struct or a data section; a type of any other kind has none.
 * `timerSize` is 8 for the RFC's `struct bpf_timer { u64 opaque; }`. Typedefs and unions are not looked into, as on Linux 6.18.
 */
export function findSpecialFields(btf: Btf, valueType: BtfId, timerSize = 16): SpecialFields {
  const fields: SpecialField[] = [];
  const type = btf.types[valueType];
  if (type === undefined) return NONE;
  let lawful = true;

  const add = (kind: SpecialFieldKind, offset: number, size: number, count: number): void => {
    const align = KINDS[kind].align;
    if (count > 1 || offset % align !== 0 || fields.some((f) => f.kind === kind)) lawful = false;
    fields.push({ kind, offset, size });
  };

  const visit = (id: BtfId, offset: number, depth: number): void => {
    let member: BtfType | undefined = btf.types[id];
    let count = 1;
    let elementSize = 0;
    while (member?.kind === "array") {
      count *= member.count;
      member = btf.types[member.type];
    }
    if (member?.kind !== "struct" || count === 0) return;
    elementSize = member.size;
    const kind = kindOf(member.name, member.size, timerSize);
    if (kind !== null) {
      add(kind, offset, elementSize, count);
      return;
    }
    if (depth >= MAX_DEPTH) return;
    const before = fields.length;
    for (const m of member.members) {
      if (m.bitOffset % 8 === 0) visit(m.type, offset + m.bitOffset / 8, depth + 1);
    }
    if (count > 1 && fields.length > before) lawful = false;
  };

  if (type.kind === "struct") {
    for (const m of type.members) if (m.bitOffset % 8 === 0) visit(m.type, m.bitOffset / 8, 1);
  } else if (type.kind === "datasec") {
    for (const v of type.vars) {
      const variable = btf.types[v.type];
      if (variable?.kind === "var") visit(variable.type, v.offset, 1);
    }
  } else {
    return NONE;
  }
  if (!lawful) return INVALID;
  fields.sort((a, b) => a.offset - b.offset);
  return { valid: true, fields };
}

function kindOf(name: string, size: number, timerSize: number): SpecialFieldKind | null {
  if (!Object.hasOwn(KINDS, name)) return null;
  const kind = name as SpecialFieldKind;
  return size === (kind === "bpf_timer" ? timerSize : KINDS[kind].size) ? kind : null;
}

/** The field of this kind, if the record is lawful and holds one. */
export function specialField(record: SpecialFields, kind: SpecialFieldKind): SpecialField | null {
  return record.valid ? (record.fields.find((f) => f.kind === kind) ?? null) : null;
}

/** Equality of the records of two maps: what a map in map demands of its inner maps. */
export function sameSpecialFields(a: SpecialFields, b: SpecialFields): boolean {
  if (!a.valid || !b.valid) return a.valid === b.valid;
  return (
    a.fields.length === b.fields.length &&
    a.fields.every((f, i) => {
      const g = b.fields[i]!;
      return f.kind === g.kind && f.offset === g.offset && f.size === g.size;
    })
  );
}
