import type { ProgramReport, ProgramVariable, VariableRange, VerifierView } from "../../protocol/engine-types.ts";
import { detailText, parseState, rangeText, shortState } from "./state-text.ts";

/**
 * Where the variables of C are at an instruction, by the table that the compiler leaves in the object, and what the verifier
 * knew of the place.
 */
export function rangesAt(variable: ProgramVariable, insn: number): readonly VariableRange[] {
  return variable.ranges.filter((r) => r.first <= insn && insn <= r.last);
}

/**
 * The variable that a name means on a line: that of the innermost block which declares it. Several when the function was
 * inlined in several places; none for what is no local variable, or has no table.
 */
export function variablesNamed(program: ProgramReport, name: string, line: number): readonly ProgramVariable[] {
  const visible = program.variables.filter(
    (v) => v.name === name && !/\.h$/.test(v.file) && v.scope[0] <= line && line <= Math.max(v.scope[1], v.line),
  );
  const size = (v: ProgramVariable): number => v.scope[1] - v.scope[0];
  const best = visible.reduce<ProgramVariable | null>(
    (a, b) => (a === null || size(b) < size(a) || (size(b) === size(a) && b.line > a.line && b.line <= line) ? b : a),
    null,
  );
  return best === null ? [] : visible.filter((v) => v.line === best.line && v.function === best.function);
}

/** The stack slot of the verifier's text that a byte of the frame is in. */
const slotName = (offset: number): string => `fp-${Math.ceil(-offset / 8) * 8}`;

/** `R6`, `fp-16` -> names of the variables that are there at an instruction. */
export function variablesIn(program: ProgramReport, insn: number): ReadonlyMap<string, readonly string[]> {
  const found = new Map<string, string[]>();
  for (const variable of program.variables) {
    for (const { place, part } of rangesAt(variable, insn)) {
      const names: string[] = [];
      if (place.kind === "register" && place.add === 0n) names.push(`R${place.register}`);
      else if (place.kind === "stack" && place.add === 0n) {
        const bytes = Math.max(1, Math.ceil((part?.bits ?? variable.size) / 8));
        for (let at = place.offset; at < Math.min(0, place.offset + bytes); at++) names.push(slotName(at));
      }
      for (const name of new Set(names)) {
        const list = found.get(name) ?? [];
        if (!list.includes(variable.name)) list.push(variable.name);
        found.set(name, list);
      }
    }
  }
  return found;
}

/** A variable's place in words, and what a state says of it; null where the state knows nothing. */
export interface Located {
  readonly where: string;
  readonly state: string | null;
}

const plus = (add: bigint): string => (add === 0n ? "" : add > 0n ? ` + ${add}` : ` - ${-add}`);

/** What a register's text says: `0..3, bits (0x0; 0x3), id 2`, `map_value: hmap, ks 4, vs 16`. */
export function stateWords(text: string): string {
  const parsed = parseState(text);
  if (parsed.scalar === null) {
    const detail = detailText(parsed);
    return detail === "" ? parsed.type : `${parsed.type}: ${detail}`;
  }
  const id = parsed.fields.get("id");
  if (parsed.scalar.exact) return shortState(text);
  const range = rangeText(parsed.scalar);
  const bits = parsed.fields.get("var_off");
  return [range === "any" ? "any number" : range, ...(bits ? [`bits ${bits}`] : []), ...(id ? [`id ${id}`] : [])].join(
    ", ",
  );
}

const BYTES: Readonly<Record<string, string>> = { m: "any bytes", "0": "zero", "?": "never written" };

/** Of `mmmm????`, the characters of bytes; the byte with the highest address stands first. */
function bytesWords(state: ReadonlyMap<string, string>, from: number, to: number): string | null {
  const kinds = new Set<string>();
  for (let at = from; at < to; at++) {
    const text = state.get(slotName(at));
    if (text === undefined) kinds.add("?");
    else if (/^[m0?]{8}$/.test(text)) kinds.add(text.charAt((-at - 1) % 8));
    else return null;
  }
  return [...kinds].map((k) => BYTES[k] ?? k).join(" or ");
}

