import { MAP_TYPES } from "../../abi/types.ts";
import type { Reg } from "../register.ts";
import { CONST_PTR_TO_MAP, PTR_MAYBE_NULL, PTR_TO_MAP_VALUE, PTR_TO_SOCKET, PTR_TO_XDP_SOCK } from "../register.ts";
import type { VerifierState, Walk } from "../state.ts";
import { isSockMap } from "./helper-arguments.ts";
import { isOuterMap } from "./results.ts";
import { needsMapUid } from "./special-fields.ts";

/**
 * The register once it is known not to be null. An entry of a map of maps is a map, one of a socket map a socket. Its id is still that of
 * the lookup: an inner map with timers keeps it as uid, so that timers stay with the map that was looked up.
 */
export function afterNullCheck(walk: Walk, _state: VerifierState, reg: Reg): Reg {
  const present = reg.copy();
  present.flags &= ~PTR_MAYBE_NULL;
  const map = reg.map;
  if (reg.type !== PTR_TO_MAP_VALUE || map === null) return present;
  if (isOuterMap(map.type) && map.inner !== null) {
    present.type = CONST_PTR_TO_MAP;
    present.map = map.inner;
    present.mapUid = needsMapUid(walk.program, map.inner) ? reg.id : 0;
  } else if (map.type === MAP_TYPES.xskmap) {
    present.type = PTR_TO_XDP_SOCK;
  } else if (isSockMap(map)) {
    present.type = PTR_TO_SOCKET;
  }
  return present;
}
