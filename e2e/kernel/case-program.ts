import { readFileSync } from "node:fs";
import type { Errno } from "../../src/engine/abi/errno.ts";
import { MAP_TYPES, type MapTypeName, PROG_TYPES, type ProgTypeName } from "../../src/engine/abi/types.ts";
import type { Instruction } from "../../src/engine/isa/instruction.ts";
import type { FunctionRecord, LineRecord } from "../../src/engine/loader/spec.ts";
import * as calls from "../../src/engine/verifier/calls/index.ts";
import type { CallsHalf } from "../../src/engine/verifier/calls-contract.ts";
import type { VerifierEnvironment, VerifierMap, VerifierProgram } from "../../src/engine/verifier/types.ts";
import { assembleCase } from "./case-assembler.ts";
import { addFunction, parseValueType, TypeTable } from "./case-btf.ts";

/** A program that the live kernel judged, as recorded in `cases/`. */
export interface RecordedCase {
  readonly name: string;
  readonly category: string;
  readonly prog_type: ProgTypeName | null;
  readonly maps: readonly CaseMap[];
  readonly program: readonly string[];
  readonly verdict: "accept" | "reject" | "map_create_error";
  /** Name, or "0". */
  readonly errno: Errno | "0";
  readonly error_line?: string;
  /** timer-cases: first line of the message; `log_tail` are the last lines of the log. */
  readonly first_error_line?: string;
  readonly log_tail?: readonly string[];
  readonly insns_processed?: number | null;
  readonly log?: readonly string[];
  readonly xlated?: readonly string[];
  readonly btf_func_info?: boolean;
  readonly load_options?: CaseOptions;
}

interface CaseOptions {
  readonly flags?: number;
  readonly prog_flags?: number;
  readonly attach_type?: number;
  readonly license?: string;
  readonly log_level?: number;
  readonly no_func_info?: boolean | number;
  readonly insn_cnt?: number;
  readonly func_info_rec_size?: number;
  readonly func_info_raw?: readonly (readonly [number, string | number])[];
  readonly line_info?: readonly (
    | readonly [number, string, number]
    | {
        readonly insn: number;
        readonly file: string;
        readonly text: string;
        readonly line: number;
        readonly col: number;
      }
  )[];
}

interface CaseMap {
  readonly name: string;
  readonly type: MapTypeName;
  readonly key: number;
  readonly value: number;
  readonly entries: number;
  readonly btf?: string | null;
  readonly flags?: number;
  readonly inner?: string;
  readonly rodata?: string;
  readonly content?: Readonly<Record<string, string>>;
  readonly freeze?: boolean;
  readonly no_key_btf?: number;
}

export const CASE_FILES = [
  "timer-cases",
  "verifier-cases-values",
  "verifier-cases-paths",
  "verifier-cases-calls",
  "verifier-cases-calls-more",
] as const;
export type CaseFile = (typeof CASE_FILES)[number];

export function readCases(file: CaseFile): RecordedCase[] {
  return JSON.parse(readFileSync(new URL(`./cases/${file}.json`, import.meta.url), "utf8")) as RecordedCase[];
}

/** A case ready for `verify`. */
export interface CaseLoad {
  readonly program: VerifierProgram;
  readonly env: VerifierEnvironment;
  readonly logLevel: number;
  readonly maps: readonly VerifierMap[];
}

/** First fd given to a map; fds 0..2 are open files that are no maps. */
export const FIRST_FD = 1000;
/** BTF id of kernel functions that the playground does not know. */
const UNKNOWN_KFUNC = 199999;
const kfuncId = (name: string): number => (calls as unknown as CallsHalf).kfuncId(name) || UNKNOWN_KFUNC;

function bytesOf(hex: string): Uint8Array {
  return Uint8Array.from(hex.match(/../g) ?? [], (b) => parseInt(b, 16));
}

function makeMaps(specs: readonly CaseMap[]): VerifierMap[] {
  const made: VerifierMap[] = [];
  specs.forEach((spec, index) => {
    const table = new TypeTable();
    const valueType = spec.btf ? parseValueType(table, spec.btf) : 0;
    const keyType = spec.btf && !spec.no_key_btf ? table.int(spec.key === 8 ? "u64" : "u32", spec.key) : 0;
    const contents = spec.rodata
      ? bytesOf(spec.rodata)
      : spec.content
        ? bytesOf(Object.values(spec.content)[0] ?? "")
        : new Uint8Array(spec.value);
    made.push({
      id: index + 1,
      name: spec.name,
      type: MAP_TYPES[(spec.type as string) === "bloom" ? "bloom_filter" : spec.type],
      keySize: spec.key,
      valueSize: spec.value,
      maxEntries: spec.entries,
      flags: spec.flags ?? 0,
      btf: spec.btf ? table.btf : null,
      keyType,
      valueType,
      frozen: spec.freeze === true || spec.rodata !== undefined,
      inner: innerOf(spec, specs, made),
      readConstant: (offset, size) => contents.slice(offset, offset + size),
    });
  });
  return made;
}

