/** Metadata of LLVM IR, as read; ids are the numbers of `!N`. */
export type MetadataValue =
  | { readonly kind: "ref"; readonly id: number }
  | { readonly kind: "string"; readonly value: string }
  | { readonly kind: "int"; readonly value: bigint }
  | { readonly kind: "bool"; readonly value: boolean }
  | { readonly kind: "null" }
  /** Bare words: DW_TAG_member, DIFlagPrototyped | DISPFlagDefinition … as written. */
  | { readonly kind: "word"; readonly value: string }
  /** A nested node such as !DIExpression(…) or an IR value such as `ptr @x`. */
  | { readonly kind: "node"; readonly node: MetadataNode }
  | { readonly kind: "value"; readonly text: string; readonly global: string | null };

export interface MetadataNode {
  /** null for a node written in place */
  readonly id: number | null;
  readonly distinct: boolean;
  /** `DIDerivedType` …; `tuple` for `!{…}` */
  readonly tag: string;
  /** Named fields of a DI node. */
  readonly fields: ReadonlyMap<string, MetadataValue>;
  /** Elements of a tuple, and unnamed fields of a DI node such as DIExpression. */
  readonly elements: readonly MetadataValue[];
}

export interface MetadataTable {
  readonly nodes: ReadonlyMap<number, MetadataNode>;
  /** `!llvm.dbg.cu` and the like: name without `!` -> ids. */
  readonly named: ReadonlyMap<string, readonly number[]>;
}
