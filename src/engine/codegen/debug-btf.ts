import type { Btf, BtfId, BtfType } from "../btf/types.ts";
import type { MetadataNode, MetadataTable, MetadataValue } from "../ir/metadata.ts";
import type { CompiledFunction, CompiledGlobal, CompiledModule } from "./compiled-module.ts";
import { fieldNode, fieldNumber, fieldText } from "./select/module-context.ts";

/** BTF made of debug metadata, with the FUNC of each function. */
export interface DebugBtf {
  readonly btf: Btf;
  readonly functions: ReadonlyMap<string, BtfId>;
}

/** Where each static variable lies in its section: for DATASECs. */
export type OffsetOf = (global: CompiledGlobal) => number;

/**
 * Types in the order in which LLVM's BPF back end numbers them: maps first, then each function with what it refers to, then
 * the other variables, the data sections by name, and at last forward declarations of what only pointers mention.
 */
export function makeDebugBtf(module: CompiledModule, offsetOf: OffsetOf): DebugBtf {
  return new Builder(module, offsetOf).build();
}

/** Maps in maps nest once; wrappers a little deeper. */
const MAX_MAP_DEPTH = 8;

type Mutable<T> = { -readonly [K in keyof T]: T[K] };
type Kind<K extends BtfType["kind"]> = Mutable<Extract<BtfType, { kind: K }>>;

class Builder {
  readonly #module: CompiledModule;
  readonly #offsetOf: OffsetOf;
  readonly #table: MetadataTable;
  readonly #types: BtfType[] = [{ kind: "void" }];
  readonly #ids = new Map<MetadataNode, BtfId>();
  readonly #functions = new Map<string, BtfId>();
  /** Pointers (or qualifiers below one) whose pointee is named only at the end. */
  readonly #pending = new Map<MetadataNode, { type: BtfId }[]>();
  readonly #sections = new Map<string, { type: BtfId; offset: number; size: number }[]>();
  /** Links to be filled once the target has its number. */
  readonly #links: { readonly from: { type: BtfId }; readonly to: MetadataNode }[] = [];
  #arrayIndex: BtfId = 0;

  constructor(module: CompiledModule, offsetOf: OffsetOf) {
    this.#module = module;
    this.#offsetOf = offsetOf;
    this.#table = module.metadata;
  }

  build(): DebugBtf {
    const { functions, globals, externFunctions } = this.#module;
    for (const g of globals) if (g.section.startsWith(".maps")) this.#global(g, true);
    const externs = new Map(externFunctions.map((f) => [f.name, f]));
    for (const fn of functions) {
      this.#function(fn);
      for (const { symbol } of fn.references) {
        const extern = externs.get(symbol);
        if (extern === undefined || !externs.delete(symbol)) continue;
        this.#externFunction(extern);
      }
    }
    for (const g of globals) if (!g.section.startsWith(".maps")) this.#global(g, false);
    for (const name of [...this.#sections.keys()].sort()) {
      this.#add({ kind: "datasec", name, size: 0, vars: this.#sections.get(name) ?? [] });
    }
    for (const [node, holders] of this.#pending) {
      const known = this.#ids.get(node);
      const id =
        known ??
        this.#add({ kind: "fwd", name: fieldText(node, "name"), union: wordOf(node, "tag") === "DW_TAG_union_type" });
      for (const holder of holders) holder.type = id;
    }
    for (const { from, to } of this.#links) from.type = this.#ids.get(to) ?? 0;
    return { btf: { types: this.#types }, functions: this.#functions };
  }

  #add(type: BtfType, node?: MetadataNode): BtfId {
    this.#types.push(type);
    const id = this.#types.length - 1;
    if (node !== undefined) this.#ids.set(node, id);
    return id;
  }

  #node(value: MetadataValue | undefined): MetadataNode | undefined {
    if (value?.kind === "node") return value.node;
    return value?.kind === "ref" ? this.#table.nodes.get(value.id) : undefined;
  }

  #elements(node: MetadataNode | undefined, field: string): MetadataNode[] {
    const list = fieldNode(this.#table, node, field);
    return (list?.elements ?? []).flatMap((e) => this.#node(e) ?? []);
  }

  #tags(node: MetadataNode | undefined, kind: string): string[] {
    return this.#elements(node, "annotations").flatMap((a) => {
      const [name, value] = a.elements;
      return name?.kind === "string" && name.value === kind && value?.kind === "string" ? [value.value] : [];
    });
  }

