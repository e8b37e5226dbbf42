import { MAP_TYPES } from "../abi/types.ts";
import { findType, sizeOfType, skipModifiersAndTypedefs, typeAt } from "../btf/layout.ts";
import type { Btf, BtfId, BtfMember } from "../btf/types.ts";
import { R_BPF_64_ABS64 } from "../elf/types.ts";
import type { ObjectFile, Problems } from "./object-file.ts";
import { findSection, isCodeSection } from "./object-file.ts";
import type { MapSpec } from "./spec.ts";

/** A map declared in `.maps`, with its place there. */
export interface DeclaredMap {
  readonly spec: MapSpec;
  /** bytes from the start of `.maps` */
  readonly offset: number;
}

/** Types whose key and value are no data of the program's own: libbpf creates them without key and value BTF. */
const WITHOUT_BTF: ReadonlySet<number> = new Set([
  MAP_TYPES.perf_event_array,
  MAP_TYPES.cgroup_array,
  MAP_TYPES.stack_trace,
  MAP_TYPES.array_of_maps,
  MAP_TYPES.hash_of_maps,
  MAP_TYPES.devmap,
  MAP_TYPES.devmap_hash,
  MAP_TYPES.cpumap,
  MAP_TYPES.xskmap,
  MAP_TYPES.sockmap,
  MAP_TYPES.sockhash,
  MAP_TYPES.queue,
  MAP_TYPES.stack,
  MAP_TYPES.arena,
]);
const MAPS_OF_MAPS: ReadonlySet<number> = new Set([MAP_TYPES.array_of_maps, MAP_TYPES.hash_of_maps]);
const RING_BUFFERS: ReadonlySet<number> = new Set([MAP_TYPES.ringbuf, MAP_TYPES.user_ringbuf]);
const PAGE_BYTES = 4096;
const LIBBPF_PIN_BY_NAME = 1;

interface Definition {
  type: number;
  maxEntries: number;
  flags: number;
  mapExtra: bigint;
  keySize: number;
  valueSize: number;
  keyType: BtfId;
  valueType: BtfId;
  pinByName: boolean;
  inner: MapSpec | null;
  /** Byte offset of `values` in the variable; null without that member. */
  slotsAt: number | null;
}

/** Maps of the section `.maps`, as its BTF defines them; `btf` has its data sections placed. */
export function readDeclaredMaps(object: ObjectFile, btf: Btf | null, problems: Problems): DeclaredMap[] {
  if (findSection(object.elf, "maps") !== null) {
    problems.error(
      "legacy map definitions in 'maps' section are not supported by libbpf v1.0+; use SEC(\".maps\") with BTF",
    );
    return [];
  }
  const section = findSection(object.elf, ".maps");
  if (section === null) return [];
  if (btf === null) {
    problems.error("the object has maps but no BTF, which describes them: compile with -g");
    return [];
  }
  const datasec = typeAt(btf, findType(btf, "datasec", ".maps") ?? 0);
  if (datasec.kind !== "datasec") {
    problems.error("DATASEC '.maps' not found in the object's BTF");
    return [];
  }
  const found: { readonly name: string; readonly offset: number; readonly definition: Definition }[] = [];
  for (const { type, offset } of datasec.vars) {
    const variable = typeAt(btf, type);
    if (variable.kind !== "var") continue;
    if (variable.linkage !== "global") {
      problems.error(`map '${variable.name}' is ${variable.linkage}; libbpf wants maps that are global`);
      continue;
    }
    const definition = readDefinition(btf, variable.name, variable.type, true, problems);
    if (definition !== null) found.push({ name: variable.name, offset, definition });
  }
  return found.map(({ name, offset, definition }) => {
    const { slotsAt, ...rest } = definition;
    const slots = slotsAt === null ? [] : readSlots(object, section.index, name, offset, slotsAt, found, problems);
    return { offset, spec: finish(name, rest, slots) };
  });
}