function stackWords(state: ReadonlyMap<string, string>, offset: number, bytes: number): string | null {
  const end = Math.min(0, offset + bytes);
  const plain = bytesWords(state, offset, end);
  if (plain !== null) return plain;
  const slots = [...new Set(Array.from({ length: end - offset }, (_, i) => slotName(offset + i)))];
  const words = slots.map((slot) => state.get(slot)).map((text) => (text === undefined ? "never written" : text));
  return slots.length === 1
    ? stateWords((words[0] as string).replace(/^[m0?]+(?=[a-z(-])/, ""))
    : slots.map((slot, i) => `${slot} ${stateWords(words[i] as string)}`).join("; ");
}

function constantText(value: bigint, variable: ProgramVariable, range: VariableRange): string {
  const size = range.part?.bits ?? variable.size;
  if (variable.encoding === "signed" && range.part === null) return `${BigInt.asIntN(Math.max(1, size), value)}`;
  const unsigned = BigInt.asUintN(Math.max(1, size), value);
  return unsigned > 99_999n ? `0x${unsigned.toString(16)}` : `${unsigned}`;
}

/** Null when the code keeps the variable nowhere. */
export function locate(
  variable: ProgramVariable,
  range: VariableRange,
  state: ReadonlyMap<string, string>,
): Located | null {
  const { place } = range;
  const size = range.part?.bits ?? variable.size;
  const low = size > 0 && range.bits < Math.min(64, size) ? `low ${range.bits} bits of ` : "";
  switch (place.kind) {
    case "register": {
      const text = state.get(`R${place.register}`);
      const words = text === undefined ? null : `${stateWords(text)}${place.add === 0n ? "" : `,${plus(place.add)}`}`;
      return { where: `${low}R${place.register}${plus(place.add)}`, state: words };
    }
    case "stack": {
      const bytes = Math.max(1, Math.ceil(size / 8));
      const first = slotName(place.offset);
      const last = slotName(Math.min(-1, place.offset + bytes - 1));
      return {
        where: `${first === last ? first : `${first}…${last}`}${plus(place.add)}`,
        state: stackWords(state, place.offset, bytes),
      };
    }
    case "constant":
      return { where: "no register: a constant here", state: constantText(place.value, variable, range) };
    case "frame":
      return {
        where: "no register: an address in the frame",
        state: `r10 ${place.offset < 0 ? "-" : "+"} ${Math.abs(place.offset)}`,
      };
    case "symbol":
      return { where: "no register: an address", state: `&${place.symbol}${plus(place.add)}` };
    case "pointee": {
      const { address } = place;
      if (address.kind === "symbol") return { where: `memory at &${address.symbol}${plus(address.add)}`, state: null };
      if (address.kind === "constant") return { where: `memory at 0x${address.value.toString(16)}`, state: null };
      const name = address.kind === "register" ? `R${address.register}` : slotName(address.offset);
      const text = state.get(name);
      return {
        where: `memory at ${name}${plus(address.add)}`,
        state: text === undefined ? null : `behind ${stateWords(text)}`,
      };
    }
    case "lost":
      return null;
  }
}

/** One thing that is known, and the paths on which it is. */
export interface Knowledge {
  readonly where: string;
  readonly state: string | null;
  readonly paths: readonly number[];
}

export interface LineKnowledge {
  readonly variable: ProgramVariable;
  /** The line that is told of: the one asked for, or the next one of which there is code. */
  readonly line: number;
  /** Before the line's first instruction on each path; empty where the variable is nowhere. */
  readonly before: readonly Knowledge[];
  /** Behind its last one, where that is something else. */
  readonly after: readonly Knowledge[];
  /** Why it is nowhere before the line: completes "it is …"; null when it is somewhere. */
  readonly lost: string | null;
  /** How many explored paths come to the line. */
  readonly paths: number;
}

class Gathered {
  readonly #known = new Map<string, { where: string; state: string | null; paths: Set<number> }>();
  readonly lost = new Set<string>();

  add(variables: readonly ProgramVariable[], insn: number, path: number, state: ReadonlyMap<string, string>): void {
    for (const variable of variables) {
      for (const range of rangesAt(variable, insn)) {
        const located = locate(variable, range, state);
        if (located === null) {
          this.lost.add(range.place.kind === "lost" ? range.place.why : "");
          continue;
        }
        const part =
          range.part === null
            ? ""
            : `bytes ${range.part.offset / 8}…${(range.part.offset + range.part.bits) / 8 - 1}: `;
        const key = `${part}${located.where}/${located.state}`;
        const known = this.#known.get(key);
        if (known === undefined)
          this.#known.set(key, { where: part + located.where, state: located.state, paths: new Set([path]) });
        else known.paths.add(path);
      }
    }
  }

  /** What is known first, then where nothing is. */
  list(): Knowledge[] {
    return [...this.#known.values()]
      .map((k) => ({ ...k, paths: [...k.paths].sort((a, b) => a - b) }))
      .sort((a, b) => Number(a.state === null) - Number(b.state === null));
  }
}

/** The line itself if code comes of it, else the next one below of which code comes, in the block of the variable. */
function lineWithCode(program: ProgramReport, { scope }: ProgramVariable, line: number): number {
  let best = Number.POSITIVE_INFINITY;
  for (const d of program.disassembly) {
    if (d.line >= line && d.line <= scope[1] && d.line < best && !/\.h$/.test(d.file)) best = d.line;
  }
  return best === Number.POSITIVE_INFINITY ? line : best;
}

/** What the verifier knew of a variable before and behind a line, on every explored path; null for what is no variable there. */
export function knowledgeAt(
  program: ProgramReport,
  view: VerifierView,
  name: string,
  asked: number,
): LineKnowledge | null {
  const variables = variablesNamed(program, name, asked);
  const [variable] = variables;
  if (variable === undefined) return null;
  const line = lineWithCode(program, variable, asked);
  const own = new Set(program.disassembly.filter((d) => d.line === line && !/\.h$/.test(d.file)).map((d) => d.insn));
  const branched = new Set(
    view.paths.filter((p) => !p.async && p.fromInsn !== null && own.has(p.fromInsn)).map((p) => p.index),
  );
  const before = new Gathered();
  const after = new Gathered();
  const paths = new Set<number>();
  view.steps.forEach((step, i) => {
    const previous = view.steps[i - 1];
    const follows = previous !== undefined && previous.path === step.path;
    const cameFrom = follows ? previous.frame === step.frame && own.has(previous.insn) : branched.has(step.path);
    if (own.has(step.insn)) {
      paths.add(step.path);
      if (!cameFrom) before.add(variables, step.insn, step.path, new Map(step.state));
    } else if (cameFrom) after.add(variables, step.insn, step.path, new Map(step.state));
  });
  const known = before.list();
  const then = after.list();
  const text = (list: readonly Knowledge[]): string => list.map((k) => `${k.where}/${k.state}`).join();
  return {
    variable,
    line,
    before: known,
    after: text(then) === text(known) ? [] : then,
    lost: known.length > 0 ? null : ([...before.lost][0] ?? null),
    paths: paths.size,
  };
}
