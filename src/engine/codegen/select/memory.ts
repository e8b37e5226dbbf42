import { constantOffset } from "../../ir/constants.ts";
import type { IrInstruction, IrValue } from "../../ir/module.ts";
import { alignOf, elementType, type IrType, offsetOf, sizeOf, storeSizeOf } from "../../ir/types.ts";
import { BPF_ADD, BPF_LSH, BPF_MUL, BPF_OR, BPF_RSH } from "../../isa/opcodes.ts";
import type { Place, Reg } from "../machine.ts";
import { accessStep } from "./access-index.ts";
import { bitsOf } from "./known-bits.ts";
import { leavesOf } from "./leaves.ts";
import { fitsS16, placeOf, type Selector, typeProblem, typeText } from "./selector.ts";

/** The place that an address names, with as much of it in the offset as an instruction can hold. */
export function addressOf(s: Selector, value: IrValue): Place {
  return settle(s, rawAddress(s, value));
}

function settle(s: Selector, place: Place): Place {
  if (place.slot >= 0 || fitsS16(place.offset)) return place;
  return placeOf(s.addConstant(place.base, place.offset));
}

function rawAddress(s: Selector, value: IrValue): Place {
  if (value.kind === "global") return placeOf(s.globalAddress(value.name, 0), value.addend);
  const stack = s.stackPlace(value);
  if (stack !== null) return stack;
  const definition = s.definition(value);
  const step = accessStep(definition);
  if (step !== null) {
    const base = rawAddress(s, step.base);
    return { ...base, offset: base.offset + step.offset };
  }
  if (definition?.op === "gep") {
    const offset = constantOffset(definition.source, definition.indices);
    if (offset !== null) {
      const base = rawAddress(s, definition.base);
      return { ...base, offset: base.offset + offset };
    }
    const parts = s.variableParts.get(definition.result);
    if (parts !== undefined) return { ...parts };
  } else if (
    definition?.op === "cast" &&
    (definition.cast === "inttoptr" || definition.cast === "bitcast" || definition.cast === "ptrtoint") &&
    bitsOf(definition.value.type) === 64 &&
    bitsOf(definition.type) === 64
  ) {
    return rawAddress(s, definition.value);
  }
  return placeOf(s.reg(value));
}

export function selectGep(s: Selector, insn: IrInstruction & { op: "gep" }): void {
  const offset = constantOffset(insn.source, insn.indices);
  if (offset !== null) {
    if (
      s.uses.folded[insn.result] === 1 ||
      s.stackPlace({ kind: "local", type: insn.type, index: insn.result }) !== null
    )
      return;
    if (insn.base.kind === "global") {
      s.set(insn, s.globalAddress(insn.base.name, insn.base.addend + offset));
      return;
    }
    const place = rawAddress(s, insn.base);
    place.offset += offset;
    s.set(insn, s.placeAddress(place));
    return;
  }
  const base = rawAddress(s, insn.base);
  let constant = 0;
  let address: Reg | null = null;
  const add = (index: Reg, size: number): void => {
    const sum = (to: Reg): Reg =>
      s.reuse(`${to}+${index}*${size}`, () =>
        s.alu(
          BPF_ADD,
          64,
          to,
          s.reuse(`${index}*${size}`, () => scaled(s, index, size)),
        ),
      );
    if (address !== null) {
      address = sum(address);
      return;
    }
    if (base.slot < 0) constant += base.offset;
    address = sum(base.slot >= 0 ? s.placeAddress(base) : base.base);
  };
  let type: IrType = insn.source;
  insn.indices.forEach((index, i) => {
    const constantIndex = index.kind === "int" ? Number(BigInt.asIntN(bitsOf(index.type), index.value)) : null;
    if (constantIndex !== null) {
      constant += i === 0 ? constantIndex * sizeOf(type) : offsetOf(type, constantIndex);
    } else {
      const size = i === 0 ? sizeOf(type) : type.kind === "array" ? sizeOf(type.element) : 0;
      if (size > 0) add(s.signExtended(index, 64), size);
    }
    if (i > 0) type = elementType(type, constantIndex ?? 0) ?? type;
  });
  const variable: Reg = address ?? s.placeAddress(base);
  if (s.uses.folded[insn.result] === 1) {
    s.variableParts.set(insn.result, placeOf(variable, constant));
    s.set(insn, variable);
    return;
  }
  s.set(insn, constant === 0 ? variable : s.addConstant(variable, constant));
}