function finish(name: string, d: Omit<Definition, "slotsAt">, slots: MapSpec["slots"]): MapSpec {
  const withoutBtf = WITHOUT_BTF.has(d.type);
  return {
    name,
    type: d.type,
    keySize: d.keySize,
    valueSize: d.valueSize,
    maxEntries: RING_BUFFERS.has(d.type) ? ringSize(d.maxEntries) : d.maxEntries,
    flags: d.flags,
    mapExtra: d.mapExtra,
    keyType: withoutBtf ? 0 : d.keyType,
    valueType: withoutBtf ? 0 : d.valueType,
    declaredKeyType: d.keyType,
    declaredValueType: d.valueType,
    inner: d.inner,
    globalData: null,
    frozen: false,
    slots,
    pinByName: d.pinByName,
  };
}

/** libbpf raises the size of a ring buffer to a power of two of pages; 0 stays 0, for the kernel to refuse. */
function ringSize(bytes: number): number {
  if (bytes === 0 || (bytes % PAGE_BYTES === 0 && (bytes & (bytes - 1)) === 0)) return bytes;
  let size = PAGE_BYTES;
  while (size < bytes && size < 0x80000000) size *= 2;
  return size;
}

function readDefinition(
  btf: Btf,
  name: string,
  varType: BtfId,
  outermost: boolean,
  problems: Problems,
): Definition | null {
  const struct = typeAt(btf, skipModifiersAndTypedefs(btf, varType));
  const fail = (what: string): null => {
    problems.error(`map '${name}': ${what}`);
    return null;
  };
  if (struct.kind !== "struct") return fail("its definition is not a struct");
  const d: Definition = {
    type: 0,
    maxEntries: 0,
    flags: 0,
    mapExtra: 0n,
    keySize: 0,
    valueSize: 0,
    keyType: 0,
    valueType: 0,
    pinByName: false,
    inner: null,
    slotsAt: null,
  };
  for (const member of struct.members) {
    const field = member.name;
    switch (field) {
      case "type":
      case "max_entries":
      case "map_flags":
      case "key_size":
      case "value_size":
      case "numa_node":
      case "map_extra":
      case "pinning": {
        const value = memberNumber(btf, member);
        if (value === null) return fail(`field '${field}' is no number; write __uint(${field}, …)`);
        const problem = setNumber(d, field, value);
        if (problem !== null) return fail(problem);
        break;
      }
      case "key":
      case "value": {
        const pointer = typeAt(btf, skipModifiersAndTypedefs(btf, member.type));
        if (pointer.kind !== "ptr") return fail(`field '${field}' is no type; write __type(${field}, …)`);
        const size = sizeOfType(btf, pointer.type);
        if (size === null) return fail(`the type of its ${field} has no size`);
        const given = field === "key" ? d.keySize : d.valueSize;
        if (given !== 0 && given !== size) return fail(`conflicting ${field} sizes ${given} and ${size}`);
        if (field === "key") {
          d.keySize = size;
          d.keyType = pointer.type;
        } else {
          d.valueSize = size;
          d.valueType = pointer.type;
        }
        break;
      }
      case "values": {
        if (!outermost) return fail("an inner map cannot have 'values'");
        const problem = readValues(btf, name, d, struct.members.at(-1) === member ? member : null, problems);
        if (problem !== null) return problem === "" ? null : fail(problem);
        break;
      }
      default:
        return fail(`unknown field '${field}'`);
    }
  }
  if (d.type === 0) return fail("map type isn't specified");
  if (!outermost && d.pinByName) return fail("an inner map cannot be pinned");
  return d;
}

function setNumber(d: Definition, field: string, value: bigint): string | null {
  const number = Number(BigInt.asUintN(32, value));
  switch (field) {
    case "type":
      d.type = number;
      return null;
    case "max_entries":
      d.maxEntries = number;
      return null;
    case "map_flags":
      d.flags = number;
      return null;
    case "map_extra":
      d.mapExtra = value;
      return null;
    case "key_size":
      if (d.keySize !== 0 && d.keySize !== number) return `conflicting key sizes ${d.keySize} and ${number}`;
      d.keySize = number;
      return null;
    case "value_size":
      if (d.valueSize !== 0 && d.valueSize !== number) return `conflicting value sizes ${d.valueSize} and ${number}`;
      d.valueSize = number;
      return null;
    case "pinning":
      if (number > LIBBPF_PIN_BY_NAME) return `invalid pinning value ${number}`;
      d.pinByName = number === LIBBPF_PIN_BY_NAME;
      return null;
    default:
      // One machine has one NUMA node here.
      return null;
  }
}

