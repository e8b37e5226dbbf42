import { contextLayout } from "../abi/contexts.ts";
import { PROG_TYPES } from "../abi/types.ts";
import { err, ok, type Result } from "../base/result.ts";
import type { ProgramSpec } from "../loader/spec.ts";
import { type ValueFault, writeInteger } from "../script/encode-value.ts";

/** Bytes of a packet when the script gives none. */
export const DEFAULT_PACKET_BYTES = 64;

/**
 * Bytes of the context that `ctx.FIELD=V` describes, as BPF_PROG_TEST_RUN takes them; null when no field is given. `packet` is
 * the length of the packet, which xdp wants to find again in `data_end`.
 */
export function contextBytes(
  spec: ProgramSpec,
  fields: readonly { readonly field: string; readonly value: bigint; readonly column: number }[],
  packet: number,
): Result<Uint8Array | null, ValueFault> {
  if (fields.length === 0) return ok(null);
  const layout = contextLayout(spec.type, spec.expectedAttachType);
  const bytes = new Uint8Array(layout.size);
  const view = new DataView(bytes.buffer);
  if (spec.type === PROG_TYPES.xdp) view.setUint32(4, packet, true);
  for (const { field, value, column } of fields) {
    const found = place(field, layout.fields, layout.size);
    if (found === null) {
      const known = layout.fields.map((f) => f.name).join(", ");
      return err({
        message: `${layout.type} has no field '${field}'${known === "" ? "" : ` (it has ${known})`}`,
        column,
      });
    }
    const bits = 8 * found.size;
    if (BigInt.asUintN(bits, value) !== value && BigInt.asIntN(bits, value) !== value) {
      return err({ message: `${value} does not fit into the ${found.size} bytes of '${field}'`, column });
    }
    writeInteger(bytes, found.at, found.size, value);
  }
  return ok(bytes);
}

/** `name`, `name[i]` (4-byte items), or `u8@OFF` … `u64@OFF` by `uN[OFF]` for contexts without named fields. */
function place(
  field: string,
  fields: readonly { readonly name: string; readonly off: number; readonly size: number }[],
  size: number,
): { readonly at: number; readonly size: number } | null {
  const [, name = "", index] = /^([\w.]+?)(?:\[(\d+)\])?$/.exec(field) ?? [];
  const found = fields.find((f) => f.name === name);
  if (found === undefined) {
    const width = { u8: 1, u16: 2, u32: 4, u64: 8 }[name];
    const at = Number(index ?? Number.NaN);
    return width !== undefined && at % width === 0 && at + width <= size ? { at, size: width } : null;
  }
  if (index === undefined) return { at: found.off, size: found.size };
  const at = 4 * Number(index);
  return at + 4 <= found.size ? { at: found.off + at, size: 4 } : null;
}
