import { ByteWriter } from "../base/byte-writer.ts";
import {
  BTF_HEADER_BYTES,
  BTF_INT_BOOL,
  BTF_INT_CHAR,
  BTF_INT_SIGNED,
  BTF_KINDS,
  BTF_LINKAGES,
  BTF_MAGIC,
  BTF_VERSION,
} from "./kinds.ts";
import { StringTable } from "./strings.ts";
import type { Btf, BtfType } from "./types.ts";

/** Bytes of a `.BTF` section, little-endian; also what `bpf(BPF_BTF_LOAD)` takes. */
export function writeBtf(btf: Btf): Uint8Array {
  const strings = new StringTable();
  return assembleBtf(encodeTypes(btf, strings), strings);
}

/** Joins encoded types and a string table; the table may hold more than the types need (`.BTF.ext` keeps its texts there). */
export function assembleBtf(types: Uint8Array, strings: StringTable): Uint8Array {
  const out = new ByteWriter();
  out.u16(BTF_MAGIC);
  out.u8(BTF_VERSION);
  out.u8(0);
  out.u32(BTF_HEADER_BYTES);
  out.u32(0);
  out.u32(types.length);
  out.u32(types.length);
  out.u32(strings.byteLength);
  out.bytes(types);
  out.bytes(strings.toBytes());
  return out.toBytes();
}

/** The type part of a `.BTF` section; names go to `strings`. */
export function encodeTypes(btf: Btf, strings: StringTable): Uint8Array {
  const out = new ByteWriter();
  for (const type of btf.types) encodeType(type, strings, out);
  return out.toBytes();
}

function encodeType(type: BtfType, strings: StringTable, out: ByteWriter): void {
  const head = (kind: number, name: string, vlen: number, sizeOrType: number, flag = false): void => {
    out.u32(strings.add(name));
    out.u32(((flag ? 0x80000000 : 0) | (kind << 24) | vlen) >>> 0);
    out.u32(sizeOrType);
  };
  switch (type.kind) {
    case "void":
      return;
    case "int": {
      head(BTF_KINDS.int, type.name, 0, type.size);
      const encoding = { unsigned: 0, signed: BTF_INT_SIGNED, char: BTF_INT_CHAR, bool: BTF_INT_BOOL }[type.encoding];
      out.u32((encoding << 24) | (type.bitOffset << 16) | type.bits);
      return;
    }
    case "ptr":
    case "volatile":
    case "const":
    case "restrict":
      head(BTF_KINDS[type.kind], "", 0, type.type);
      return;
    case "typedef":
    case "type_tag":
      head(BTF_KINDS[type.kind], type.name, 0, type.type);
      return;
    case "array":
      head(BTF_KINDS.array, "", 0, 0);
      out.u32(type.type);
      out.u32(type.indexType);
      out.u32(type.count);
      return;
    case "struct":
    case "union": {
      const bitFields = type.members.some((m) => m.bitSize !== 0);
      head(BTF_KINDS[type.kind], type.name, type.members.length, type.size, bitFields);
      for (const member of type.members) {
        out.u32(strings.add(member.name));
        out.u32(member.type);
        out.u32(bitFields ? ((member.bitSize << 24) | member.bitOffset) >>> 0 : member.bitOffset);
      }
      return;
    }
    case "enum":
      head(type.wide ? BTF_KINDS.enum64 : BTF_KINDS.enum, type.name, type.values.length, type.size, type.signed);
      for (const { name, value } of type.values) {
        out.u32(strings.add(name));
        out.u32(Number(BigInt.asUintN(32, value)));
        if (type.wide) out.u32(Number(BigInt.asUintN(32, value >> 32n)));
      }
      return;
    case "fwd":
      head(BTF_KINDS.fwd, type.name, 0, 0, type.union);
      return;
    case "func":
      head(BTF_KINDS.func, type.name, BTF_LINKAGES.indexOf(type.linkage), type.type);
      return;
    case "func_proto":
      head(BTF_KINDS.func_proto, "", type.params.length, type.returnType);
      for (const param of type.params) {
        out.u32(strings.add(param.name));
        out.u32(param.type);
      }
      return;
    case "var":
      head(BTF_KINDS.var, type.name, 0, type.type);
      out.u32(BTF_LINKAGES.indexOf(type.linkage));
      return;
    case "datasec":
      head(BTF_KINDS.datasec, type.name, type.vars.length, type.size);
      for (const variable of type.vars) {
        out.u32(variable.type);
        out.u32(variable.offset);
        out.u32(variable.size);
      }
      return;
    case "float":
      head(BTF_KINDS.float, type.name, 0, type.size);
      return;
    case "decl_tag":
      head(BTF_KINDS.decl_tag, type.name, 0, type.type);
      out.u32(type.componentIndex >>> 0);
      return;
  }
}