/** Number of `__uint(name, N)` (a pointer to an array of N) or `__ulong(name, N)` (an enum of one value). */
function memberNumber(btf: Btf, member: BtfMember): bigint | null {
  const type = typeAt(btf, skipModifiersAndTypedefs(btf, member.type));
  if (type.kind === "enum" && type.values.length === 1) return BigInt.asUintN(64, type.values[0]?.value ?? 0n);
  if (type.kind !== "ptr") return null;
  const array = typeAt(btf, skipModifiersAndTypedefs(btf, type.type));
  return array.kind === "array" ? BigInt(array.count) : null;
}

/** Null when all is well; "" when the problem has been reported already. */
function readValues(
  btf: Btf,
  name: string,
  d: Definition,
  member: BtfMember | null,
  problems: Problems,
): string | null {
  if (member === null) return "'values' must be its last field";
  const array = typeAt(btf, skipModifiersAndTypedefs(btf, member.type));
  const isMapOfMaps = MAPS_OF_MAPS.has(d.type);
  if (!isMapOfMaps && d.type !== MAP_TYPES.prog_array)
    return "'values' is for maps of maps and program arrays; give the type first";
  if (array.kind !== "array" || array.count !== 0) return "'values' must be an array of pointers without a length";
  if (d.valueSize !== 0 && d.valueSize !== 4) return `conflicting value sizes ${d.valueSize} and 4`;
  d.valueSize = 4;
  const pointer = typeAt(btf, skipModifiersAndTypedefs(btf, array.type));
  if (pointer.kind !== "ptr") return "'values' must be an array of pointers";
  d.slotsAt = member.bitOffset / 8;
  if (!isMapOfMaps) {
    const proto = typeAt(btf, skipModifiersAndTypedefs(btf, pointer.type));
    return proto.kind === "func_proto" ? null : "'values' of a program array must be pointers to functions";
  }
  const innerName = `${name}.inner`;
  const inner = readDefinition(btf, innerName, pointer.type, false, problems);
  if (inner === null) return "";
  const { slotsAt: _, ...rest } = inner;
  d.inner = finish(innerName, rest, []);
  return null;
}

function readSlots(
  object: ObjectFile,
  section: number,
  name: string,
  mapOffset: number,
  slotsAt: number,
  maps: readonly { readonly name: string; readonly offset: number; readonly definition: Definition }[],
  problems: Problems,
): MapSpec["slots"] {
  const symbol = object.elf.symbols.find((s) => s.section === section && s.name === name);
  const end = mapOffset + (symbol?.size ?? 0);
  const slots: { index: number; kind: "map" | "prog"; name: string }[] = [];
  for (const relocation of object.elf.relocations.get(section) ?? []) {
    const at = relocation.offset - mapOffset - slotsAt;
    if (relocation.offset < mapOffset + slotsAt || relocation.offset >= end) continue;
    const target = object.elf.symbols[relocation.symbol];
    if (target === undefined || at % 8 !== 0 || relocation.type !== R_BPF_64_ABS64) {
      problems.error(`map '${name}': its initial value at byte ${relocation.offset} is malformed`);
      continue;
    }
    const place = object.elf.sections[target.section];
    if (target.section === section) {
      const value = maps.find((m) => m.offset === target.value);
      if (value === undefined) problems.error(`map '${name}': '${target.name}' is no map`);
      else slots.push({ index: at / 8, kind: "map", name: value.name });
    } else if (place !== undefined && isCodeSection(place) && target.type === "func") {
      slots.push({ index: at / 8, kind: "prog", name: target.name });
    } else {
      problems.error(`map '${name}': '${target.name}' is neither a map nor a program`);
    }
  }
  return slots.sort((a, b) => a.index - b.index);
}
