import { BPF_CMPXCHG, BPF_FETCH, BPF_LOAD_ACQ, BPF_STORE_REL, BPF_XCHG } from "../isa/opcodes.ts";
import { loadSlow, type MemoryAccess, storeSlow } from "./access.ts";

const join = (low: number, high: number): bigint => (BigInt(high >>> 0) << 32n) | BigInt(low >>> 0);

function put(lo: Int32Array, hi: Int32Array, r: number, value: bigint): void {
  lo[r] = Number(BigInt.asIntN(32, value));
  hi[r] = Number(BigInt.asIntN(32, value >> 32n));
}

/** An atomic instruction (RFC 9669, section 5.3; load-acquire and store-release as in Linux). The registers change only when it succeeds. */
export function atomic(
  machine: MemoryAccess,
  lo: Int32Array,
  hi: Int32Array,
  d: number,
  s: number,
  off: number,
  imm: number,
  width: number,
): "done" | "invalid" | "fault" {
  if (imm === BPF_LOAD_ACQ) {
    if (!loadSlow(machine, lo[s] as number, hi[s] as number, off, width)) return "fault";
    lo[d] = machine.low;
    hi[d] = machine.high;
    return "done";
  }
  const low = lo[d] as number;
  const high = hi[d] as number;
  if (imm === BPF_STORE_REL) {
    return storeSlow(machine, low, high, off, width, lo[s] as number, hi[s] as number) ? "done" : "fault";
  }
  if (width < 4) return "invalid";
  if (!loadSlow(machine, low, high, off, width)) return "fault";
  const bits = 8 * width;
  const old = join(machine.low, machine.high);
  const operand = BigInt.asUintN(bits, join(lo[s] as number, hi[s] as number));
  let next: bigint;
  switch (imm & ~BPF_FETCH) {
    case 0x00:
      next = BigInt.asUintN(bits, old + operand);
      break;
    case 0x40:
      next = old | operand;
      break;
    case 0x50:
      next = old & operand;
      break;
    case 0xa0:
      next = old ^ operand;
      break;
    case BPF_XCHG & ~BPF_FETCH:
      if (imm !== BPF_XCHG) return "invalid";
      next = operand;
      break;
    case BPF_CMPXCHG & ~BPF_FETCH:
      if (imm !== BPF_CMPXCHG) return "invalid";
      next = old === BigInt.asUintN(bits, join(lo[0] as number, hi[0] as number)) ? operand : old;
      break;
    default:
      return "invalid";
  }
  const stored = storeSlow(
    machine,
    low,
    high,
    off,
    width,
    Number(BigInt.asIntN(32, next)),
    Number(BigInt.asIntN(32, next >> 32n)),
  );
  if (!stored) return "fault";
  if (imm === BPF_CMPXCHG) put(lo, hi, 0, old);
  else if ((imm & BPF_FETCH) !== 0) put(lo, hi, s, old);
  return "done";
}
