import {
  BPF_JEQ,
  BPF_JGE,
  BPF_JGT,
  BPF_JLE,
  BPF_JLT,
  BPF_JNE,
  BPF_JSET,
  BPF_JSGE,
  BPF_JSGT,
  BPF_JSLE,
  BPF_JSLT,
} from "../../isa/opcodes.ts";
import {
  AT_PKT_END,
  BEYOND_PKT_END,
  CONST_PTR_TO_MAP,
  PTR_MAYBE_NULL,
  PTR_TO_BTF_ID,
  PTR_TO_MAP_KEY,
  PTR_TO_MAP_VALUE,
  PTR_TO_MEM,
  PTR_TO_PACKET,
  PTR_TO_PACKET_END,
  PTR_TO_PACKET_META,
  PTR_TO_SOCK_COMMON,
  PTR_TO_SOCKET,
  PTR_TO_TCP_SOCK,
  PTR_TRUSTED,
  PTR_UNTRUSTED,
  type Reg,
  SCALAR_VALUE,
} from "../register.ts";
import type { Scalar } from "../scalar.ts";
import { slt, ult } from "../words.ts";

/** Outcome of a comparison when it is known. */
export type Decision = boolean | null;

/** The operator with its operands exchanged. */
export function flipped(op: number): number {
  switch (op) {
    case BPF_JGT:
      return BPF_JLT;
    case BPF_JGE:
      return BPF_JLE;
    case BPF_JLT:
      return BPF_JGT;
    case BPF_JLE:
      return BPF_JGE;
    case BPF_JSGT:
      return BPF_JSLT;
    case BPF_JSGE:
      return BPF_JSLE;
    case BPF_JSLT:
      return BPF_JSGT;
    case BPF_JSLE:
      return BPF_JSGE;
    default:
      return op;
  }
}

/** No bit of `&` is set: the opposite of {@link BPF_JSET}, which has no operator of its own. */
export const NOT_SET = 0x100;

/** The relation that holds where the comparison is false. */
export function opposite(op: number): number {
  switch (op) {
    case BPF_JEQ:
      return BPF_JNE;
    case BPF_JNE:
      return BPF_JEQ;
    case BPF_JGT:
      return BPF_JLE;
    case BPF_JGE:
      return BPF_JLT;
    case BPF_JLT:
      return BPF_JGE;
    case BPF_JLE:
      return BPF_JGT;
    case BPF_JSGT:
      return BPF_JSLE;
    case BPF_JSGE:
      return BPF_JSLT;
    case BPF_JSLT:
      return BPF_JSGE;
    case BPF_JSLE:
      return BPF_JSGT;
    default:
      return op === BPF_JSET ? NOT_SET : BPF_JSET;
  }
}

const isPacket = (type: number): boolean => type === PTR_TO_PACKET || type === PTR_TO_PACKET_META;

/** What the values of both operands decide. That both may be one register is not looked at, as on Linux 6.18.44. */
export function decide(a: Reg, b: Reg, op: number, is32: boolean): Decision {
  if (a.type === SCALAR_VALUE && b.type === SCALAR_VALUE) {
    return is32 ? decide32(a.scalar, b.scalar, op) : decide64(a.scalar, b.scalar, op);
  }
  if (is32) {
    // A 32-bit comparison with 0 is decided like one of 64 bits (seen on 6.18.44).
    const [pointer, constant] = isConstant32(b) ? [a, b] : [b, a];
    if (!isConstant32(constant) || !cannotBeNull(pointer) || constant.scalar.vLo !== 0) return null;
    return op === BPF_JEQ ? false : op === BPF_JNE ? true : null;
  }
  const aPacket = isPacket(a.type) || a.type === PTR_TO_PACKET_END;
  const bPacket = isPacket(b.type) || b.type === PTR_TO_PACKET_END;
  if (aPacket && bPacket) return decidePacket(a, b, op);
  const [pointer, constant] = isConstant(b) ? [a, b] : [b, a];
  if (!isConstant(constant) || !cannotBeNull(pointer) || !constant.isNullConstant) return null;
  if (op === BPF_JEQ) return false;
  if (op === BPF_JNE) return true;
  return null;
}

