import type { AddressPlace, TableVariable, VariablePlace, VariableRange } from "../../btf/variable-table.ts";
import type { MetadataTable } from "../../ir/metadata.ts";
import { reachable } from "../control-flow.ts";
import type { EncodedFunction } from "../encode.ts";
import { isPassage, type MachineFunction, type MachineInsn, type Mark } from "../machine.ts";
import { fieldNode, fieldNumber, fieldText, fileOf } from "../select/module-context.ts";
import { type HolderState, Holders, REGISTERS } from "./holders.ts";
import type { Binding, Loss } from "./operands.ts";
import type { Scopes } from "./scopes.ts";
import { typeShape, typeText } from "./type-text.ts";
import type { Environment, SourceVariable } from "./variable-flow.ts";

/** Where a value is looked for first: registers that calls leave alone, other registers, then the frame. */
const SEARCH: readonly number[] = [6, 7, 8, 9, 0, 1, 2, 3, 4, 5];

/** A variable of the table with the metadata ids that it comes from. */
export type LocatedVariable = TableVariable & SourceVariable;

/** The variables of a function, and where each is before each of its slots. */
export function locateVariables(
  fn: MachineFunction,
  code: EncodedFunction,
  table: MetadataTable,
  scopes: Scopes,
  subprogram: number,
): readonly LocatedVariable[] {
  const located = fn.variables === null ? [] : new Locator(fn, fn.variables, code, table, scopes).run(subprogram);
  const known = new Set(fn.variables?.flow.variables.filter((v) => v.inlinedAt < 0).map((v) => v.id));
  // What the optimiser has left no record of is named all the same.
  const gone = [...table.nodes].filter(([id, node]) => {
    if (node.tag !== "DILocalVariable" || known.has(id)) return false;
    const scope = node.fields.get("scope");
    return scope?.kind === "ref" && scopes.subprogramOf(scope.id) === subprogram;
  });
  return [...located, ...gone.map(([id]) => described({ id, inlinedAt: -1 }, table, scopes, []))];
}

function described(
  variable: SourceVariable,
  table: MetadataTable,
  scopes: Scopes,
  ranges: readonly VariableRange[],
): LocatedVariable {
  const node = table.nodes.get(variable.id);
  const type = fieldNode(table, node, "type");
  const scope = fieldNode(table, node, "scope");
  const subprogram = table.nodes.get(scopes.subprogramOf(scope?.id ?? -1));
  const call = table.nodes.get(variable.inlinedAt);
  return {
    ...variable,
    name: fieldText(node, "name"),
    type: typeText(table, type),
    ...typeShape(table, type),
    parameter: fieldNumber(node, "arg") > 0,
    file: fileOf(table, scope),
    line: fieldNumber(node, "line"),
    scope: scopes.lines(scope?.id ?? -1),
    inlined: call === undefined ? null : { name: fieldText(subprogram, "name"), line: fieldNumber(call, "line") },
    ranges,
  };
}

type Variables = NonNullable<MachineFunction["variables"]>;
/** Records that hold, with the variable of each. */
type Holding = readonly (readonly [variable: number, record: number])[];

interface OpenRange {
  readonly key: string;
  range: VariableRange;
}

class Locator {
  readonly #fn: MachineFunction;
  readonly #variables: Variables;
  readonly #code: EncodedFunction;
  readonly #table: MetadataTable;
  readonly #scopes: Scopes;
  readonly #holders: Holders;
  readonly #ranges: VariableRange[][];
  /** By record: a variable's parts have records of their own. */
  readonly #open = new Map<number, OpenRange>();
  readonly #holding = new Map<Environment, Holding>();
  readonly #scopeOf: readonly number[];
  readonly #sizeOf: readonly number[];
  /** Where each value was found last: it stays there for the reader as long as it is there. */
  readonly #last = new Map<number, number>();

