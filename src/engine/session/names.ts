import type { CollectionSpec } from "../loader/spec.ts";

/** fds and ids by name, as the loading process keeps them: plain data, part of every checkpoint. */
export interface NameTable {
  /** `PROCESSID map:NAME` or `PROCESSID prog:NAME` -> fd */
  readonly fds: Readonly<Record<string, number>>;
  /** `map:NAME` or `prog:NAME` -> id of the newest object of that name */
  readonly ids: Readonly<Record<string, number>>;
}

export const NO_NAMES: NameTable = { fds: {}, ids: {} };

export type ObjectKind = "map" | "prog";

export const fdOf = (names: NameTable, process: number, kind: ObjectKind, name: string): number | null =>
  names.fds[`${process} ${kind}:${name}`] ?? null;

export const idOf = (names: NameTable, kind: ObjectKind, name: string): number | null =>
  names.ids[`${kind}:${name}`] ?? null;

export function withFd(names: NameTable, process: number, kind: ObjectKind, name: string, fd: number): NameTable {
  return { ...names, fds: { ...names.fds, [`${process} ${kind}:${name}`]: fd } };
}

export function withId(names: NameTable, kind: ObjectKind, name: string, id: number): NameTable {
  return { ...names, ids: { ...names.ids, [`${kind}:${name}`]: id } };
}

export function withoutFd(names: NameTable, process: number, kind: ObjectKind, name: string): NameTable {
  const fds = { ...names.fds };
  delete fds[`${process} ${kind}:${name}`];
  return { ...names, fds };
}

export function withoutProcess(names: NameTable, process: number): NameTable {
  const fds = Object.fromEntries(Object.entries(names.fds).filter(([key]) => !key.startsWith(`${process} `)));
  return { ...names, fds };
}

/**
 * Name of a map of the collection for what a script calls it: libbpf puts the object's name in front of `.bss` and the like,
 * scripts may leave it out.
 */
export function mapNamed(collection: CollectionSpec, name: string): string | null {
  if (collection.maps.some((m) => m.name === name)) return name;
  return collection.maps.find((m) => m.globalData?.section === name)?.name ?? null;
}