const isConstant = (reg: Reg): boolean => reg.type === SCALAR_VALUE && reg.scalar.isConst;

const isConstant32 = (reg: Reg): boolean => reg.type === SCALAR_VALUE && reg.scalar.mLo === 0;

function cannotBeNull(reg: Reg): boolean {
  if ((reg.flags & PTR_MAYBE_NULL) !== 0) return false;
  switch (reg.type) {
    case PTR_TO_SOCKET:
    case PTR_TO_TCP_SOCK:
    case PTR_TO_SOCK_COMMON:
    case PTR_TO_MAP_VALUE:
    case PTR_TO_MAP_KEY:
    case CONST_PTR_TO_MAP:
      return true;
    case PTR_TO_BTF_ID:
      return reg.refObjId !== 0 || (reg.flags & PTR_TRUSTED) !== 0;
    case PTR_TO_MEM:
      return (reg.flags & PTR_UNTRUSTED) === 0;
    default:
      return false;
  }
}

/** A packet pointer that was found at or beyond the end, compared with the end again. */
function decidePacket(a: Reg, b: Reg, op: number): Decision {
  let packet = a;
  let relation = op;
  if (b.type !== PTR_TO_PACKET_END) {
    if (a.type !== PTR_TO_PACKET_END) return null;
    packet = b;
    relation = flipped(op);
  }
  if (packet.range >= 0) return null;
  switch (relation) {
    case BPF_JGT:
    case BPF_JLE:
      return packet.range === BEYOND_PKT_END ? relation === BPF_JGT : null;
    case BPF_JGE:
    case BPF_JLT:
      return packet.range === BEYOND_PKT_END || packet.range === AT_PKT_END ? relation === BPF_JGE : null;
    default:
      return null;
  }
}

function decide64(a: Scalar, b: Scalar, op: number): Decision {
  const aConst = a.isConst;
  const bConst = b.isConst;
  switch (op) {
    case BPF_JEQ:
    case BPF_JNE: {
      const whenEqual = op === BPF_JEQ;
      if (aConst && bConst) return (a.vLo === b.vLo && a.vHi === b.vHi) === whenEqual;
      const known = ~(a.mLo | b.mLo);
      const knownHi = ~(a.mHi | b.mHi);
      if (
        ((a.vLo ^ b.vLo) & known) !== 0 ||
        ((a.vHi ^ b.vHi) & knownHi) !== 0 ||
        ult(a.umaxHi, a.umaxLo, b.uminHi, b.uminLo) ||
        ult(b.umaxHi, b.umaxLo, a.uminHi, a.uminLo) ||
        slt(a.smaxHi, a.smaxLo, b.sminHi, b.sminLo) ||
        slt(b.smaxHi, b.smaxLo, a.sminHi, a.sminLo) ||
        disjoint32(a, b)
      )
        return !whenEqual;
      return null;
    }
    case BPF_JSET: {
      const [c, x] = bConst ? [b, a] : [a, b];
      if (!c.isConst) return null;
      if ((x.vLo & c.vLo) !== 0 || (x.vHi & c.vHi) !== 0) return true;
      if (((x.vLo | x.mLo) & c.vLo) === 0 && ((x.vHi | x.mHi) & c.vHi) === 0) return false;
      return null;
    }
    case BPF_JGT:
      return below(b, a);
    case BPF_JLT:
      return below(a, b);
    case BPF_JGE:
      return notBelow(a, b);
    case BPF_JLE:
      return notBelow(b, a);
    case BPF_JSGT:
      return belowSigned(b, a);
    case BPF_JSLT:
      return belowSigned(a, b);
    case BPF_JSGE:
      return notBelowSigned(a, b);
    default:
      return notBelowSigned(b, a);
  }
}

/** x < y on the unsigned ranges. In contradictory ranges the first test counts, so x >= y is no mere negation. */
function below(x: Scalar, y: Scalar): Decision {
  if (ult(x.umaxHi, x.umaxLo, y.uminHi, y.uminLo)) return true;
  if (!ult(x.uminHi, x.uminLo, y.umaxHi, y.umaxLo)) return false;
  return null;
}

