import type { MetadataTable } from "../../ir/metadata.ts";
import type { IrBlock, IrDebugRecord, IrFunction } from "../../ir/module.ts";
import { immediateDominators, reversePostOrder, targetsOf } from "../select/control-graph.ts";
import { type Fragment, fragmentOf } from "./expression.ts";

/** A source variable of a function, or of one inlined into it: then there is one for each place of inlining. */
export interface SourceVariable {
  /** Metadata id of the DILocalVariable. */
  readonly id: number;
  /** Metadata id of the DILocation of the inlined call; -1 in the function itself. */
  readonly inlinedAt: number;
}

/** For each variable (by its number) the records that speak for it: one, or one for each part. */
export type Environment = ReadonlyMap<number, readonly number[]>;

/**
 * Which debug records hold where: a record holds from its place until another one speaks of the same variable or part, and
 * where paths join only if it holds on all of them. A record's values cannot have been computed anew since then: they
 * dominate it. Of one that the optimiser has left before its value (`early`), nothing is known.
 */
export class VariableFlow {
  readonly variables: SourceVariable[] = [];
  readonly records: (IrDebugRecord & { readonly fragment: Fragment | null; readonly early: boolean })[] = [];
  /** Per block: environments in order, each from an instruction's index on; the first from 0. */
  readonly #changes: (readonly (readonly [from: number, environment: Environment])[])[] = [];
  readonly #variableOf: number[] = [];
  readonly #recordsOf: (readonly number[])[];

  constructor(fn: IrFunction, table: MetadataTable) {
    const known = new Map<string, number>();
    const isThere = availability(fn);
    this.#recordsOf = fn.blocks.map((block, home) =>
      block.records.map((record) => {
        const at = table.nodes.get(record.dbg)?.fields.get("inlinedAt");
        const inlinedAt = at?.kind === "ref" ? at.id : -1;
        const key = `${record.variable}:${inlinedAt}`;
        let variable = known.get(key);
        if (variable === undefined) {
          variable = this.variables.length;
          known.set(key, variable);
          this.variables.push({ id: record.variable, inlinedAt });
        }
        const early = record.values.some((v) => v.kind === "local" && !isThere(v.index, home, record.before));
        this.records.push({ ...record, fragment: fragmentOf(record.expression), early });
        this.#variableOf.push(variable);
        return this.records.length - 1;
      }),
    );
    if (this.records.length > 0) this.#solve(fn);
  }

  variableOf(record: number): number {
    return this.#variableOf[record] as number;
  }

  /** Indices of instructions of a block before which the environment changes, 0 among them. */
  changes(block: number): readonly number[] {
    return (this.#changes[block] ?? []).map(([from]) => from);
  }

  /** What holds before an instruction of a block. */
  at(block: number, index: number): Environment {
    let found: Environment = NOTHING;
    for (const [from, environment] of this.#changes[block] ?? []) {
      if (from > index) break;
      found = environment;
    }
    return found;
  }

  #solve(fn: IrFunction): void {
    const order = reversePostOrder(fn);
    const into: (Environment | undefined)[] = new Array(fn.blocks.length);
    into[0] = NOTHING;
    for (let changed = true; changed; ) {
      changed = false;
      for (const block of order) {
        const start = into[block];
        if (start === undefined) continue;
        let now = start;
        for (const record of this.#recordsOf[block] ?? []) now = this.#apply(now, record);
        for (const to of new Set(targetsOf(fn, block))) {
          const before = into[to];
          const joined = before === undefined ? now : join(before, now);
          if (joined === before) continue;
          into[to] = joined;
          changed = true;
        }
      }
    }
    fn.blocks.forEach((block, index) => {
      this.#changes[index] = this.#changesOf(block, index, into[index]);
    });
  }

  #changesOf(block: IrBlock, index: number, start: Environment | undefined): [number, Environment][] {
    if (start === undefined) return [];
    const list: [number, Environment][] = [[0, start]];
    block.records.forEach((record, i) => {
      const last = list[list.length - 1] as [number, Environment];
      const next = this.#apply(last[1], (this.#recordsOf[index] as readonly number[])[i] as number);
      if (last[0] === record.before) last[1] = next;
      else list.push([record.before, next]);
    });
    return list;
  }

  #apply(environment: Environment, record: number): Environment {
    const variable = this.#variableOf[record] as number;
    const { fragment } = this.records[record] as { fragment: Fragment | null };
    const kept = (environment.get(variable) ?? []).filter((other) => {
      const old = (this.records[other] as { fragment: Fragment | null }).fragment;
      return (
        fragment !== null &&
        old !== null &&
        (old.offset + old.bits <= fragment.offset || fragment.offset + fragment.bits <= old.offset)
      );
    });
    const next = new Map(environment);
    next.set(variable, [...kept, record]);
    return next;
  }
}

const NOTHING: Environment = new Map();

/** Whether a value is computed on every way to an instruction of a block. */
function availability(fn: IrFunction): (value: number, block: number, before: number) => boolean {
  const homes = new Int32Array(fn.valueCount).fill(-1);
  const indices = new Int32Array(fn.valueCount);
  fn.blocks.forEach((block, at) => {
    block.instructions.forEach(({ result }, i) => {
      if (result < 0) return;
      homes[result] = at;
      indices[result] = i;
    });
  });
  const idom = immediateDominators(fn);
  return (value, block, before) => {
    const home = homes[value] as number;
    if (home < 0) return true;
    if (home === block) return (indices[value] as number) < before;
    let at = block;
    while (at !== home && at > -1 && idom[at] !== at) at = idom[at] as number;
    return at === home;
  };
}

/** What both say. The first itself, when it is that. */
function join(a: Environment, b: Environment): Environment {
  if (a === b) return a;
  let same = true;
  const joined = new Map<number, readonly number[]>();
  for (const [variable, records] of a) {
    const other = b.get(variable);
    const common = records === other ? records : records.filter((r) => other?.includes(r) === true);
    if (common.length > 0) joined.set(variable, common);
    if (common.length !== records.length) same = false;
  }
  return same ? a : joined;
}
