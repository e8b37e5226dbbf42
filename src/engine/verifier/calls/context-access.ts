import type { ContextLayout, ContextPointer } from "../../abi/contexts.ts";
import { contextLayout, checkContextAccess as judgeContextAccess, packetAccess } from "../../abi/contexts.ts";
import type { Reg } from "../register.ts";
import {
  btfReg,
  PTR_MAYBE_NULL,
  PTR_TO_FLOW_KEYS,
  PTR_TO_PACKET,
  PTR_TO_PACKET_END,
  PTR_TO_PACKET_META,
  PTR_TO_SOCK_COMMON,
  PTR_TO_SOCKET,
  PTR_TO_TP_BUFFER,
  PTR_TRUSTED,
  pointerReg,
  REG_UNKNOWN,
  scalarReg,
} from "../register.ts";
import { SCALAR_U8, SCALAR_U16, SCALAR_U32 } from "../scalar.ts";
import type { Walk } from "../state.ts";
import type { VerifierProgram } from "../types.ts";

const LAYOUTS = new WeakMap<VerifierProgram, ContextLayout>();

function layoutOf(program: VerifierProgram): ContextLayout {
  let layout = LAYOUTS.get(program);
  if (layout === undefined) {
    layout = contextLayout(program.type, program.expectedAttachType);
    LAYOUTS.set(program, layout);
  }
  return layout;
}

const U8 = scalarReg(SCALAR_U8);
const U16 = scalarReg(SCALAR_U16);
const U32 = scalarReg(SCALAR_U32);

/** An unknown value of `size` bytes, zero-extended. */
export function unknownOfSize(size: number): Reg {
  return size === 1 ? U8 : size === 2 ? U16 : size === 4 ? U32 : REG_UNKNOWN;
}

function pointerOf(walk: Walk, pointer: ContextPointer): Reg {
  switch (pointer) {
    case "pkt":
      return pointerReg(PTR_TO_PACKET);
    case "pkt_end":
      return pointerReg(PTR_TO_PACKET_END);
    case "pkt_meta":
      return pointerReg(PTR_TO_PACKET_META);
    case "flow_keys":
      return pointerReg(PTR_TO_FLOW_KEYS);
    case "sock":
      return pointerReg(PTR_TO_SOCKET);
    case "sock_or_null":
      return pointerReg(PTR_TO_SOCKET, PTR_MAYBE_NULL).withId(walk.newId());
    case "sock_common_or_null":
      return pointerReg(PTR_TO_SOCK_COMMON, PTR_MAYBE_NULL).withId(walk.newId());
    case "tp_buffer":
      return pointerReg(PTR_TO_TP_BUFFER);
    case "nf_hook_state":
    case "sk_buff":
      return btfReg(PTR_TRUSTED, pointer);
  }
}

/** Load or store through a context pointer: an unmodified pointer, then the program type's table. Pointers are not sign-extended. */
export function checkContextAccess(
  walk: Walk,
  regno: number,
  off: number,
  size: number,
  write: boolean,
  signed: boolean,
): Reg | null {
  const reg = walk.reg(regno);
  if (!walk.checkUnmodifiedPointer(reg, regno, false)) return null;
  const access = judgeContextAccess(layoutOf(walk.program), off, size, write);
  if (!access.ok || (signed && access.pointer !== null)) {
    walk.reject("EACCES", `invalid bpf_context access off=${off} size=${size}`, "context-access", regno);
    return null;
  }
  if (write) return REG_UNKNOWN;
  return access.pointer === null ? unknownOfSize(size) : pointerOf(walk, access.pointer);
}

export function canWritePacket(program: VerifierProgram): boolean {
  return packetAccess(program.type) === "write";
}