function notBelow(x: Scalar, y: Scalar): Decision {
  if (!ult(x.uminHi, x.uminLo, y.umaxHi, y.umaxLo)) return true;
  if (ult(x.umaxHi, x.umaxLo, y.uminHi, y.uminLo)) return false;
  return null;
}

function belowSigned(x: Scalar, y: Scalar): Decision {
  if (slt(x.smaxHi, x.smaxLo, y.sminHi, y.sminLo)) return true;
  if (!slt(x.sminHi, x.sminLo, y.smaxHi, y.smaxLo)) return false;
  return null;
}

function notBelowSigned(x: Scalar, y: Scalar): Decision {
  if (!slt(x.sminHi, x.sminLo, y.smaxHi, y.smaxLo)) return true;
  if (slt(x.smaxHi, x.smaxLo, y.sminHi, y.sminLo)) return false;
  return null;
}

function disjoint32(a: Scalar, b: Scalar): boolean {
  return (
    a.u32max >>> 0 < b.u32min >>> 0 || b.u32max >>> 0 < a.u32min >>> 0 || a.s32max < b.s32min || b.s32max < a.s32min
  );
}

function decide32(a: Scalar, b: Scalar, op: number): Decision {
  switch (op) {
    case BPF_JEQ:
    case BPF_JNE: {
      const whenEqual = op === BPF_JEQ;
      if (a.mLo === 0 && b.mLo === 0) return (a.vLo === b.vLo) === whenEqual;
      if (((a.vLo ^ b.vLo) & ~(a.mLo | b.mLo)) !== 0 || disjoint32(a, b)) return !whenEqual;
      return null;
    }
    case BPF_JSET: {
      const [c, x] = b.mLo === 0 ? [b, a] : [a, b];
      if (c.mLo !== 0) return null;
      if ((x.vLo & c.vLo) !== 0) return true;
      return ((x.vLo | x.mLo) & c.vLo) === 0 ? false : null;
    }
    case BPF_JGT:
      return below32(b, a);
    case BPF_JLT:
      return below32(a, b);
    case BPF_JGE:
      return notBelow32(a, b);
    case BPF_JLE:
      return notBelow32(b, a);
    case BPF_JSGT:
      return belowSigned32(b, a);
    case BPF_JSLT:
      return belowSigned32(a, b);
    case BPF_JSGE:
      return notBelowSigned32(a, b);
    default:
      return notBelowSigned32(b, a);
  }
}

function notBelow32(x: Scalar, y: Scalar): Decision {
  if (x.u32min >>> 0 >= y.u32max >>> 0) return true;
  return x.u32max >>> 0 < y.u32min >>> 0 ? false : null;
}

function notBelowSigned32(x: Scalar, y: Scalar): Decision {
  if (x.s32min >= y.s32max) return true;
  return x.s32max < y.s32min ? false : null;
}

function below32(x: Scalar, y: Scalar): Decision {
  if (x.u32max >>> 0 < y.u32min >>> 0) return true;
  return x.u32min >>> 0 >= y.u32max >>> 0 ? false : null;
}

function belowSigned32(x: Scalar, y: Scalar): Decision {
  if (x.s32max < y.s32min) return true;
  return x.s32min >= y.s32max ? false : null;
}

/** Applies the relation `a op b` to both, which the caller has copied, and synchronises them. */
export function refine(a: Scalar, b: Scalar, op: number, is32: boolean): void {
  switch (op) {
    case BPF_JGT:
    case BPF_JGE:
    case BPF_JSGT:
    case BPF_JSGE:
      (is32 ? relate32 : relate64)(b, a, flipped(op));
      break;
    default:
      (is32 ? relate32 : relate64)(a, b, op);
  }
  a.sync();
  b.sync();
}

