import { BPF_F_RDONLY_PROG, MAP_TYPES } from "../../abi/types.ts";
import type { Walk } from "../state.ts";

/** Bytes of the constant string at register `regno`, without the final zero; null when rejected. */
export function constantString(walk: Walk, regno: number): Uint8Array | null {
  const reg = walk.reg(regno);
  const map = reg.map!;
  const offset = reg.off + reg.scalar.value;
  const bytes = map.readConstant(offset, map.valueSize - offset);
  if (bytes === null) return null;
  const end = bytes.indexOf(0);
  return end < 0 ? null : bytes.subarray(0, end);
}

/** A string argument lies in a map that neither program nor user space can change, at a known place, and ends. */
export function checkConstantString(walk: Walk, regno: number): boolean {
  const reg = walk.reg(regno);
  const map = reg.map!;
  if ((map.flags & BPF_F_RDONLY_PROG) === 0 || !map.frozen) {
    return walk.reject("EACCES", `R${regno} does not point to a readonly map'`, "string-not-read-only", regno);
  }
  if (!reg.scalar.isConst) {
    return walk.reject("EACCES", `R${regno} is not a constant address'`, "string-variable-offset", regno);
  }
  if (map.type !== MAP_TYPES.array) {
    return walk.reject("EACCES", "no direct value access support for this map type", "string-map-type", regno);
  }
  const offset = reg.off + reg.scalar.value;
  if (!walk.checkMapRegion(regno, 0, map.valueSize - offset, false, true)) return false;
  if (constantString(walk, regno) === null) {
    return walk.reject("EINVAL", "string is not zero-terminated", "string-unterminated", regno);
  }
  return true;
}
