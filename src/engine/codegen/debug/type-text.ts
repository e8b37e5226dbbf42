import type { VariableEncoding } from "../../btf/variable-table.ts";
import type { MetadataNode, MetadataTable } from "../../ir/metadata.ts";
import { fieldNode, fieldNumber, fieldText } from "../select/module-context.ts";

const wordOf = (node: MetadataNode, field: string): string => {
  const value = node.fields.get(field);
  return value?.kind === "word" ? value.value : "";
};

/** A type as C writes it in front of a name; what is nameless is named by its kind. */
export function typeText(table: MetadataTable, node: MetadataNode | undefined, depth = 0): string {
  if (node === undefined) return "void";
  if (depth > 20) return "…";
  const name = fieldText(node, "name");
  const base = (): string => typeText(table, fieldNode(table, node, "baseType"), depth + 1);
  switch (wordOf(node, "tag")) {
    case "DW_TAG_pointer_type": {
      const target = base();
      if (target.endsWith(")")) return target.replace("(", "(*)(");
      return target.endsWith("*") ? `${target}*` : `${target} *`;
    }
    case "DW_TAG_const_type":
      return `const ${base()}`;
    case "DW_TAG_volatile_type":
      return `volatile ${base()}`;
    case "DW_TAG_restrict_type":
    case "DW_TAG_atomic_type":
      return base();
    case "DW_TAG_array_type": {
      const elements = fieldNode(table, node, "elements")?.elements ?? [];
      const dimensions = elements.map((e) => {
        const range = e.kind === "ref" ? table.nodes.get(e.id) : e.kind === "node" ? e.node : undefined;
        const count = range?.fields.get("count");
        return count?.kind === "int" ? `[${count.value}]` : "[]";
      });
      return `${base()}${dimensions.join("")}`;
    }
    case "DW_TAG_structure_type":
      return name === "" ? "struct" : `struct ${name}`;
    case "DW_TAG_union_type":
      return name === "" ? "union" : `union ${name}`;
    case "DW_TAG_enumeration_type":
      return name === "" ? "enum" : `enum ${name}`;
    default:
      if (node.tag !== "DISubroutineType") return name === "" ? base() : name;
  }
  const [result, ...args] = (fieldNode(table, node, "types")?.elements ?? []).map((e) =>
    e.kind === "ref" ? typeText(table, table.nodes.get(e.id), depth + 1) : "void",
  );
  return `${result ?? "void"} (${args.join(", ")})`;
}

/** Bits of a type, and how its bits are to be read. */
export function typeShape(
  table: MetadataTable,
  start: MetadataNode | undefined,
): { readonly size: number; readonly encoding: VariableEncoding } {
  let node = start;
  for (let i = 0; node !== undefined && i < 100; i++) {
    const tag = wordOf(node, "tag");
    if (tag === "DW_TAG_pointer_type") return { size: 64, encoding: "pointer" };
    if (node.tag === "DIBasicType") {
      const encoding = wordOf(node, "encoding");
      const size = fieldNumber(node, "size");
      if (encoding === "DW_ATE_boolean") return { size, encoding: "bool" };
      return { size, encoding: encoding.startsWith("DW_ATE_signed") ? "signed" : "unsigned" };
    }
    if (tag === "DW_TAG_enumeration_type") {
      const under = typeShape(table, fieldNode(table, node, "baseType"));
      return { size: fieldNumber(node, "size"), encoding: under.encoding === "signed" ? "signed" : "unsigned" };
    }
    if (node.tag === "DICompositeType") return { size: fieldNumber(node, "size"), encoding: "other" };
    node = fieldNode(table, node, "baseType");
  }
  return { size: 0, encoding: "other" };
}