function scaled(s: Selector, index: Reg, size: number): Reg {
  if (size === 1) return index;
  const shift = Math.log2(size);
  if (Number.isInteger(shift)) return s.alui(BPF_LSH, 64, index, shift);
  return s.alui(BPF_MUL, 64, index, size);
}

export function selectAlloca(s: Selector, insn: IrInstruction & { op: "alloca" }): void {
  const count = insn.count === null ? 1n : s.constantOf(insn.count);
  if (count === null || !s.irBlock(0).instructions.includes(insn)) {
    s.fail("unsupported dynamic stack allocation");
    return;
  }
  const size = Number(count) * sizeOf(insn.allocated);
  s.slots.set(insn.result, s.newSlot(Math.max(1, size), Math.max(1, insn.align || alignOf(insn.allocated))));
}

/** Sizes in which `size` bytes can be moved when their place is aligned to `align`: offsets ascending. */
export function pieces(size: number, align: number): { offset: number; size: number }[] {
  const out: { offset: number; size: number }[] = [];
  for (let offset = 0; offset < size; ) {
    let piece = 8;
    while (piece > 1 && (piece > size - offset || piece > align || offset % piece !== 0)) piece >>= 1;
    out.push({ offset, size: piece });
    offset += piece;
  }
  return out;
}

/** Strictest alignment that holds `offset` bytes after a place aligned to `align`. */
export function alignAt(align: number, offset: number): number {
  let a = align;
  while (a > 1 && offset % a !== 0) a >>= 1;
  return a;
}

export function selectLoad(s: Selector, insn: IrInstruction & { op: "load" }): void {
  const leaves = leavesOf(insn.type);
  if (leaves === null) {
    s.fail(typeProblem(insn.type) ?? `loads of type ${typeText(insn.type)} are not supported`);
    return;
  }
  if (s.helperNumber({ kind: "local", type: insn.type, index: insn.result }) !== null && !insn.volatile) return;
  const place = addressOf(s, insn.address);
  const align = s.alignment(place, insn.align || alignOf(insn.type));
  if (insn.ordering !== null && insn.ordering !== "unordered" && insn.ordering !== "monotonic") {
    if (!s.context.cpu.v4 || leaves.length !== 1) {
      s.fail("atomic loads with acquire order need -mcpu=v4");
      return;
    }
    const dst = s.newReg();
    s.emit({ op: "loadacq", dst, place, size: storeSizeOf(insn.type) });
    s.set(insn, dst);
    return;
  }
  const wanted = s.demanded[insn.result] as number;
  if (leaves.length === 1 && align < storeSizeOf(insn.type) && !insn.volatile && wanted <= 32 && s.alu32) {
    // Put together of pieces anyway: those that nobody looks at are left out.
    s.set(insn, loadLeaf(s, place, Math.min(4, storeSizeOf(insn.type)), align));
    return;
  }
  const signed = signExtendingUser(s, insn);
  if (signed) s.signedLoads.add(insn.result);
  s.set(
    insn,
    ...leaves.map(({ type, offset }) =>
      loadLeaf(s, at(place, offset), storeSizeOf(type), alignAt(align, offset), signed),
    ),
  );
}

/** A load whose only use extends its sign can do so itself (v4). */
function signExtendingUser(s: Selector, insn: IrInstruction & { op: "load" }): boolean {
  if (!s.context.cpu.v4 || s.uses.count[insn.result] !== 1) return false;
  const user = s.uses.user[insn.result];
  const size = storeSizeOf(insn.type);
  if (user?.op !== "cast" || user.cast !== "sext" || insn.type.kind !== "int") return false;
  return insn.type.bits === size * 8 && (size === 1 || size === 2 || size === 4) && (insn.align || size) >= size;
}

