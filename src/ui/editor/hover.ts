import type { PlaygroundState } from "../../store/types.ts";
import { formatMoment } from "../text/format.ts";
import { namesOf, valueText } from "../text/names.ts";
import { type Knowledge, knowledgeAt, type LineKnowledge, variablesNamed } from "../verify/variables.ts";
import { dialectOf, helperDoc } from "./helper-docs.ts";

const cell = (text: string): string => text.replaceAll("|", "\\|");

function table(rows: readonly (readonly [string, string])[]): string {
  return `| | |\n|---|---|\n${rows.map(([k, v]) => `| ${k} | ${cell(v)} |`).join("\n")}`;
}

const MAX_STATES = 4;
const MAX_PATHS = 6;

function pathsText(paths: readonly number[]): string {
  const shown = paths.slice(0, MAX_PATHS).map((p) => p + 1);
  return `, on path${paths.length > 1 ? "s" : ""} ${shown.join(", ")}${paths.length > MAX_PATHS ? " …" : ""}`;
}

/** One row for each state; the paths are named where there are several states, or other paths know nothing. */
function rowsOf(label: string, list: readonly Knowledge[], all: number): (readonly [string, string])[] {
  const rows = list.slice(0, MAX_STATES).map(({ where, state, paths }, i): readonly [string, string] => {
    const known = state === null ? "nothing that it kept" : `\`${state}\``;
    const on = list.length > 1 || paths.length < all ? pathsText(paths) : "";
    return [i === 0 ? label : "", `${known} in ${where}${on}`.replace(" in no register: ", ", ")];
  });
  if (list.length > MAX_STATES) rows.push(["", `and ${list.length - MAX_STATES} more states`]);
  return rows;
}

/** Why nothing can be said of a variable before a line; null when something can. */
function silence({ before, after, lost }: LineKnowledge, traced: boolean): string | null {
  if (lost === "optimised out") return "optimised out here: the code keeps it nowhere";
  if (lost !== null) return `not kept as such here: it is ${lost}`;
  if (!traced) return "the verifier's states of this program are shown in the Verify view";
  return before.length === 0 && after.length === 0 ? "no value yet, or not the same one on every way to here" : null;
}

/** What the verifier knew of a variable where it stands; null for what is no variable. */
function verifierKnew(word: string, state: PlaygroundState, line: number): readonly string[] | null {
  const report = state.build.report;
  if (!report?.ok || line === 0) return null;
  const view = state.verifier;
  const owners = report.programs.filter((p) => variablesNamed(p, word, line).length > 0);
  const program = owners.find((p) => p.name === view?.program) ?? owners[0];
  if (program === undefined) return null;
  const trace = view?.program === program.name ? view : null;
  const known = knowledgeAt(
    program,
    trace ?? { program: program.name, functions: [], steps: [], paths: [] },
    word,
    line,
  );
  if (known === null) return null;
  const { variable } = known;
  const at = known.line === line ? "" : `, before line ${known.line}`;
  const reason = silence(known, trace !== null);
  const inlined = variable.inlined && `, of \`${variable.inlined.name}\`, inlined on line ${variable.inlined.line}`;
  return [
    `**\`${variable.name}\`** \`${variable.type}\`${inlined ?? ""}`,
    table([
      ...(reason === null ? [] : [[known.line === line ? "At this line" : `At line ${known.line}`, reason] as const]),
      ...rowsOf(`Verifier knows${at}`, known.before, known.paths),
      ...rowsOf("After the line", known.after, known.paths),
    ]),
  ];
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
