import { BPF_F_RDONLY_PROG } from "../../abi/types.ts";
import type { VerifierMap } from "../../verifier/types.ts";
import type { Kernel } from "../kernel.ts";
import type { BpfMap, InnerTemplate } from "../state.ts";

const templateForVerifier = (template: InnerTemplate, id: number): VerifierMap => ({
  id,
  name: template.name,
  type: template.type,
  keySize: template.keySize,
  valueSize: template.valueSize,
  maxEntries: template.maxEntries,
  flags: template.flags,
  btf: template.btf,
  keyType: template.keyType,
  valueType: template.valueType,
  frozen: false,
  inner: null,
  readConstant: () => null,
});

/** A live map as the verifier sees it. The template of a map in map has an id of its own, which no map has. */
export function mapForVerifier(kernel: Kernel, map: BpfMap): VerifierMap {
  return {
    id: map.id,
    name: map.name,
    type: map.type,
    keySize: map.keySize,
    valueSize: map.valueSize,
    maxEntries: map.maxEntries,
    flags: map.flags,
    btf: map.btf,
    keyType: map.keyType,
    valueType: map.valueType,
    frozen: map.frozen,
    inner: map.inner === null ? null : templateForVerifier(map.inner, -map.id),
    readConstant: (offset, size) => {
      const { storage } = map;
      const constant = map.frozen && (map.flags & BPF_F_RDONLY_PROG) !== 0 && storage.kind === "array";
      if (!constant || offset < 0 || offset + size > map.valueSize) return null;
      return kernel.memory.slice(storage.base + offset, size);
    },
  };
}
