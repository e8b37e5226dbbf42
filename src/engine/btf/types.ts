/**
 * BTF types as in the kernel's documentation of the format. A type id is an index into {@link Btf.types}; id 0 is void.
 * Sizes are bytes; member offsets are bits.
 */
export type BtfId = number;

export interface BtfMember {
  readonly name: string;
  readonly type: BtfId;
  readonly bitOffset: number;
  /** 0 when the member is no bit-field */
  readonly bitSize: number;
}

export type BtfType =
  | { readonly kind: "void" }
  | {
      readonly kind: "int";
      readonly name: string;
      readonly size: number;
      readonly bits: number;
      readonly bitOffset: number;
      readonly encoding: "unsigned" | "signed" | "char" | "bool";
    }
  | { readonly kind: "ptr"; readonly type: BtfId }
  | { readonly kind: "array"; readonly type: BtfId; readonly indexType: BtfId; readonly count: number }
  | {
      readonly kind: "struct" | "union";
      readonly name: string;
      readonly size: number;
      readonly members: readonly BtfMember[];
    }
  | {
      readonly kind: "enum";
      readonly name: string;
      readonly size: number;
      readonly signed: boolean;
      readonly values: readonly { readonly name: string; readonly value: bigint }[];
      readonly wide: boolean;
    }
  | { readonly kind: "fwd"; readonly name: string; readonly union: boolean }
  | { readonly kind: "typedef"; readonly name: string; readonly type: BtfId }
  | { readonly kind: "volatile" | "const" | "restrict"; readonly type: BtfId }
  | {
      readonly kind: "func";
      readonly name: string;
      readonly type: BtfId;
      readonly linkage: "static" | "global" | "extern";
    }
  | {
      readonly kind: "func_proto";
      readonly returnType: BtfId;
      readonly params: readonly { readonly name: string; readonly type: BtfId }[];
    }
  | {
      readonly kind: "var";
      readonly name: string;
      readonly type: BtfId;
      readonly linkage: "static" | "global" | "extern";
    }
  | {
      readonly kind: "datasec";
      readonly name: string;
      readonly size: number;
      readonly vars: readonly { readonly type: BtfId; readonly offset: number; readonly size: number }[];
    }
  | { readonly kind: "float"; readonly name: string; readonly size: number }
  | { readonly kind: "decl_tag"; readonly name: string; readonly type: BtfId; readonly componentIndex: number }
  | { readonly kind: "type_tag"; readonly name: string; readonly type: BtfId };

export interface Btf {
  /** `types[0]` is void. */
  readonly types: readonly BtfType[];
}
