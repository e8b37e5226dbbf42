import type { Diagnostic } from "../base/diagnostic.ts";
import type { MetadataTable } from "../ir/metadata.ts";
import type { IrGlobal, IrValue } from "../ir/module.ts";
import { alignOf, elementType, type IrType, offsetOf, sizeOf, storeSizeOf } from "../ir/types.ts";
import type { CompiledGlobal } from "./compiled-module.ts";
import { errorAt, fieldNode } from "./select/module-context.ts";

/** Lays out a global variable's initialiser and decides which section holds it. */
export function compileGlobal(global: IrGlobal, metadata: MetadataTable, diagnostics: Diagnostic[]): CompiledGlobal {
  const size = sizeOf(global.type);
  const extern = global.initialiser === null;
  const image = new Uint8Array(extern ? 0 : size);
  const pointers: { offset: number; symbol: string; addend: number }[] = [];
  const fail = (message: string): void => {
    diagnostics.push(globalError(metadata, `variable '${global.name}': ${message}`, global.debug));
  };
  if (global.threadLocal) fail("thread-local storage is not supported by BPF");
  if (global.initialiser !== null) write(image, pointers, global.initialiser, 0, fail);
  const empty = pointers.length === 0 && image.every((b) => b === 0);
  const section = extern ? global.section : global.section || sectionOf(global, image, empty, pointers.length > 0);
  return {
    name: global.name,
    section,
    linkage: linkageOf(global),
    weak: global.linkage === "extern_weak",
    hidden: global.hidden,
    constant: global.constant,
    align: global.align || alignOf(global.type),
    size,
    bytes: extern || isBss(section) ? null : image,
    pointers,
    debug: global.debug,
  };
}

export function isBss(section: string): boolean {
  return section === ".bss" || section.startsWith(".bss.");
}

function linkageOf(global: IrGlobal): CompiledGlobal["linkage"] {
  if (global.initialiser === null) return "extern";
  if (global.linkage === "internal") return "static";
  if (global.linkage === "private") return "private";
  return global.linkage === "weak" ? "weak" : "global";
}

/** As LLVM sorts constants: literals and small constants without an address of their own go where equal ones could be merged. */
function sectionOf(global: IrGlobal, image: Uint8Array, empty: boolean, hasPointers: boolean): string {
  if (!global.constant) return empty ? ".bss" : ".data";
  if (global.unnamed && !hasPointers) {
    if (isText(global.type, image)) return ".rodata.str1.1";
    if ([4, 8, 16, 32].includes(image.length)) return `.rodata.cst${image.length}`;
  }
  return ".rodata";
}

/** An array of bytes whose only zero is its last. */
function isText(type: IrType, image: Uint8Array): boolean {
  return (
    type.kind === "array" &&
    type.element.kind === "int" &&
    type.element.bits === 8 &&
    image.length > 0 &&
    image.indexOf(0) === image.length - 1
  );
}

function write(
  image: Uint8Array,
  pointers: { offset: number; symbol: string; addend: number }[],
  value: IrValue,
  offset: number,
  fail: (message: string) => void,
): void {
  switch (value.kind) {
    case "int": {
      const size = value.type.kind === "ptr" ? 8 : storeSizeOf(value.type);
      for (let i = 0; i < size; i++) image[offset + i] = Number((value.value >> BigInt(i * 8)) & 0xffn);
      return;
    }
    case "global":
      if (sizeOf(value.type) !== 8) fail("an address does not fit into fewer than 64 bits");
      pointers.push({ offset, symbol: value.name, addend: value.addend });
      return;
    case "bytes":
      image.set(value.bytes.subarray(0, Math.max(0, image.length - offset)), offset);
      return;
    case "aggregate":
      value.elements.forEach((element, i) => {
        if (elementType(value.type, i) !== undefined) {
          write(image, pointers, element, offset + offsetOf(value.type, i), fail);
        }
      });
      return;
    case "zero":
    case "undef":
      return;
    case "local":
      fail("its initial value is no constant");
      return;
    case "unsupported":
      fail(`its initial value is not supported: ${value.text}`);
      return;
  }
}

function globalError(metadata: MetadataTable, message: string, debug: number | null): Diagnostic {
  const expression = debug === null ? undefined : metadata.nodes.get(debug);
  const variable = fieldNode(metadata, expression, "var") ?? expression;
  return errorAt(metadata, message, variable?.id ?? -1, variable?.id ?? null);
}
