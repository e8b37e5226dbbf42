import type { Diagnostic } from "../base/diagnostic.ts";
import type { Result } from "../base/result.ts";
import { err, ok } from "../base/result.ts";
import type { MetadataTable } from "../ir/metadata.ts";
import type { IrFunction, IrLinkage, IrModule } from "../ir/module.ts";
import { allocateRegisters } from "./allocate.ts";
import type { CompiledFunction, CompiledGlobal, CompiledModule } from "./compiled-module.ts";
import { mergeChains, reachable, simplifyControlFlow } from "./control-flow.ts";
import { locateVariables } from "./debug/locate.ts";
import { Scopes } from "./debug/scopes.ts";
import { type EncodedFunction, encodeFunction } from "./encode.ts";
import { layOutFrame, STACK_MESSAGE } from "./frame.ts";
import { compileGlobal } from "./globals.ts";
import type { MachineFunction, Mark } from "./machine.ts";
import { removeRedundantMoves } from "./redundant.ts";
import { TRAP } from "./select/intrinsics.ts";
import {
  type CpuVersion,
  errorAt,
  featuresOf,
  fieldNode,
  fieldNumber,
  type ModuleContext,
  makeContext,
} from "./select/module-context.ts";
import { selectFunction } from "./select/select-function.ts";

const TEXT = ".text";

/** Compiles every function and lays out every global. The error names each construct that BPF, or this compiler, cannot do. */
export function compileModule(module: IrModule, cpuVersion: CpuVersion): Result<CompiledModule, readonly Diagnostic[]> {
  const context = makeContext(module, featuresOf(cpuVersion));
  const diagnostics: Diagnostic[] = [];
  const functions: CompiledFunction[] = [];
  if (module.assembly.some((line) => line.trim() !== "")) {
    diagnostics.push({ severity: "error", message: "file-scope assembly is not supported" });
  }
  for (const name of module.aliases) {
    diagnostics.push({ severity: "error", message: `'${name}' is an alias, which BPF's loaders do not know` });
  }
  const scopes = new Scopes(module.metadata);
  for (const fn of module.functions) {
    if (fn.declaration || fn.linkage === "available_externally") continue;
    const compiled = compileFunction(context, fn, scopes, diagnostics);
    if (compiled !== null) functions.push(compiled);
  }
  const used = new Set(functions.flatMap((f) => f.references.map((r) => r.symbol)));
  const globals: CompiledGlobal[] = [];
  for (const global of module.globals) {
    if (global.name.startsWith("llvm.")) continue;
    if (context.helperVariables.has(global.name) && !used.has(global.name)) continue;
    globals.push(compileGlobal(global, module.metadata, diagnostics));
  }
  if (diagnostics.length > 0) return err(diagnostics);
  return ok({
    sourceFile: module.sourceFile,
    functions,
    globals: globals.filter(
      (g) => g.bytes !== null || g.linkage !== "extern" || used.has(g.name) || pointedTo(globals, g.name),
    ),
    externFunctions: externFunctions(module, used),
    metadata: module.metadata,
  });
}

function externFunctions(module: IrModule, used: ReadonlySet<string>): CompiledModule["externFunctions"] {
  const declared = module.functions
    .filter((f) => (f.declaration || f.linkage === "available_externally") && used.has(f.name))
    .map((f) => ({ name: f.name, weak: f.linkage === "extern_weak", section: f.section, subprogram: f.subprogram }));
  // Nobody declares the kfunc of __builtin_trap.
  const trap = used.has(TRAP) && !module.functions.some((f) => f.name === TRAP);
  return trap ? [...declared, { name: TRAP, weak: true, section: ".ksyms", subprogram: null }] : declared;
}

function pointedTo(globals: readonly CompiledGlobal[], name: string): boolean {
  return globals.some((g) => g.pointers.some((p) => p.symbol === name));
}

