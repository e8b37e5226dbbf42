import { mapTypeName } from "../../abi/types.ts";
import {
  BPF_LDX,
  BPF_MEM,
  BPF_MEMSX,
  BPF_PSEUDO_BTF_ID,
  BPF_PSEUDO_FUNC,
  BPF_PSEUDO_MAP_FD,
  BPF_PSEUDO_MAP_IDX,
  BPF_PSEUDO_MAP_IDX_VALUE,
  BPF_PSEUDO_MAP_VALUE,
  CLASS_MASK,
  LD_IMM64,
  MODE_MASK,
} from "../../isa/opcodes.ts";
import type { VerifierEnvironment, VerifierMap, VerifierProgram } from "../types.ts";
import { failure, type PassFailure } from "./outcome.ts";

const MAX_MAPS = 64;
const MAX_DIRECT_OFFSET = 2 ** 29;

/** Opcodes of Linux's instruction table, by class. */
const KNOWN = ((): ReadonlySet<number> => {
  const known = new Set<number>();
  const add = (cls: number, ops: readonly number[]): void => {
    for (const o of ops) known.add(cls | o);
  };
  const arithmetic = [0x00, 0x10, 0x20, 0x30, 0x40, 0x50, 0x60, 0x70, 0x90, 0xa0, 0xb0, 0xc0];
  for (const cls of [0x04, 0x07]) {
    add(cls, arithmetic);
    add(
      cls,
      arithmetic.map((o) => o | 0x08),
    );
    add(cls, [0x80]);
  }
  known.add(0xd4).add(0xdc).add(0xd7);
  const compare = [0x10, 0x20, 0x30, 0x40, 0x50, 0x60, 0x70, 0xa0, 0xb0, 0xc0, 0xd0];
  for (const cls of [0x05, 0x06]) {
    add(cls, compare);
    add(
      cls,
      compare.map((o) => o | 0x08),
    );
  }
  known.add(0x05).add(0x06).add(0x85).add(0x95).add(0xe5);
  for (const size of [0x00, 0x08, 0x10, 0x18]) {
    known
      .add(0x02 | 0x60 | size)
      .add(0x03 | 0x60 | size)
      .add(0x01 | 0x60 | size)
      .add(0x03 | 0xc0 | size);
    if (size !== 0x18)
      known
        .add(0x01 | 0x80 | size)
        .add(0x20 | size)
        .add(0x40 | size);
  }
  known.add(LD_IMM64);
  return known;
})();

/** What map loads name, by slot; null elsewhere. */
export interface ResolvedMaps {
  readonly bySlot: (VerifierMap | null)[];
  /** In order of first use. */
  readonly used: VerifierMap[];
}

/**
 * Opcodes and the operands of two-slot loads, in order (pass 6). `onMap` is asked once for each new map and may refuse it by
 * returning a failure.
 */
export function resolveOperands(
  program: VerifierProgram,
  env: VerifierEnvironment,
  into: ResolvedMaps,
  onMap: (map: VerifierMap) => boolean,
): PassFailure | "refused" | null {
  const { insns } = program;
  for (let i = 0; i < insns.length; i++) {
    const insn = insns[i]!;
    const mode = insn.opcode & MODE_MASK;
    if ((insn.opcode & CLASS_MASK) === BPF_LDX && ((mode !== BPF_MEM && mode !== BPF_MEMSX) || insn.imm !== 0))
      return failure("EINVAL", "BPF_LDX uses reserved fields", "encoding", i);
    if (insn.opcode === LD_IMM64) {
      const second = insns[i + 1];
      if (second === undefined || second.opcode !== 0 || second.dst !== 0 || second.src !== 0 || second.off !== 0)
        return failure("EINVAL", "invalid bpf_ld_imm64 insn", "encoding", i);
      if (insn.src !== 0 && insn.src !== BPF_PSEUDO_FUNC) {
        const refused = resolveWide(program, env, i, into, onMap);
        if (refused !== null) return refused;
      }
      i++;
      continue;
    }
    if (!KNOWN.has(insn.opcode))
      return failure("EINVAL", `unknown opcode ${insn.opcode.toString(16).padStart(2, "0")}`, "encoding", i);
  }
  return null;
}

function resolveWide(
  program: VerifierProgram,
  env: VerifierEnvironment,
  at: number,
  into: ResolvedMaps,
  onMap: (map: VerifierMap) => boolean,
): PassFailure | "refused" | null {
  const insn = program.insns[at]!;
  const second = program.insns[at + 1]!;
  switch (insn.src) {
    case BPF_PSEUDO_BTF_ID:
      // The vmlinux BTF has no variables that the playground models.
      return insn.imm === 0
        ? failure("EINVAL", "pseudo btf_id 0 in ldimm64 isn't KIND_VAR or KIND_FUNC", "encoding", at)
        : failure("ENOENT", `ldimm64 insn specifies invalid btf_id ${insn.imm}.`, "encoding", at);
    case BPF_PSEUDO_MAP_VALUE:
    case BPF_PSEUDO_MAP_IDX_VALUE:
      break;
    case BPF_PSEUDO_MAP_FD:
    case BPF_PSEUDO_MAP_IDX:
      if (second.imm === 0) break;
      return failure("EINVAL", "unrecognized bpf_ld_imm64 insn", "encoding", at);
    default:
      return failure("EINVAL", "unrecognized bpf_ld_imm64 insn", "encoding", at);
  }
  if (insn.src === BPF_PSEUDO_MAP_IDX || insn.src === BPF_PSEUDO_MAP_IDX_VALUE)
    return failure("EPROTO", "fd_idx without fd_array is invalid", "encoding", at);
  const map = env.mapByFd(insn.imm);
  if (map === "EBADF" || map === "EINVAL")
    return failure(map, `fd ${insn.imm} is not pointing to valid bpf_map`, "map-fd", at);
  if (!into.used.some((m) => m.id === map.id)) {
    if (into.used.length >= MAX_MAPS)
      return failure(
        "E2BIG",
        `The total number of maps per program has reached the limit of ${MAX_MAPS}`,
        "map-count",
        at,
      );
    into.used.push(map);
    if (!onMap(map)) return "refused";
  }
  into.bySlot[at] = map;
  if (insn.src === BPF_PSEUDO_MAP_VALUE) {
    const offset = second.imm >>> 0;
    if (offset >= MAX_DIRECT_OFFSET)
      return failure("EINVAL", `direct value offset of ${offset} is not allowed`, "map-value-offset", at);
    if (mapTypeName(map.type) !== "array")
      return failure("EINVAL", "no direct value access support for this map type", "map-value-offset", at);
    const message = `invalid access to map value pointer, value_size=${map.valueSize} off=${offset}`;
    if (map.maxEntries !== 1) return failure("ENOTSUPP", message, "map-value-offset", at);
    if (offset >= map.valueSize) return failure("EINVAL", message, "map-value-offset", at);
  }
  return null;
}
