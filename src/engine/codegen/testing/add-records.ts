import { makePrng, nextBelow } from "../../base/prng.ts";
import type { MetadataNode, MetadataValue } from "../../ir/metadata.ts";
import type { IrBlock, IrDebugRecord, IrFunction, IrInstruction, IrModule, IrValue } from "../../ir/module.ts";

/** Metadata of what {@link withRecords} adds begins here. */
const FIRST_ID = 1_000_000;
const VARIABLES_PER_WIDTH = 4;
const WIDTHS = [8, 16, 32, 64] as const;

/** The module, its functions seeded with debug records: variables that take on computed values, constants and sums at random. */
export function withRecords(module: IrModule, seed: number): IrModule {
  const prng = makePrng(seed);
  const nodes = new Map(module.metadata.nodes);
  let next = FIRST_ID;
  const add = (tag: string, fields: Record<string, MetadataValue>): number => {
    nodes.set(next, { id: next, distinct: false, tag, fields: new Map(Object.entries(fields)), elements: [] });
    return next++;
  };
  const ref = (id: number): MetadataValue => ({ kind: "ref", id });
  const int = (value: number): MetadataValue => ({ kind: "int", value: BigInt(value) });
  const types = new Map(
    WIDTHS.map((bits) => [
      bits as number,
      add("DIBasicType", { name: { kind: "string", value: `u${bits}` }, size: int(bits) }),
    ]),
  );
  const functions = module.functions.map((fn): IrFunction => {
    if (fn.declaration) return fn;
    const subprogram = add("DISubprogram", { name: { kind: "string", value: fn.name }, line: int(1) });
    const dbg = add("DILocation", { line: int(2), column: int(1), scope: ref(subprogram) });
    const variables = new Map(
      [...types].map(([bits, type]) => [
        bits,
        Array.from({ length: VARIABLES_PER_WIDTH }, (_, i) =>
          add("DILocalVariable", {
            name: { kind: "string", value: `v${bits}_${i}` },
            scope: ref(subprogram),
            type: ref(type),
          }),
        ),
      ]),
    );
    const blocks = fn.blocks.map((block): IrBlock => {
      const records: IrDebugRecord[] = [];
      const seen: IrValue[] = [];
      const phis = block.instructions.findIndex((insn) => insn.op !== "phi");
      block.instructions.forEach((insn, i) => {
        if (i >= phis && nextBelow(prng, 2) === 0) {
          const value = pick(seen, nextBelow(prng, 8), nextBelow(prng, 1000));
          const bits = value?.type.kind === "int" ? value.type.bits : value?.type.kind === "ptr" ? 64 : 0;
          const variable = variables.get(bits)?.[nextBelow(prng, VARIABLES_PER_WIDTH)];
          if (value !== null && variable !== undefined) {
            const expression = bits === 64 && nextBelow(prng, 4) === 0 ? plus(nextBelow(prng, 100)) : EMPTY;
            records.push({ kind: "value", before: i, values: [value], variable, expression, dbg });
          }
        }
        if (insn.result >= 0) seen.push({ kind: "local", type: insn.type, index: insn.result });
      });
      return { instructions: block.instructions.map((insn): IrInstruction => ({ ...insn, dbg })), records };
    });
    return { ...fn, blocks, subprogram };
  });
  return { ...module, functions, metadata: { ...module.metadata, nodes } };
}

/** One of the latest values, or a constant. */
function pick(seen: readonly IrValue[], back: number, constant: number): IrValue | null {
  if (back === 7) return { kind: "int", type: { kind: "int", bits: 32 }, value: BigInt(constant) };
  return seen.at(-1 - back) ?? null;
}

function expressionOf(elements: readonly MetadataValue[]): MetadataNode {
  return { id: null, distinct: false, tag: "DIExpression", fields: new Map(), elements };
}

const EMPTY = expressionOf([]);

function plus(bytes: number): MetadataNode {
  return expressionOf([
    { kind: "word", value: "DW_OP_plus_uconst" },
    { kind: "int", value: BigInt(bytes) },
    { kind: "word", value: "DW_OP_stack_value" },
  ]);
}