function relate64(a: Scalar, b: Scalar, op: number): void {
  switch (op) {
    case BPF_JEQ: {
      if (ult(a.uminHi, a.uminLo, b.uminHi, b.uminLo)) {
        a.uminHi = b.uminHi;
        a.uminLo = b.uminLo;
      } else {
        b.uminHi = a.uminHi;
        b.uminLo = a.uminLo;
      }
      if (ult(a.umaxHi, a.umaxLo, b.umaxHi, b.umaxLo)) {
        b.umaxHi = a.umaxHi;
        b.umaxLo = a.umaxLo;
      } else {
        a.umaxHi = b.umaxHi;
        a.umaxLo = b.umaxLo;
      }
      if (slt(a.sminHi, a.sminLo, b.sminHi, b.sminLo)) {
        a.sminHi = b.sminHi;
        a.sminLo = b.sminLo;
      } else {
        b.sminHi = a.sminHi;
        b.sminLo = a.sminLo;
      }
      if (slt(a.smaxHi, a.smaxLo, b.smaxHi, b.smaxLo)) {
        b.smaxHi = a.smaxHi;
        b.smaxLo = a.smaxLo;
      } else {
        a.smaxHi = b.smaxHi;
        a.smaxLo = b.smaxLo;
      }
      const mLo = a.mLo & b.mLo;
      const mHi = a.mHi & b.mHi;
      a.vLo = b.vLo = (a.vLo | b.vLo) & ~mLo;
      a.vHi = b.vHi = (a.vHi | b.vHi) & ~mHi;
      a.mLo = b.mLo = mLo;
      a.mHi = b.mHi = mHi;
      break;
    }
    case BPF_JNE: {
      const [c, x] = b.isConst ? [b, a] : [a, b];
      if (!c.isConst) break;
      const { vHi, vLo } = c;
      if (x.uminHi === vHi && x.uminLo === vLo) {
        x.uminLo = (vLo + 1) | 0;
        if (x.uminLo === 0) x.uminHi = (vHi + 1) | 0;
      }
      if (x.umaxHi === vHi && x.umaxLo === vLo) {
        x.umaxLo = (vLo - 1) | 0;
        if (vLo === 0) x.umaxHi = (vHi - 1) | 0;
      }
      if (x.sminHi === vHi && x.sminLo === vLo) {
        x.sminLo = (vLo + 1) | 0;
        if (x.sminLo === 0) x.sminHi = (vHi + 1) | 0;
      }
      if (x.smaxHi === vHi && x.smaxLo === vLo) {
        x.smaxLo = (vLo - 1) | 0;
        if (vLo === 0) x.smaxHi = (vHi - 1) | 0;
      }
      break;
    }
    case BPF_JSET: {
      const [c, x] = b.isConst ? [b, a] : [a, b];
      if (!c.isConst || !oneBit(c.vHi, c.vLo)) break;
      x.vHi |= c.vHi;
      x.vLo |= c.vLo;
      x.mHi &= ~c.vHi;
      x.mLo &= ~c.vLo;
      break;
    }
    case NOT_SET: {
      const [c, x] = b.isConst ? [b, a] : [a, b];
      if (!c.isConst) break;
      x.fullRanges();
      x.vHi &= ~c.vHi;
      x.vLo &= ~c.vLo;
      x.mHi &= ~c.vHi;
      x.mLo &= ~c.vLo;
      break;
    }
    case BPF_JLE:
      if (ult(b.umaxHi, b.umaxLo, a.umaxHi, a.umaxLo)) {
        a.umaxHi = b.umaxHi;
        a.umaxLo = b.umaxLo;
      }
      if (ult(b.uminHi, b.uminLo, a.uminHi, a.uminLo)) {
        b.uminHi = a.uminHi;
        b.uminLo = a.uminLo;
      }
      break;
    case BPF_JLT: {
      const lessLo = (b.umaxLo - 1) | 0;
      const lessHi = b.umaxLo === 0 ? (b.umaxHi - 1) | 0 : b.umaxHi;
      if (ult(lessHi, lessLo, a.umaxHi, a.umaxLo)) {
        a.umaxHi = lessHi;
        a.umaxLo = lessLo;
      }
      const moreLo = (a.uminLo + 1) | 0;
      const moreHi = moreLo === 0 ? (a.uminHi + 1) | 0 : a.uminHi;
      if (ult(b.uminHi, b.uminLo, moreHi, moreLo)) {
        b.uminHi = moreHi;
        b.uminLo = moreLo;
      }
      break;
    }
    case BPF_JSLE:
      if (slt(b.smaxHi, b.smaxLo, a.smaxHi, a.smaxLo)) {
        a.smaxHi = b.smaxHi;
        a.smaxLo = b.smaxLo;
      }
      if (slt(b.sminHi, b.sminLo, a.sminHi, a.sminLo)) {
        b.sminHi = a.sminHi;
        b.sminLo = a.sminLo;
      }
      break;
    case BPF_JSLT: {
      const lessLo = (b.smaxLo - 1) | 0;
      const lessHi = b.smaxLo === 0 ? (b.smaxHi - 1) | 0 : b.smaxHi;
      if (slt(lessHi, lessLo, a.smaxHi, a.smaxLo)) {
        a.smaxHi = lessHi;
        a.smaxLo = lessLo;
      }
      const moreLo = (a.sminLo + 1) | 0;
      const moreHi = moreLo === 0 ? (a.sminHi + 1) | 0 : a.sminHi;
      if (slt(b.sminHi, b.sminLo, moreHi, moreLo)) {
        b.sminHi = moreHi;
        b.sminLo = moreLo;
      }
      break;
    }
  }
}