  constructor(fn: MachineFunction, variables: Variables, code: EncodedFunction, table: MetadataTable, scopes: Scopes) {
    this.#fn = fn;
    this.#variables = variables;
    this.#code = code;
    this.#table = table;
    this.#scopes = scopes;
    const bits = new Map<number, number>();
    for (const binding of variables.bindings) {
      if (typeof binding === "string" || binding.operand.kind !== "value") continue;
      const { value, bits: own } = binding.operand;
      bits.set(value, Math.max(own, bits.get(value) ?? 0));
    }
    this.#holders = new Holders(fn, variables, (value) => bits.get(value) ?? 64);
    this.#ranges = variables.flow.variables.map(() => []);
    const nodes = variables.flow.variables.map((v) => table.nodes.get(v.id));
    this.#scopeOf = nodes.map((node) => fieldNode(table, node, "scope")?.id ?? -1);
    this.#sizeOf = nodes.map((node) => typeShape(table, fieldNode(table, node, "type")).size);
  }

  run(subprogram: number): readonly LocatedVariable[] {
    this.#holders.solve(reachable(this.#fn));
    let bound = 0;
    let dbg = -1;
    for (const id of this.#code.order) {
      const block = this.#fn.blocks[id];
      const state = this.#holders.start(id);
      if (block === undefined) continue;
      let holding: Holding = [];
      const step = (marks: readonly Mark[] | undefined, insn: MachineInsn | null): void => {
        for (const mark of marks ?? []) {
          if (mark.kind === "place") holding = this.#holdingAt(mark.block, mark.index);
        }
        const first = this.#code.bounds[bound++] as number;
        const end = this.#code.bounds[bound] as number;
        if (state === null) return;
        if (!isPassage(block)) this.#holders.before(state, marks);
        const here = state.copy();
        for (let slot = first; slot < end; slot++) {
          if (slot === first + 1 && insn !== null) {
            // Both slots of a wide load are one instruction.
            if (insn.op === "wide" || insn.op === "address") {
              this.#extend(first, slot);
              continue;
            }
            this.#holders.clobber(here, insn);
          }
          dbg = Math.max(this.#code.places[slot] as number, -1) < 0 ? dbg : (this.#code.places[slot] as number);
          this.#tell(slot, holding, here, dbg);
        }
        if (insn !== null) this.#holders.after(state, insn);
      };
      for (const insn of block.insns) step(insn.marks, insn);
      step(block.marks, block.term.kind === "asm" ? block.term.code : null);
    }
    for (const [record, { range }] of this.#open) this.#close(record, range);
    return this.#variables.flow.variables.flatMap((variable, i) => {
      const ranges = joinRanges(this.#ranges[i] as VariableRange[]);
      const own = variable.inlinedAt < 0 && this.#scopes.subprogramOf(this.#scopeOf[i] as number) === subprogram;
      return ranges.length === 0 && !own ? [] : described(variable, this.#table, this.#scopes, ranges);
    });
  }

  #holdingAt(block: number, index: number): Holding {
    const environment = this.#variables.flow.at(block, index);
    let holding = this.#holding.get(environment);
    if (holding === undefined) {
      holding = [...environment].flatMap(([variable, records]) => records.map((r) => [variable, r] as const));
      this.#holding.set(environment, holding);
    }
    return holding;
  }

  #tell(slot: number, holding: Holding, state: HolderState, dbg: number): void {
    for (const [variable, record] of holding) {
      const { inlinedAt } = this.#variables.flow.variables[variable] as SourceVariable;
      if (!this.#scopes.contains(this.#scopeOf[variable] as number, inlinedAt, dbg)) continue;
      const { fragment } = this.#variables.flow.records[record] as { fragment: VariableRange["part"] };
      const size = fragment?.bits ?? (this.#sizeOf[variable] as number);
      const { place, bits, signed } = this.#locate(this.#variables.bindings[record] as Binding | Loss, size, state);
      const key = placeKey(place);
      const open = this.#open.get(record);
      if (open !== undefined && open.key === key && open.range.last === slot - 1) {
        open.range = { ...open.range, last: slot };
        continue;
      }
      if (open !== undefined) this.#close(record, open.range);
      this.#open.set(record, { key, range: { first: slot, last: slot, place, bits, signed, part: fragment } });
    }
  }

  #extend(from: number, to: number): void {
    for (const open of this.#open.values()) if (open.range.last === from) open.range = { ...open.range, last: to };
  }

  #close(record: number, range: VariableRange): void {
    const variable = this.#variables.flow.variableOf(record);
    (this.#ranges[variable] as VariableRange[]).push(range);
  }

  #locate(
    binding: Binding | Loss,
    size: number,
    state: HolderState,
  ): { place: VariablePlace; bits: number; signed: boolean } {
    const lost = (why: Loss): { place: VariablePlace; bits: number; signed: boolean } => ({
      place: { kind: "lost", why },
      bits: 0,
      signed: false,
    });
    if (typeof binding === "string") return lost(binding);
    const address = this.#address(binding, state);
    if (address === null) return lost("optimised out");
    if (binding.memory) {
      const place: VariablePlace =
        address.kind === "frame" ? { kind: "stack", offset: address.offset, add: 0n } : { kind: "pointee", address };
      return { place, bits: size, signed: false };
    }
    if (size > binding.bits && !binding.extends) return lost("optimised out");
    return { place: address, bits: Math.min(size, binding.bits), signed: binding.signed };
  }

  #address({ operand }: Binding, state: HolderState): AddressPlace | (VariablePlace & { kind: "frame" }) | null {
    switch (operand.kind) {
      case "constant":
        return { kind: "constant", value: operand.value };
      case "symbol":
        return { kind: "symbol", symbol: operand.symbol, add: operand.add };
      case "frame":
        return { kind: "frame", offset: this.#slotOffset(operand.slot) + Number(operand.add) };
      case "value": {
        const { value, add } = operand;
        const at = this.#find(value, state);
        if (at >= REGISTERS) return { kind: "stack", offset: this.#slotOffset(this.#holders.slotOf(at)), add };
        if (at >= 0) return { kind: "register", register: at, add };
        const insn = state.remade.get(value);
        return insn === undefined ? null : this.#remade(insn, add);
      }
    }
  }

  #find(value: number, state: HolderState): number {
    const last = this.#last.get(value) ?? -1;
    if (last >= 0 && state.held[last]?.includes(value) === true) return last;
    let at = SEARCH.find((reg) => state.held[reg]?.includes(value)) ?? -1;
    for (let place = REGISTERS; at < 0 && place < state.held.length; place++) {
      if (state.held[place]?.includes(value) === true) at = place;
    }
    this.#last.set(value, at);
    return at;
  }

  #remade(insn: MachineInsn, add: bigint): AddressPlace | (VariablePlace & { kind: "frame" }) | null {
    switch (insn.op) {
      case "imm":
        return {
          kind: "constant",
          value: BigInt.asUintN(64, BigInt(insn.width === 64 ? insn.imm : insn.imm >>> 0) + add),
        };
      case "wide":
        return { kind: "constant", value: BigInt.asUintN(64, insn.value + add) };
      case "address":
        return { kind: "symbol", symbol: insn.symbol, add: BigInt(insn.addend) + add };
      case "frame":
        return { kind: "frame", offset: this.#slotOffset(insn.slot) + insn.offset + Number(add) };
      default:
        return null;
    }
  }

  #slotOffset(slot: number): number {
    return this.#fn.slots[slot]?.offset ?? 0;
  }
}

/** In order of their beginnings; what two records say of one place is one range. */
function joinRanges(ranges: readonly VariableRange[]): VariableRange[] {
  const sorted = [...ranges].sort((a, b) => a.first - b.first);
  const joined: VariableRange[] = [];
  for (const range of sorted) {
    const at = joined.findLastIndex((r) => r.part?.offset === range.part?.offset && r.part?.bits === range.part?.bits);
    const before = joined[at];
    const same =
      before !== undefined &&
      before.last + 1 === range.first &&
      before.bits === range.bits &&
      before.signed === range.signed &&
      placeKey(before.place) === placeKey(range.place);
    if (same) joined[at] = { ...before, last: range.last };
    else joined.push(range);
  }
  return joined;
}

function placeKey(place: VariablePlace): string {
  switch (place.kind) {
    case "register":
      return `r${place.register}+${place.add}`;
    case "stack":
      return `s${place.offset}+${place.add}`;
    case "constant":
      return `c${place.value}`;
    case "frame":
      return `f${place.offset}`;
    case "symbol":
      return `@${place.symbol}+${place.add}`;
    case "pointee":
      return `*${placeKey(place.address)}`;
    case "lost":
      return place.why;
  }
}
