import { MAP_TYPES } from "../abi/types.ts";
import { err, ok, type Result } from "../base/result.ts";
import { findSpecialFields, type SpecialFields } from "../btf/special-fields.ts";
import type { Btf, BtfId } from "../btf/types.ts";
import type { CollectionSpec, MapSpec } from "../loader/spec.ts";
import { encodeValue, type ResolveObject, type ValueFault, type ValueType } from "../script/encode-value.ts";
import type { ValueExpression } from "../script/types.ts";

/** A map's types as scripts and panels read and write them. */
export interface TypedMap {
  readonly spec: MapSpec;
  readonly btf: Btf | null;
  readonly keyType: BtfId;
  readonly valueType: BtfId;
  readonly special: SpecialFields | null;
  readonly perCpu: boolean;
  /** Values are fds of maps or programs. */
  readonly ofObjects: "map" | "prog" | null;
}

const PER_CPU: readonly number[] = [MAP_TYPES.percpu_array, MAP_TYPES.percpu_hash, MAP_TYPES.lru_percpu_hash];
const OF_MAPS: readonly number[] = [MAP_TYPES.array_of_maps, MAP_TYPES.hash_of_maps];

export function typedMap(collection: CollectionSpec, spec: MapSpec): TypedMap {
  const valueType = spec.declaredValueType ?? spec.valueType;
  const { btf } = collection;
  const ofObjects = OF_MAPS.includes(spec.type) ? "map" : spec.type === MAP_TYPES.prog_array ? "prog" : null;
  return {
    spec,
    btf,
    keyType: spec.declaredKeyType ?? spec.keyType,
    valueType: ofObjects === null ? valueType : 0,
    special:
      btf === null || valueType === 0 ? null : findSpecialFields(btf, valueType, collection.dialect === "rfc" ? 8 : 16),
    perCpu: PER_CPU.includes(spec.type),
    ofObjects,
  };
}

export function keyTypeOf(map: TypedMap): ValueType {
  return { btf: map.btf, type: map.keyType, size: map.spec.keySize };
}

export function valueTypeOf(map: TypedMap): ValueType {
  return { btf: map.btf, type: map.valueType, size: map.ofObjects === null ? map.spec.valueSize : 4 };
}

/**
 * Bytes of a value as bpf(2) takes it: for per-CPU maps one value per CPU, each in a multiple of 8 bytes. There a list gives one
 * value per CPU, anything else the same value for all.
 */
export function encodeMapValue(
  map: TypedMap,
  expression: ValueExpression,
  cpus: number,
  resolve: ResolveObject,
): Result<Uint8Array, ValueFault> {
  const type = valueTypeOf(map);
  if (!map.perCpu) return encodeValue(expression, type, resolve);
  const stride = (type.size + 7) & ~7;
  const bytes = new Uint8Array(stride * cpus);
  const items = expression.kind === "list" ? expression.items : new Array<ValueExpression>(cpus).fill(expression);
  for (const [cpu, item] of items.entries()) {
    if (cpu >= cpus) return err({ message: `there are ${cpus} CPUs, and a value for CPU ${cpu}`, column: item.column });
    const encoded = encodeValue(item, type, resolve);
    if (!encoded.ok) return encoded;
    bytes.set(encoded.value, stride * cpu);
  }
  return ok(bytes);
}
