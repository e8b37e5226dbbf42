import type { Instruction } from "../../isa/instruction.ts";

/** Memory of the reference: named pieces at 64-bit addresses. */
export interface ReferenceRegion {
  readonly base: bigint;
  readonly bytes: Uint8Array;
}

export type ReferenceResult =
  | { readonly ok: true; readonly r0: bigint; readonly steps: number }
  | { readonly ok: false; readonly why: string };

const U64 = (x: bigint): bigint => BigInt.asUintN(64, x);

/**
 * RFC 9669 read once more, in the plainest way: registers are BigInts, memory is found by search. Written for comparison with
 * the engines; shares nothing with them.
 */
export function evaluate(
  insns: readonly Instruction[],
  regions: ReferenceRegion[],
  registers: readonly bigint[],
  wide: (slot: number) => bigint,
  limit = 10_000_000,
): ReferenceResult {
  const stackBase = 0x7000_0000_0000n;
  let depth = 0;
  const newStack = (): bigint => {
    depth++;
    const base = stackBase + BigInt(depth) * 0x1000n;
    regions.push({ base, bytes: new Uint8Array(512) });
    return base + 512n;
  };
  const dropStack = (): void => {
    depth--;
    regions.pop();
  };
  const locate = (address: bigint, size: number): { bytes: Uint8Array; at: number } | null => {
    for (const region of regions) {
      const at = address - region.base;
      if (at >= 0n && at + BigInt(size) <= BigInt(region.bytes.length)) return { bytes: region.bytes, at: Number(at) };
    }
    return null;
  };
  const read = (address: bigint, size: number): bigint | null => {
    const place = locate(U64(address), size);
    if (place === null) return null;
    let value = 0n;
    for (let i = size - 1; i >= 0; i--) value = value * 256n + BigInt(place.bytes[place.at + i] as number);
    return value;
  };
  const write = (address: bigint, size: number, value: bigint): boolean => {
    const place = locate(U64(address), size);
    if (place === null) return false;
    for (let i = 0; i < size; i++) place.bytes[place.at + i] = Number((value >> BigInt(8 * i)) & 255n);
    return true;
  };

  let r = new Array<bigint>(11).fill(0n);
  registers.forEach((value, i) => {
    r[i] = U64(value);
  });
  r[10] = newStack();
  const saved: { registers: bigint[]; back: number }[] = [];
  let pc = 0;
  let mayGoto = 8 * 1024 * 1024;
  const budgets: number[] = [];
  for (let steps = 1; steps <= limit; steps++) {
    const insn = insns[pc];
    if (insn === undefined) return { ok: false, why: `left the program at ${pc}` };
    const { opcode, dst, src, off, imm } = insn;
    const group = opcode % 8;
    const byRegister = (opcode & 8) !== 0;
    const kind = opcode >> 4;
    if (group === 4 || group === 7) {
      const bits = group === 7 ? 64 : 32;
      const result = alu(
        kind,
        bits,
        byRegister,
        r[dst] as bigint,
        byRegister ? (r[src] as bigint) : BigInt(imm),
        off,
        imm,
      );
      if (result === null) return { ok: false, why: `opcode ${opcode.toString(16)}` };
      r[dst] = BigInt.asUintN(bits, result);
      if (kind === 13) r[dst] = U64(result);
      pc++;
    } else if (group === 5 || group === 6) {
      if (opcode === 0x95) {
        const back = saved.pop();
        if (back === undefined) return { ok: true, r0: r[0] as bigint, steps };
        const result = r[0] as bigint;
        dropStack();
        r = back.registers;
        r[0] = result;
        pc = back.back;
        mayGoto = budgets.pop() as number;
      } else if (opcode === 0x85 && src === 1) {
        saved.push({ registers: r.slice(), back: pc + 1 });
        budgets.push(mayGoto);
        mayGoto = 8 * 1024 * 1024;
        const args = r.slice(1, 6);
        r = new Array<bigint>(11).fill(0n);
        args.forEach((value, i) => {
          r[i + 1] = value;
        });
        r[10] = newStack();
        pc += 1 + imm;
      } else if (opcode === 0x05) pc += 1 + off;
      else if (opcode === 0x06) pc += 1 + imm;
      else if (opcode === 0xe5) {
        if (mayGoto === 0) pc += off;
        else mayGoto--;
        pc++;
      } else {
        const bits = group === 5 ? 64 : 32;
        const taken = compare(kind, bits, r[dst] as bigint, byRegister ? (r[src] as bigint) : BigInt(imm));
        if (taken === null) return { ok: false, why: `opcode ${opcode.toString(16)}` };
        pc += 1 + (taken ? off : 0);
      }
    } else if (opcode === 0x18) {
      r[dst] = U64(wide(pc));
      pc += 2;
    } else {
      const size = [4, 2, 1, 8][(opcode >> 3) & 3] as number;
      const mode = opcode >> 5;
      if (group === 1 && (mode === 3 || mode === 4)) {
        const value = read((r[src] as bigint) + BigInt(off), size);
        if (value === null) return { ok: false, why: `read at ${pc}` };
        r[dst] = mode === 4 ? U64(BigInt.asIntN(8 * size, value)) : value;
      } else if ((group === 2 || group === 3) && mode === 3) {
        const value = group === 2 ? BigInt(imm) : (r[src] as bigint);
        if (!write((r[dst] as bigint) + BigInt(off), size, value)) return { ok: false, why: `write at ${pc}` };
      } else if (group === 3 && mode === 6) {
        const why = atomic(insn, size, r, read, write);
        if (why !== null) return { ok: false, why };
      } else return { ok: false, why: `opcode ${opcode.toString(16)}` };
      pc++;
    }
  }
  return { ok: false, why: "does not end" };
}

