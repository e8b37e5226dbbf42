import {
  CONST_PTR_TO_DYNPTR,
  CONST_PTR_TO_MAP,
  NOT_INIT,
  PTR_TO_BTF_ID,
  PTR_TO_MAP_KEY,
  PTR_TO_MAP_VALUE,
  PTR_TO_MEM,
  PTR_TO_PACKET,
  PTR_TO_PACKET_META,
  PTR_TO_STACK,
  type Reg,
  regTypeName,
  SCALAR_VALUE,
} from "../register.ts";
import { type Slot, STACK_DYNPTR, STACK_ITER, STACK_SPILL } from "../stack.ts";
import type { Frame, VerifierState } from "../state.ts";
import { bitsText, rangeTexts, signedNumberText, signedText, unsignedText } from "./number-text.ts";

const BYTE_LETTERS = "?rm0dif";

/** Contents of a register or spill as frame `frameno` sees it: `scalar(id=1,…)`, `fp-8`, `map_value(map=m,ks=4,vs=8)`. */
export function registerText(reg: Reg, precise: boolean, frameno: number): string {
  const mark = precise ? "P" : "";
  if (reg.type === SCALAR_VALUE && reg.scalar.isConst) {
    return mark + signedText(reg.scalar.vHi, reg.scalar.vLo);
  }
  let name = regTypeName(reg.type, reg.flags, reg.type === PTR_TO_BTF_ID ? reg.btfName : "");
  if (reg.type === PTR_TO_STACK) {
    if (reg.index !== frameno) name += `[${reg.index}]`;
    if (reg.scalar.isConst) return `${mark}${name}${signedNumberText(reg.off + reg.scalar.value)}`;
  }
  const parts: string[] = [];
  if (reg.id !== 0) parts.push(`id=${reg.id}${reg.link !== 0 ? (reg.delta < 0 ? reg.delta : `+${reg.delta}`) : ""}`);
  if (reg.refObjId !== 0) parts.push(`ref_obj_id=${reg.refObjId}`);
  if (reg.map !== null && isMapPointer(reg.type)) {
    if (reg.map.name !== "") parts.push(`map=${reg.map.name}`);
    parts.push(`ks=${reg.map.keySize},vs=${reg.map.valueSize}`);
  }
  if (reg.type !== SCALAR_VALUE && reg.off !== 0) parts.push(`off=${signedNumberText(reg.off)}`);
  if (reg.type === PTR_TO_PACKET || reg.type === PTR_TO_PACKET_META) {
    parts.push(`r=${unsignedText(reg.range < 0 ? -1 : 0, reg.range)}`);
  }
  if (reg.type === PTR_TO_MEM) parts.push(`sz=${unsignedText(0, reg.memSize)}`);
  if (reg.type === CONST_PTR_TO_DYNPTR) parts.push(`type=${reg.btfName}`);
  if (reg.scalar.isConst) {
    const value = reg.scalar.value;
    if (value !== 0) parts.push(`imm=${signedNumberText(value)}`);
  } else {
    parts.push(...rangeTexts(reg.scalar));
    if ((reg.scalar.mHi & reg.scalar.mLo) !== -1) parts.push(`var_off=${bitsText(reg.scalar)}`);
  }
  return `${mark}${name}(${parts.join(",")})`;
}

const isMapPointer = (type: number): boolean =>
  type === CONST_PTR_TO_MAP || type === PTR_TO_MAP_VALUE || type === PTR_TO_MAP_KEY;

/** Registers and slots that {@link stateText} prints; null: all. */
export interface Touched {
  readonly regs: number;
  readonly slotsLo: number;
  readonly slotsHi: number;
}

/** Text of the stack slots by number, `[-8, "mmmm????"]`. */
function slotText(frame: Frame, k: number): { text: string; skip: number; at: number } | null {
  const slot = frame.slots[k]!;
  if (slot.types === 0) return null;
  switch (slot.byte(0)) {
    case STACK_SPILL: {
      const above = letters(slot, slot.spillSize);
      const reg = slot.spill!;
      return {
        text: above + (reg.type === NOT_INIT ? "?" : registerText(reg, isSlotPrecise(frame, k), frame.frameno)),
        skip: 0,
        at: k,
      };
    }
    case STACK_DYNPTR: {
      const main = slot.object?.kind === "dynptr" && slot.object.first ? k : k + 1;
      const object = frame.slots[main]?.object;
      if (object?.kind !== "dynptr") break;
      const parts: string[] = [];
      if (object.id !== 0) parts.push(`id=${object.id}`);
      if (object.refId !== 0) parts.push(`ref_id=${object.refId}`);
      // The kernel prints its mark of the first slot under this name, which is always 1.
      parts.push("dynptr_id=1");
      return { text: `dynptr_${object.dynptr}(${parts.join(",")})`, skip: main - k, at: main };
    }
    case STACK_ITER: {
      const object = slot.object;
      if (object?.kind !== "iter" || !object.first) return null;
      return {
        text: `iter_${object.iter}(ref_id=${object.refId},state=${object.state},depth=${object.depth})`,
        skip: 0,
        at: k,
      };
    }
  }
  return { text: letters(slot, 0), skip: 0, at: k };
}

/** Bytes from the highest address down to byte `from`. */
function letters(slot: Slot, from: number): string {
  let text = "";
  for (let b = 7; b >= from; b--) text += BYTE_LETTERS[slot.byte(b)] ?? "?";
  return text;
}

export function isSlotPrecise(frame: Frame, k: number): boolean {
  return k < 32 ? (frame.preciseSlotsLo & (1 << k)) !== 0 : (frame.preciseSlotsHi & (1 << (k - 32))) !== 0;
}

/** ` frame1: R0=… fp-8=… refs=1 cb`, each item with a leading blank. */
export function stateText(state: VerifierState, frame: Frame, touched: Touched | null): string {
  let text = frame.frameno > 0 ? ` frame${frame.frameno}:` : "";
  const regs = frame.regs;
  for (let i = 0; i <= 10; i++) {
    if (touched !== null && (touched.regs & (1 << i)) === 0) continue;
    const reg = regs[i]!;
    if (reg.type === NOT_INIT) continue;
    text += ` R${i}=${registerText(reg, (frame.preciseRegs & (1 << i)) !== 0, frame.frameno)}`;
  }
  for (let k = 0; k < frame.slots.length; k++) {
    if (touched !== null) {
      const bit = k < 32 ? touched.slotsLo & (1 << k) : touched.slotsHi & (1 << (k - 32));
      if (bit === 0) continue;
    }
    const slot = slotText(frame, k);
    if (slot === null) continue;
    text += ` fp${-8 * (slot.at + 1)}=${slot.text}`;
    k += slot.skip;
  }
  const ids = state.refs.filter((r) => r.id !== 0);
  if (ids.length > 0 && state.refs[0]!.id !== 0) text += ` refs=${ids.map((r) => r.id).join(",")}`;
  if (frame.inCallback) text += " cb";
  if (frame.inAsyncCallback) text += " async_cb";
  return text;
}

/** The same as pairs, for the page: registers, then slots. */
export function statePairs(frame: Frame): (readonly [string, string])[] {
  const pairs: (readonly [string, string])[] = [];
  frame.regs.forEach((reg, i) => {
    if (reg.type !== NOT_INIT) pairs.push([`R${i}`, registerText(reg, false, frame.frameno)]);
  });
  for (let k = 0; k < frame.slots.length; k++) {
    const slot = slotText(frame, k);
    if (slot === null) continue;
    pairs.push([`fp${-8 * (slot.at + 1)}`, slot.text]);
    k += slot.skip;
  }
  return pairs;
}
