import type { PlaygroundState } from "../../store/types.ts";
import { formatMoment } from "../text/format.ts";
import { namesOf, valueText } from "../text/names.ts";
import { type Knowledge, knowledgeAt, variablesNamed } from "../verify/variables.ts";
import { dialectOf, helperDoc } from "./helper-docs.ts";

const cell = (text: string): string => text.replaceAll("|", "\\|");

function table(rows: readonly (readonly [string, string])[]): string {
  return `| | |\n|---|---|\n${rows.map(([k, v]) => `| ${k} | ${cell(v)} |`).join("\n")}`;
}

const MAX_STATES = 4;

function pathsText(paths: readonly number[], all: number): string {
  if (paths.length === all) return all === 1 ? "" : `, on all ${all} paths`;
  const shown = paths.slice(0, 6).map((p) => p + 1);
  return `, on path${paths.length > 1 ? "s" : ""} ${shown.join(", ")}${paths.length > 6 ? " …" : ""} of ${all}`;
}

function rowsOf(label: string, list: readonly Knowledge[], all: number): (readonly [string, string])[] {
  const rows = list.slice(0, MAX_STATES).map(({ where, state, paths }, i): readonly [string, string] => {
    const known = state === null ? "nothing that it kept" : `\`${state}\``;
    return [i === 0 ? label : "", `${known} in ${where}${pathsText(paths, all)}`.replace(" in no register: ", ", ")];
  });
  if (list.length > MAX_STATES) rows.push(["", `and ${list.length - MAX_STATES} more states`]);
  return rows;
}

/** What the verifier knew of a variable where it stands; null for what is no variable. */
function verifierKnew(word: string, state: PlaygroundState, line: number): readonly string[] | null {
  const report = state.build.report;
  if (!report?.ok || line === 0) return null;
  const view = state.verifier;
  const program =
    report.programs.find((p) => p.name === view?.program && variablesNamed(p, word, line).length > 0) ??
    report.programs.find((p) => variablesNamed(p, word, line).length > 0);
  if (program === undefined) return null;
  const trace = view?.program === program.name ? view : { program: program.name, steps: [], paths: [] };
  const known = knowledgeAt(program, trace, word, line);
  if (known === null) return null;
  const { variable, before, after, lost, codeless } = known;
  const rows = [
    ...rowsOf("Verifier knows", before, trace.paths.length),
    ...rowsOf("After the line", after, trace.paths.length),
  ];
  const inlined =
    variable.inlined === null ? "" : `, of \`${variable.inlined.name}\`, inlined on line ${variable.inlined.line}`;
  const title = `**\`${variable.name}\`** \`${variable.type}\`${inlined}`;
  const reason =
    lost !== null
      ? lost === "optimised out"
        ? "optimised out here: the code keeps it nowhere"
        : `not kept as such here: it is ${lost}`
      : codeless
        ? "no instruction comes of this line"
        : trace.steps.length === 0
          ? "not asked yet: the program's states are shown in the Verify view"
          : before.length === 0
            ? "no value yet, or not the same one on every way to here"
            : null;
  if (reason !== null) rows.unshift(["At this line", reason]);
  return [title, table(rows)];
}

/** What a name means where it stands, at the moment shown, as Markdown paragraphs; null when it means nothing. */
export function hoverText(word: string, state: PlaygroundState, line: number): readonly string[] | null {
  const doc = helperDoc(word, dialectOf(state.source.program));
  if (doc) return [`\`\`\`bpf-c\n${doc.prototype}\n\`\`\``, doc.summary];
  return verifierKnew(word, state, line) ?? nowText(word, state);
}

/** What an object or member is at the moment shown. */
function nowText(word: string, state: PlaygroundState): readonly string[] | null {
  const { snapshot, events, position } = state.run;
  if (!snapshot) return null;
  const map = snapshot.maps.find((m) => m.name === word);
  if (map)
    return [
      `**\`${map.name}\`** ${map.type}`,
      table([
        ["Elements", `${map.count} of ${map.maxEntries}`],
        ["References", `${map.refcnt}`],
        ["User references", `${map.usercnt}`],
      ]),
    ];
  const program = snapshot.programs.find((p) => p.name === word);
  if (program)
    return [
      `**\`${program.name}\`** ${program.type}, ${program.state}`,
      table([
        ["References", `${program.refcnt}`],
        ["Runs", `${program.runs}`],
      ]),
    ];
  const callback = snapshot.timers.filter((t) => t.callback?.functionName === word);
  if (callback.length > 0)
    return [
      `**\`${word}\`** callback`,
      table([
        ["Timers that call it", callback.map((t) => t.label).join(", ")],
        ["Times run", `${callback.reduce((n, t) => n + t.fired, 0)}`],
      ]),
    ];
  for (const owner of snapshot.maps) {
    const column = owner.columns.find((c) => c.name === word);
    if (!column) continue;
    const names = namesOf(snapshot, events);
    let wrote = "";
    for (let i = position - 1; i >= 0 && wrote === ""; i--) {
      const event = events[i];
      if (event?.kind === "value-write" && event.map === owner.id && event.member === word)
        wrote = `${formatMoment(event.at)} ms, \`${names.element(event.element)}\` ${event.from} → ${event.to}${event.place ? `, line ${event.place.line}` : ""}`;
    }
    const now = owner.rows
      .slice(0, 6)
      .map((row) => {
        const member = row.value.kind === "struct" ? row.value.members.find((m) => m.name === word)?.value : row.value;
        return `\`[${valueText(row.key)}]\` ${member ? valueText(member) : "?"}`;
      })
      .join(", ");
    const section = /\.(bss|data|rodata)/.exec(owner.name)?.[1];
    const title =
      section === undefined
        ? `**\`${owner.name}[…].${word}\`** ${column.typeName}`
        : `**\`${word}\`** ${column.typeName}, in map \`${owner.name}\``;
    const verifier =
      section === undefined
        ? []
        : section === "rodata"
          ? [["Verifier knows", "its value: the map is frozen, and what lies in it counts as a constant"] as const]
          : [["Verifier knows", "no value: it lies in a map, which others may write between two reads"] as const];
    return [
      title,
      table([...verifier, ["Now", now || "no elements"], ...(wrote ? ([["Last written", wrote]] as const) : [])]),
    ];
  }
  return null;
}