export function at(place: Place, offset: number): Place {
  return { ...place, offset: place.offset + offset };
}

export function loadLeaf(s: Selector, place: Place, size: number, align: number, signed = false): Reg {
  const parts = pieces(size, align);
  const safe = place.slot >= 0 || fitsS16(place.offset + size) ? place : placeOf(s.placeAddress(place));
  const first = parts[0] as { offset: number; size: number };
  if (parts.length === 1) return s.load(safe, first.size, signed);
  let sum: Reg = s.load(safe, first.size);
  const width = s.width(size * 8);
  for (const part of parts.slice(1)) {
    const piece = s.load(at(safe, part.offset), part.size);
    sum = s.alu(BPF_OR, width, s.alui(BPF_LSH, width, piece, part.offset * 8), sum);
  }
  return sum;
}

export function selectStore(s: Selector, insn: IrInstruction & { op: "store" }): void {
  const leaves = leavesOf(insn.value.type);
  if (leaves === null) {
    s.fail(typeProblem(insn.value.type) ?? `stores of type ${typeText(insn.value.type)} are not supported`);
    return;
  }
  const place = addressOf(s, insn.address);
  const align = s.alignment(place, insn.align || alignOf(insn.value.type));
  if (insn.ordering !== null && insn.ordering !== "unordered" && insn.ordering !== "monotonic") {
    if (!s.context.cpu.v4 || leaves.length !== 1) {
      s.fail("atomic stores with release order need -mcpu=v4");
      return;
    }
    s.emit({ op: "atomic", imm: 0x110, src: s.reg(insn.value), place, size: storeSizeOf(insn.value.type) });
    return;
  }
  if (insn.value.kind === "undef") return;
  const constant = s.constantOf(insn.value);
  const values = leaves.length === 1 && constant !== null ? null : valuesToStore(s, insn.value);
  leaves.forEach(({ type, offset }, i) => {
    const size = storeSizeOf(type);
    const leafAlign = alignAt(align, offset);
    const target = at(place, offset);
    if (values === null) storeConstant(s, target, constant as bigint, size, leafAlign);
    else storeLeaf(s, target, values[i] as Reg, size, leafAlign);
  });
}

function valuesToStore(s: Selector, value: IrValue): readonly Reg[] {
  const bits = bitsOf(value.type);
  // Padding bits of the last byte are stored as zero.
  if (bits > 0 && bits <= 64 && bits % 8 !== 0) return [s.zeroExtended(value, s.width(bits))];
  return s.regs(value);
}

export function storeLeaf(s: Selector, place: Place, value: Reg, size: number, align: number): void {
  const safe = place.slot >= 0 || fitsS16(place.offset + size) ? place : placeOf(s.placeAddress(place));
  const width = s.width(size * 8);
  for (const part of pieces(size, align)) {
    const src = part.offset === 0 ? value : s.alui(BPF_RSH, width, value, part.offset * 8);
    s.emit({ op: "store", src, place: at(safe, part.offset), size: part.size });
  }
}

export function storeConstant(s: Selector, place: Place, value: bigint, size: number, align: number): void {
  const safe = place.slot >= 0 || fitsS16(place.offset + size) ? place : placeOf(s.placeAddress(place));
  for (const part of pieces(size, align)) {
    const bits = part.size * 8;
    const piece = BigInt.asUintN(bits, value >> BigInt(part.offset * 8));
    storePiece(s, at(safe, part.offset), piece, part.size);
  }
}

/** Stores a constant that is as wide as one store. */
export function storePiece(s: Selector, place: Place, value: bigint, size: number): void {
  const bits = size * 8;
  const signed = BigInt.asIntN(bits, value);
  if (s.context.cpu.v4 && signed >= -0x8000_0000n && signed <= 0x7fff_ffffn) {
    s.emit({ op: "storei", imm: Number(signed), place, size });
    return;
  }
  s.emit({ op: "store", src: s.constant(value, bits), place, size });
}