/** The template: a nameless copy of the inner map. */
function innerOf(spec: CaseMap, specs: readonly CaseMap[], made: readonly VerifierMap[]): VerifierMap | null {
  if (spec.inner === undefined) return null;
  const m = /^template: (\w+) key (\d+) value (\d+) entries (\d+)$/.exec(spec.inner);
  if (m) {
    return {
      id: 1000,
      name: "",
      type: MAP_TYPES[m[1] as MapTypeName],
      keySize: Number(m[2]),
      valueSize: Number(m[3]),
      maxEntries: Number(m[4]),
      flags: 0,
      btf: null,
      keyType: 0,
      valueType: 0,
      frozen: false,
      inner: null,
      readConstant: () => null,
    };
  }
  const at = specs.findIndex((s) => s.name === spec.inner);
  const inner = made[at] ?? (at >= 0 ? makeMaps([specs[at]!])[0] : undefined);
  if (inner === undefined) throw new Error(`inner map ${spec.inner}`);
  return { ...inner, id: 1000 + at, name: "" };
}

/** Turns a recorded case into what `verify` takes; null for cases about map creation. */
export function loadCase(recorded: RecordedCase, all: ReadonlyMap<string, RecordedCase>): CaseLoad | null {
  if (recorded.verdict === "map_create_error" || recorded.prog_type === null) return null;
  const options = recorded.load_options ?? {};
  const lines = recorded.program.flatMap((line) =>
    line.startsWith("@") ? (all.get(line.slice(1))?.program ?? []) : [line],
  );
  const assembled = assembleCase(lines, kfuncId);
  const maps = makeMaps(recorded.maps);
  let insns: Instruction[] = assembled.insns.slice();
  for (const load of assembled.mapLoads) {
    const at = maps.findIndex((m) => m.name === load.map);
    if (at < 0) throw new Error(`no map ${load.map} in ${recorded.name}`);
    insns[load.insn] = { ...insns[load.insn]!, imm: FIRST_FD + at };
  }
  if (options.insn_cnt !== undefined) {
    const filler: Instruction = { opcode: 0xb7, dst: 0, src: 0, off: 0, imm: 0 };
    insns = Array.from({ length: options.insn_cnt }, () => filler);
  }

  const withBtf = !options.no_func_info && (recorded.btf_func_info ?? true);
  const table = new TypeTable();
  let functions: FunctionRecord[] | null = null;
  if (withBtf) {
    const heads = assembled.functions.slice();
    if (heads[0]?.insn !== 0)
      heads.unshift({ insn: 0, name: "main", linkage: "main", parameters: "", returnsVoid: false });
    const ids = new Map<string, number>();
    functions = heads.map((f) => {
      const linkage = f.linkage === "static" ? "static" : "global";
      const type = addFunction(table, f.name, linkage, f.parameters, f.returnsVoid, recorded.prog_type!);
      ids.set(f.name, type);
      return { insn: f.insn, name: f.name, type };
    });
    if (options.func_info_raw) {
      functions = options.func_info_raw.map(([insn, type]) => ({
        insn,
        name: String(type),
        type: typeof type === "number" ? type : (ids.get(type) ?? 0),
      }));
    }
  }
  const lineInfo: LineRecord[] | null =
    options.line_info?.map((r) =>
      "insn" in r
        ? { insn: r.insn, file: r.file, line: r.line, column: r.col, text: r.text }
        : { insn: r[0], file: "prog.c", line: r[2], column: 1, text: r[1] },
    ) ?? null;
  return {
    program: {
      name: "case",
      type: PROG_TYPES[recorded.prog_type],
      expectedAttachType: options.attach_type ?? 0,
      flags: options.flags ?? options.prog_flags ?? 0,
      license: options.license ?? "GPL",
      insns,
      btf: withBtf ? table.btf : null,
      functions,
      ...(options.func_info_rec_size === undefined ? {} : { functionRecordBytes: options.func_info_rec_size }),
      lines: lineInfo,
      kfuncs: assembled.kfuncs,
      dialect: "linux",
    },
    env: {
      mapByFd: (fd) => maps[fd - FIRST_FD] ?? (fd >= 0 && fd <= 2 ? "EINVAL" : "EBADF"),
      cpus: 2,
    },
    logLevel: options.log_level ?? (recorded.log_tail === undefined ? 2 : 1),
    maps,
  };
}
