import type { Diagnostic } from "../../base/diagnostic.ts";
import { pointSpan } from "../../base/diagnostic.ts";
import type { MetadataNode, MetadataTable, MetadataValue } from "../../ir/metadata.ts";
import type { IrFunction, IrGlobal, IrModule } from "../../ir/module.ts";

export type CpuVersion = "v1" | "v2" | "v3" | "v4";

/** What the chosen CPU version has. */
export interface CpuFeatures {
  /** 32-bit registers and JMP32 (v3). */
  readonly alu32: boolean;
  /** `<`, `<=` and their signed forms (v2). */
  readonly jumpLess: boolean;
  /** movsx, ldsx, bswap, sdiv, smod, gotol, store of an immediate, load_acquire, store_release. */
  readonly v4: boolean;
}

export function featuresOf(version: CpuVersion): CpuFeatures {
  return { alu32: version >= "v3", jumpLess: version >= "v2", v4: version === "v4" };
}

/** What selection needs to know of the module around a function. */
export interface ModuleContext {
  readonly module: IrModule;
  readonly cpu: CpuFeatures;
  readonly functions: ReadonlyMap<string, IrFunction>;
  readonly globals: ReadonlyMap<string, IrGlobal>;
  /** At -O0 helpers are called through variables: those never written, with the number that they hold. */
  readonly helperVariables: ReadonlyMap<string, bigint>;
}

export function makeContext(module: IrModule, cpu: CpuFeatures): ModuleContext {
  const globals = new Map(module.globals.map((g) => [g.name, g]));
  const candidates = new Map<string, bigint>();
  for (const g of module.globals) {
    const fixed = g.constant || g.linkage === "internal" || g.linkage === "private";
    if (fixed && g.type.kind === "ptr" && g.section === "" && g.initialiser?.kind === "int") {
      candidates.set(g.name, g.initialiser.value);
    }
  }
  // One use other than a plain load, and the variable may change.
  const spoil = (value: unknown): void => {
    if (candidates.size === 0 || typeof value !== "object" || value === null) return;
    if (Array.isArray(value)) {
      for (const v of value) spoil(v);
      return;
    }
    const v = value as { kind?: string; name?: string };
    if (v.kind === "global" && v.name !== undefined) {
      if (globals.get(v.name)?.constant !== true) candidates.delete(v.name);
    } else if (v.kind === "aggregate") spoil((value as { elements: unknown }).elements);
  };
  for (const g of module.globals) spoil(g.initialiser);
  for (const fn of module.functions) {
    for (const block of fn.blocks) {
      for (const insn of block.instructions) {
        if (insn.op === "load" && insn.address.kind === "global" && insn.address.addend === 0 && !insn.volatile)
          continue;
        if (insn.op === "call") {
          spoil(insn.callee);
          for (const arg of insn.args) spoil(arg.value);
        } else if (insn.op === "phi") for (const i of insn.incoming) spoil(i.value);
        else for (const operand of Object.values(insn)) spoil(operand);
      }
    }
  }
  return {
    module,
    cpu,
    functions: new Map(module.functions.map((f) => [f.name, f])),
    globals,
    helperVariables: candidates,
  };
}

function refId(value: MetadataValue | undefined): number | null {
  return value?.kind === "ref" ? value.id : null;
}

/** The node that a field refers to, or holds. */
export function fieldNode(
  table: MetadataTable,
  node: MetadataNode | undefined,
  field: string,
): MetadataNode | undefined {
  const value = node?.fields.get(field);
  if (value?.kind === "node") return value.node;
  const id = refId(value);
  return id === null ? undefined : table.nodes.get(id);
}

export function fieldNumber(node: MetadataNode | undefined, field: string): number {
  const value = node?.fields.get(field);
  return value?.kind === "int" ? Number(value.value) : 0;
}

export function fieldText(node: MetadataNode | undefined, field: string): string {
  const value = node?.fields.get(field);
  return value?.kind === "string" ? value.value : "";
}

/** `directory/filename` of the DIFile that a scope lies in. */
export function fileOf(table: MetadataTable, scope: MetadataNode | undefined): string {
  let node = scope;
  for (let i = 0; node !== undefined && i < 100; i++) {
    const file = node.tag === "DIFile" ? node : fieldNode(table, node, "file");
    if (file !== undefined) {
      const name = fieldText(file, "filename");
      const directory = fieldText(file, "directory");
      return directory === "" || name.startsWith("/") ? name : `${directory}/${name}`;
    }
    node = fieldNode(table, node, "scope");
  }
  return "";
}

/** An error at a DILocation, else at a function's own line, else without a place. */
export function errorAt(table: MetadataTable, message: string, dbg: number, subprogram: number | null): Diagnostic {
  const location = dbg >= 0 ? table.nodes.get(dbg) : undefined;
  if (location !== undefined && fieldNumber(location, "line") > 0) {
    const scope = fieldNode(table, location, "scope");
    const column = Math.max(1, fieldNumber(location, "column"));
    return {
      severity: "error",
      message,
      span: pointSpan(fileName(table, scope), fieldNumber(location, "line"), column),
    };
  }
  const fn = subprogram === null ? undefined : table.nodes.get(subprogram);
  const line = fieldNumber(fn, "line");
  return line > 0
    ? { severity: "error", message, span: pointSpan(fileName(table, fn), line, 1) }
    : { severity: "error", message };
}

/** The file's name as the compiler was given it: diagnostics name files as clang's own do. */
function fileName(table: MetadataTable, scope: MetadataNode | undefined): string {
  let node = scope;
  for (let i = 0; node !== undefined && i < 100; i++) {
    const file = node.tag === "DIFile" ? node : fieldNode(table, node, "file");
    if (file !== undefined) return fieldText(file, "filename");
    node = fieldNode(table, node, "scope");
  }
  return "";
}