function compileFunction(
  context: ModuleContext,
  fn: IrFunction,
  scopes: Scopes,
  diagnostics: Diagnostic[],
): CompiledFunction | null {
  const machine = selectFunction(context, fn);
  if (machine.diagnostics.length > 0) {
    diagnostics.push(...machine.diagnostics);
    return null;
  }
  const { metadata } = context.module;
  simplifyControlFlow(machine);
  if (!fn.naked) endEveryPath(machine);
  mergeChains(machine);
  if (!allocateRegisters(machine)) {
    diagnostics.push(errorAt(metadata, `'${fn.name}' needs more registers at once than BPF has`, -1, fn.subprogram));
    return null;
  }
  removeRedundantMoves(machine);
  simplifyControlFlow(machine);
  mergeChains(machine);
  const crossed = layOutFrame(machine);
  if (crossed >= 0) {
    diagnostics.push(errorAt(metadata, STACK_MESSAGE, machine.slots[crossed]?.dbg ?? -1, fn.subprogram));
    return null;
  }
  const encoded = encodeFunction(machine, context.cpu);
  if (!encoded.ok) {
    diagnostics.push(errorAt(metadata, encoded.error.message, encoded.error.dbg, fn.subprogram));
    return null;
  }
  const { insns, references, places } = encoded.value;
  return {
    name: fn.name,
    section: fn.section === "" ? TEXT : fn.section,
    linkage: functionLinkage(fn.linkage),
    hidden: fn.hidden,
    insns,
    references,
    lines: lineRecords(metadata, places, fn.subprogram),
    variables: fn.subprogram === null ? [] : locateVariables(machine, encoded.value, metadata, scopes, fn.subprogram),
    moments: momentsOf(machine, encoded.value),
    subprogram: fn.subprogram,
  };
}

export function functionLinkage(linkage: IrLinkage): CompiledFunction["linkage"] {
  if (linkage === "internal" || linkage === "private") return "static";
  return linkage === "weak" ? "weak" : "global";
}

/** Control that would run off the end (after a call that never returns) returns 0: the verifier wants an end of every path. */
function endEveryPath(machine: MachineFunction): void {
  for (const id of reachable(machine)) {
    const block = machine.blocks[id];
    // Assembly that stands last has left by itself.
    if (block?.term.kind !== "none" || block.insns.at(-1)?.op === "asm") continue;
    block.insns.push({ op: "imm", dst: 0, imm: 0, width: 64, dbg: -1 });
    block.term = { kind: "exit", value: true, dbg: -1 };
  }
}

/** The marks that stand before each slot, where there are any. */
function momentsOf(machine: MachineFunction, code: EncodedFunction): CompiledFunction["moments"] {
  const moments: { insn: number; marks: readonly Mark[] }[] = [];
  let bound = 0;
  for (const id of code.order) {
    const block = machine.blocks[id];
    if (block === undefined) continue;
    for (const { marks } of [...block.insns, { marks: block.marks }]) {
      const insn = code.bounds[bound++] as number;
      // A terminator that falls through has no slot: what follows is reached in other ways as well.
      if (marks !== undefined && marks.length > 0 && code.bounds[bound] !== insn) moments.push({ insn, marks });
    }
  }
  return moments;
}

function lineRecords(
  metadata: MetadataTable,
  places: readonly number[],
  subprogram: number | null,
): CompiledFunction["lines"] {
  const lines: { insn: number; line: number; column: number; scope: number }[] = [];
  if (subprogram === null) return lines;
  let last = "";
  places.forEach((dbg, insn) => {
    const location = dbg < 0 ? undefined : metadata.nodes.get(dbg);
    const line = fieldNumber(location, "line");
    if (location === undefined || line === 0) {
      if (insn === 0) {
        lines.push({ insn, line: fieldNumber(metadata.nodes.get(subprogram), "line"), column: 0, scope: subprogram });
      }
      return;
    }
    const column = fieldNumber(location, "column");
    const scope = fieldNode(metadata, location, "scope")?.id ?? subprogram;
    const key = `${line}:${column}:${scope}`;
    if (key === last) return;
    last = key;
    lines.push({ insn, line, column, scope });
  });
  return lines;
}
