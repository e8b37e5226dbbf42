import type { Reg } from "./register.ts";
import { SCALAR_VALUE } from "./register.ts";

/** What one stack byte holds. Four bits each in {@link Slot.types}. */
export const STACK_INVALID = 0;
export const STACK_SPILL = 1;
export const STACK_MISC = 2;
export const STACK_ZERO = 3;
export const STACK_DYNPTR = 4;
export const STACK_ITER = 5;
export const STACK_IRQ_FLAG = 6;
export type StackByte = number;

/** An object that the verifier keeps in stack slots. */
export type StackObject =
  | {
      readonly kind: "dynptr";
      /** `local`, `ringbuf`, `skb`, `xdp`, `skb_meta`, `file` */
      readonly dynptr: string;
      /** Id of the dynptr: slices and clones name it. */
      readonly id: number;
      readonly refId: number;
      /** True in the slot at the lower address. */
      readonly first: boolean;
      readonly rdonly: boolean;
    }
  | {
      readonly kind: "iter";
      /** `num` */
      readonly iter: string;
      readonly refId: number;
      readonly state: "active" | "drained";
      readonly depth: number;
      /** True in the slot at the lowest address. */
      readonly first: boolean;
    }
  | { readonly kind: "irq"; readonly id: number };

/**
 * Eight bytes of stack. Immutable once stored: a change is a new slot. Byte k (0 = lowest address) is
 * bits 4k..4k+3 of `types`.
 */
export class Slot {
  readonly types: number;
  /** Present when byte 0 is STACK_SPILL. */
  readonly spill: Reg | null;
  readonly object: StackObject | null;

  constructor(types: number, spill: Reg | null = null, object: StackObject | null = null) {
    this.types = types;
    this.spill = spill;
    this.object = object;
  }

  byte(k: number): StackByte {
    return (this.types >>> (4 * k)) & 0xf;
  }

  get isSpill(): boolean {
    return this.spill !== null;
  }

  get isScalarSpill(): boolean {
    return this.spill !== null && this.spill.type === SCALAR_VALUE;
  }

  /** Bytes of the spill, from byte 0 upwards; 0 when there is none. */
  get spillSize(): number {
    let n = 0;
    while (n < 8 && this.byte(n) === STACK_SPILL) n++;
    return n;
  }
}

/** The word of eight equal bytes. */
export function allBytes(kind: StackByte): number {
  return (kind * 0x1111_1111) | 0;
}

export function setByte(types: number, k: number, kind: StackByte): number {
  return (types & ~(0xf << (4 * k))) | (kind << (4 * k));
}

export const SLOT_INVALID = new Slot(0);
export const SLOT_MISC = new Slot(allBytes(STACK_MISC));
export const SLOT_ZERO = new Slot(allBytes(STACK_ZERO));