  #declTags(node: MetadataNode | undefined, type: BtfId, componentIndex: number): void {
    for (const name of this.#tags(node, "btf_decl_tag")) this.#add({ kind: "decl_tag", name, type, componentIndex });
  }

  // Functions and variables

  #function(fn: CompiledFunction): void {
    const subprogram = fn.subprogram === null ? undefined : this.#table.nodes.get(fn.subprogram);
    if (subprogram === undefined) return;
    const names = new Map<number, string>();
    const retained = this.#elements(subprogram, "retainedNodes").filter(isArgument);
    const variables = retained.length > 0 ? retained : this.#argumentsOf(fn.subprogram as number);
    for (const variable of variables) {
      names.set(fieldNumber(variable, "arg"), fieldText(variable, "name"));
      this.#type(fieldNode(this.#table, variable, "type"), false, false);
    }
    const proto = this.#prototype(fieldNode(this.#table, subprogram, "type"), names);
    const isStatic = wordOf(subprogram, "spFlags").includes("DISPFlagLocalToUnit");
    const id = this.#add({
      kind: "func",
      name: fieldText(subprogram, "name"),
      type: proto,
      linkage: isStatic ? "static" : "global",
    });
    this.#functions.set(fn.name, id);
    for (const variable of variables) this.#declTags(variable, id, fieldNumber(variable, "arg") - 1);
    this.#declTags(subprogram, id, -1);
  }

  /** Without optimisation clang retains no variables: the arguments are those that name the function as their scope. */
  #argumentsOf(subprogram: number): MetadataNode[] {
    const own = [...this.#table.nodes.values()].filter((node) => {
      const scope = isArgument(node) ? node.fields.get("scope") : undefined;
      return scope?.kind === "ref" && scope.id === subprogram;
    });
    return own.sort((a, b) => fieldNumber(a, "arg") - fieldNumber(b, "arg"));
  }

  #externFunction(fn: CompiledModule["externFunctions"][number]): void {
    const subprogram = fn.subprogram === null ? undefined : this.#table.nodes.get(fn.subprogram);
    // Only what no source declares has a section but no debug metadata: a function without parameters.
    if (subprogram === undefined && fn.section === "") return;
    const proto = this.#prototype(fieldNode(this.#table, subprogram, "type"), new Map());
    const id = this.#add({ kind: "func", name: fn.name, type: proto, linkage: "extern" });
    this.#declTags(subprogram, id, -1);
    if (fn.section !== "") this.#place(fn.section, id, 0, 0);
  }

  #place(section: string, type: BtfId, offset: number, size: number): void {
    const list = this.#sections.get(section);
    if (list === undefined) this.#sections.set(section, [{ type, offset, size }]);
    else list.push({ type, offset, size });
  }

  #global(global: CompiledGlobal, isMap: boolean): void {
    const debug = global.debug === null ? undefined : this.#table.nodes.get(global.debug);
    const variable = fieldNode(this.#table, debug, "var") ?? debug;
    if (variable?.tag !== "DIGlobalVariable") return;
    const type = fieldNode(this.#table, variable, "type");
    if (isMap) this.#mapDefinition(type, 0);
    const typeId = this.#type(type, false, false);
    if (global.linkage === "private") return;
    const linkage = global.linkage === "extern" ? "extern" : global.linkage === "static" ? "static" : "global";
    const varType: Kind<"var"> = { kind: "var", name: global.name, type: typeId, linkage };
    const id = this.#add(varType);
    this.#declTags(variable, id, -1);
    if (global.section === "") return;
    this.#place(global.section, id, linkage === "static" ? this.#offsetOf(global) : 0, global.size);
  }

  /** What a map's members point to is needed whole, the template of inner maps and programs included. */
  #mapDefinition(type: MetadataNode | undefined, depth: number): void {
    if (type === undefined || depth > MAX_MAP_DEPTH) return;
    if (type.tag === "DICompositeType" && wordOf(type, "tag") === "DW_TAG_array_type") {
      const element = fieldNode(this.#table, type, "baseType");
      if (element?.tag === "DIDerivedType" && wordOf(element, "tag") === "DW_TAG_pointer_type") {
        this.#mapDefinition(fieldNode(this.#table, element, "baseType"), depth + 1);
      }
    } else if (type.tag === "DICompositeType" && wordOf(type, "tag") === "DW_TAG_structure_type") {
      for (const member of this.#elements(type, "elements")) {
        const base = fieldNode(this.#table, member, "baseType");
        if (base?.tag === "DICompositeType") this.#mapDefinition(base, depth + 1);
        this.#type(base, false, false);
      }
    }
    this.#type(type, false, false);
  }

  /** A prototype of its own for each function: parameter names are part of it. */
  #prototype(routine: MetadataNode | undefined, names: ReadonlyMap<number, string>, node?: MetadataNode): BtfId {
    const list = fieldNode(this.#table, routine, "types")?.elements ?? [];
    const params = list.slice(1).map((_, i) => ({ name: names.get(i + 1) ?? "", type: 0 }));
    const proto: Kind<"func_proto"> = { kind: "func_proto", returnType: 0, params };
    const id = this.#add(proto, node);
    list.forEach((value, i) => {
      const type = this.#type(this.#node(value), false, false);
      if (i === 0) proto.returnType = type;
      else (params[i - 1] as { type: BtfId }).type = type;
    });
    return id;
  }

  // Types

  /**
   * The number of a type, which is visited when it is new. `prune`: below a struct's member, where the first pointer to a named
   * struct ends the visit; `pointer`: such a pointer has been passed.
   */
  #type(node: MetadataNode | undefined, prune: boolean, pointer: boolean): BtfId {
    if (node === undefined) return 0;
    const known = this.#ids.get(node);
    if (known !== undefined) {
      if (!prune || !pointer) this.#completeChain(node, prune, pointer);
      return known;
    }
    switch (node.tag) {
      case "DIBasicType":
        return this.#basic(node);
      case "DICompositeType":
        return this.#composite(node);
      case "DIDerivedType":
        return this.#derived(node, prune, pointer);
      case "DISubroutineType":
        return this.#prototype(node, new Map(), node);
      default:
        return 0;
    }
  }

  /** A chain that was cut short below a member is visited to its end when it is met elsewhere. */
  #completeChain(start: MetadataNode, prune: boolean, pointerBefore: boolean): void {
    let pointer = pointerBefore;
    let node: MetadataNode | undefined = start;
    for (let i = 0; node?.tag === "DIDerivedType" && i < 1000; i++) {
      const base: MetadataNode | undefined = fieldNode(this.#table, node, "baseType");
      if (base === undefined) return;
      if (this.#ids.has(base)) {
        node = base;
        continue;
      }
      if (prune && wordOf(node, "tag") === "DW_TAG_pointer_type" && !pointer) {
        pointer = true;
        if (isNamedStruct(base)) return;
      }
      this.#type(base, prune, pointer);
      return;
    }
  }

  #basic(node: MetadataNode): BtfId {
    const bits = fieldNumber(node, "size");
    const name = fieldText(node, "name");
    const encoding = wordOf(node, "encoding");
    if (encoding === "DW_ATE_float") return this.#add({ kind: "float", name, size: bits / 8 }, node);
    const signed = encoding === "DW_ATE_signed" || encoding === "DW_ATE_signed_char";
    return this.#add(
      {
        kind: "int",
        name,
        size: Math.ceil(bits / 8),
        bits,
        bitOffset: 0,
        encoding: signed ? "signed" : encoding === "DW_ATE_boolean" ? "bool" : "unsigned",
      },
      node,
    );
  }

  #composite(node: MetadataNode): BtfId {
    const name = fieldText(node, "name");
    const forward = wordOf(node, "flags").includes("DIFlagFwdDecl");
    switch (wordOf(node, "tag")) {
      case "DW_TAG_structure_type":
      case "DW_TAG_class_type":
        return forward ? this.#add({ kind: "fwd", name, union: false }, node) : this.#struct(node, "struct");
      case "DW_TAG_union_type":
        return forward ? this.#add({ kind: "fwd", name, union: true }, node) : this.#struct(node, "union");
      case "DW_TAG_array_type":
        return this.#array(node);
      case "DW_TAG_enumeration_type":
        return this.#enumeration(node, forward);
      default:
        return 0;
    }
  }

  #struct(node: MetadataNode, kind: "struct" | "union"): BtfId {
    const elements = this.#elements(node, "elements").filter((e) => wordOf(e, "tag") === "DW_TAG_member");
    const members = elements.map((member) => ({
      name: fieldText(member, "name"),
      type: 0,
      bitOffset: fieldNumber(member, "offset"),
      bitSize: wordOf(member, "flags").includes("DIFlagBitField") ? fieldNumber(member, "size") : 0,
    }));
    const size = Math.ceil(fieldNumber(node, "size") / 8);
    const id = this.#add({ kind, name: fieldText(node, "name"), size, members }, node);
    this.#declTags(node, id, -1);
    elements.forEach((member, i) => {
      this.#link(members[i] as { type: BtfId }, fieldNode(this.#table, member, "baseType"), true, false);
      this.#declTags(member, id, i);
    });
    return id;
  }

  /** Visits `to` and stores its number in `from`, at once or when it has one. */
  #link(from: { type: BtfId }, to: MetadataNode | undefined, prune: boolean, pointer: boolean): void {
    if (to === undefined) return;
    from.type = this.#type(to, prune, pointer);
    this.#links.push({ from, to });
  }

  #array(node: MetadataNode): BtfId {
    let element = this.#type(fieldNode(this.#table, node, "baseType"), false, false);
    const ranges = this.#elements(node, "elements").filter((e) => e.tag === "DISubrange");
    const arrays: Kind<"array">[] = [];
    for (let i = ranges.length - 1; i >= 0; i--) {
      const count = Math.max(0, fieldNumber(ranges[i], "count"));
      const array: Kind<"array"> = { kind: "array", type: element, indexType: this.#arrayIndex, count };
      element = this.#add(array, i === 0 ? node : undefined);
      arrays.push(array);
    }
    if (this.#arrayIndex === 0) {
      this.#arrayIndex = this.#add({
        kind: "int",
        name: "__ARRAY_SIZE_TYPE__",
        size: 4,
        bits: 32,
        bitOffset: 0,
        encoding: "unsigned",
      });
    }
    for (const array of arrays) array.indexType = this.#arrayIndex;
    return element;
  }

  #enumeration(node: MetadataNode, forward: boolean): BtfId {
    const bits = fieldNumber(node, "size");
    const base = fieldNode(this.#table, node, "baseType");
    const values = forward
      ? []
      : this.#elements(node, "elements").map((e) => {
          const value = e.fields.get("value");
          return { name: fieldText(e, "name"), value: value?.kind === "int" ? value.value : 0n };
        });
    const signed = this.#isSigned(base);
    return this.#add(
      { kind: "enum", name: fieldText(node, "name"), size: Math.ceil(bits / 8) || 4, signed, values, wide: bits > 32 },
      node,
    );
  }

  #isSigned(base: MetadataNode | undefined): boolean {
    let node = base;
    for (let i = 0; node?.tag === "DIDerivedType" && i < 100; i++) node = fieldNode(this.#table, node, "baseType");
    return wordOf(node, "encoding").startsWith("DW_ATE_signed");
  }

  #derived(node: MetadataNode, prune: boolean, pointerBefore: boolean): BtfId {
    const tag = wordOf(node, "tag");
    const base = fieldNode(this.#table, node, "baseType");
    const pointer = pointerBefore || (prune && tag === "DW_TAG_pointer_type");
    switch (tag) {
      case "DW_TAG_member":
        return this.#type(base, true, false);
      case "DW_TAG_atomic_type": {
        const id = this.#type(base, prune, pointer);
        this.#ids.set(node, id);
        return id;
      }
      case "DW_TAG_pointer_type": {
        const tags = this.#tags(node, "btf_type_tag");
        if (tags.length > 0) return this.#taggedPointer(node, base, tags, prune, pointer);
        const ptr: Kind<"ptr"> = { kind: "ptr", type: 0 };
        return this.#chain(ptr, node, base, prune, pointer);
      }
      case "DW_TAG_typedef": {
        const typedef: Kind<"typedef"> = { kind: "typedef", name: fieldText(node, "name"), type: 0 };
        return this.#chain(typedef, node, base, prune, pointer);
      }
      case "DW_TAG_const_type":
        return this.#chain({ kind: "const", type: 0 } as Kind<"const">, node, base, prune, pointer);
      case "DW_TAG_volatile_type":
        return this.#chain({ kind: "volatile", type: 0 } as Kind<"volatile">, node, base, prune, pointer);
      case "DW_TAG_restrict_type":
        return this.#chain({ kind: "restrict", type: 0 } as Kind<"restrict">, node, base, prune, pointer);
      default:
        return 0;
    }
  }

  #chain(
    type: BtfType & { type: BtfId },
    node: MetadataNode,
    base: MetadataNode | undefined,
    prune: boolean,
    pointer: boolean,
  ): BtfId {
    const id = this.#add(type, node);
    if (type.kind === "typedef") this.#declTags(node, id, -1);
    if (base === undefined) return id;
    if (prune && pointer && isNamedStruct(base)) {
      const holders = this.#pending.get(base);
      if (holders === undefined) this.#pending.set(base, [type]);
      else holders.push(type);
      return id;
    }
    this.#link(type, base, prune, pointer);
    return id;
  }

  /** PTR -> last tag -> … -> first tag -> pointee; the tags are numbered before the pointer. */
  #taggedPointer(
    node: MetadataNode,
    base: MetadataNode | undefined,
    tags: readonly string[],
    prune: boolean,
    pointer: boolean,
  ): BtfId {
    let inner: BtfId = 0;
    let first: Kind<"type_tag"> | null = null;
    for (const name of tags) {
      const tag: Kind<"type_tag"> = { kind: "type_tag", name, type: inner };
      first ??= tag;
      inner = this.#add(tag);
    }
    const id = this.#add({ kind: "ptr", type: inner }, node);
    if (first !== null) this.#link(first, base, prune, pointer);
    return id;
  }
}

function wordOf(node: MetadataNode | undefined, field: string): string {
  const value = node?.fields.get(field);
  return value?.kind === "word" ? value.value : "";
}

/** A complete struct or union that a forward declaration can stand for. */
function isNamedStruct(node: MetadataNode): boolean {
  const tag = wordOf(node, "tag");
  return (
    node.tag === "DICompositeType" &&
    (tag === "DW_TAG_structure_type" || tag === "DW_TAG_union_type") &&
    fieldText(node, "name") !== "" &&
    !wordOf(node, "flags").includes("DIFlagFwdDecl")
  );
}

function isArgument(node: MetadataNode): boolean {
  return node.tag === "DILocalVariable" && fieldNumber(node, "arg") > 0;
}