const oneBit = (hi: number, lo: number): boolean =>
  hi === 0 ? lo !== 0 && (lo & (lo - 1)) === 0 : lo === 0 && (hi & (hi - 1)) === 0;

const umin32 = (a: number, b: number): number => (a >>> 0 < b >>> 0 ? a : b);
const umax32 = (a: number, b: number): number => (a >>> 0 > b >>> 0 ? a : b);

function relate32(a: Scalar, b: Scalar, op: number): void {
  switch (op) {
    case BPF_JEQ: {
      a.u32min = b.u32min = umax32(a.u32min, b.u32min);
      a.u32max = b.u32max = umin32(a.u32max, b.u32max);
      a.s32min = b.s32min = Math.max(a.s32min, b.s32min);
      a.s32max = b.s32max = Math.min(a.s32max, b.s32max);
      const m = a.mLo & b.mLo;
      a.vLo = b.vLo = (a.vLo | b.vLo) & ~m;
      a.mLo = b.mLo = m;
      break;
    }
    case BPF_JNE: {
      const [c, x] = b.isConst32 ? [b, a] : [a, b];
      if (!c.isConst32) break;
      const v = c.vLo;
      if (x.u32min === v) x.u32min = (v + 1) | 0;
      if (x.u32max === v) x.u32max = (v - 1) | 0;
      if (x.s32min === v) x.s32min = (v + 1) | 0;
      if (x.s32max === v) x.s32max = (v - 1) | 0;
      break;
    }
    case BPF_JSET: {
      const [c, x] = b.isConst32 ? [b, a] : [a, b];
      if (!c.isConst32 || !oneBit(0, c.vLo)) break;
      x.vLo |= c.vLo;
      x.mLo &= ~c.vLo;
      break;
    }
    case NOT_SET: {
      const [c, x] = b.isConst32 ? [b, a] : [a, b];
      if (!c.isConst32) break;
      x.fullRanges();
      x.vLo &= ~c.vLo;
      x.mLo &= ~c.vLo;
      break;
    }
    case BPF_JLE:
      a.u32max = umin32(a.u32max, b.u32max);
      b.u32min = umax32(a.u32min, b.u32min);
      break;
    case BPF_JLT:
      a.u32max = umin32(a.u32max, (b.u32max - 1) | 0);
      b.u32min = umax32((a.u32min + 1) | 0, b.u32min);
      break;
    case BPF_JSLE:
      a.s32max = Math.min(a.s32max, b.s32max);
      b.s32min = Math.max(a.s32min, b.s32min);
      break;
    case BPF_JSLT:
      a.s32max = Math.min(a.s32max, (b.s32max - 1) | 0);
      b.s32min = Math.max((a.s32min + 1) | 0, b.s32min);
      break;
  }
}