function alu(
  kind: number,
  bits: number,
  byRegister: boolean,
  left: bigint,
  right: bigint,
  off: number,
  imm: number,
): bigint | null {
  const unsigned = (x: bigint): bigint => BigInt.asUintN(bits, x);
  const signed = (x: bigint): bigint => BigInt.asIntN(bits, x);
  const a = unsigned(left);
  const b = unsigned(right);
  const shift = b % BigInt(bits);
  switch (kind) {
    case 0:
      return a + b;
    case 1:
      return a - b;
    case 2:
      return a * b;
    case 3:
      if (b === 0n) return 0n;
      return off === 1 ? signed(a) / signed(b) : a / b;
    case 4:
      return a | b;
    case 5:
      return a & b;
    case 6:
      return a << shift;
    case 7:
      return a >> shift;
    case 8:
      return -a;
    case 9:
      if (b === 0n) return a;
      return off === 1 ? signed(a) % signed(b) : a % b;
    case 10:
      return a ^ b;
    case 11:
      return off === 0 ? b : BigInt.asIntN(off, b);
    case 12:
      return signed(a) >> shift;
    case 13: {
      const low = BigInt.asUintN(imm, left);
      if (bits === 32 && !byRegister) return low;
      let swapped = 0n;
      for (let i = 0; i < imm; i += 8) swapped = (swapped << 8n) | ((low >> BigInt(i)) & 255n);
      return swapped;
    }
    default:
      return null;
  }
}

function compare(kind: number, bits: number, left: bigint, right: bigint): boolean | null {
  const a = BigInt.asUintN(bits, left);
  const b = BigInt.asUintN(bits, right);
  const sa = BigInt.asIntN(bits, left);
  const sb = BigInt.asIntN(bits, right);
  switch (kind) {
    case 1:
      return a === b;
    case 2:
      return a > b;
    case 3:
      return a >= b;
    case 4:
      return (a & b) !== 0n;
    case 5:
      return a !== b;
    case 6:
      return sa > sb;
    case 7:
      return sa >= sb;
    case 10:
      return a < b;
    case 11:
      return a <= b;
    case 12:
      return sa < sb;
    case 13:
      return sa <= sb;
    default:
      return null;
  }
}

function atomic(
  insn: Instruction,
  size: number,
  r: bigint[],
  read: (address: bigint, size: number) => bigint | null,
  write: (address: bigint, size: number, value: bigint) => boolean,
): string | null {
  const { dst, src, off, imm } = insn;
  if (imm === 0x100) {
    const value = read((r[src] as bigint) + BigInt(off), size);
    if (value === null) return "load acquire";
    r[dst] = value;
    return null;
  }
  const address = (r[dst] as bigint) + BigInt(off);
  if (imm === 0x110) return write(address, size, r[src] as bigint) ? null : "store release";
  const old = read(address, size);
  if (old === null || size < 4) return "atomic";
  const operand = BigInt.asUintN(8 * size, r[src] as bigint);
  let next: bigint;
  if (imm >> 4 === 0) next = old + operand;
  else if (imm >> 4 === 4) next = old | operand;
  else if (imm >> 4 === 5) next = old & operand;
  else if (imm >> 4 === 10) next = old ^ operand;
  else if (imm === 0xe1) next = operand;
  else if (imm === 0xf1) next = BigInt.asUintN(8 * size, r[0] as bigint) === old ? operand : old;
  else return "atomic operation";
  if (!write(address, size, next)) return "atomic";
  if (imm === 0xf1) r[0] = old;
  else if ((imm & 1) === 1) r[src] = old;
  return null;
}
