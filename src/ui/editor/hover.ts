import type { PlaygroundState } from "../../store/types.ts";
import { formatMoment } from "../text/format.ts";
import { namesOf, valueText } from "../text/names.ts";
import { shortState } from "../verify/state-text.ts";
import { knowledgeOf } from "../verify/variables.ts";
import { walkOf } from "../verify/walk.ts";
import { dialectOf, helperDoc } from "./helper-docs.ts";

const cell = (text: string): string => text.replaceAll("|", "\\|");

function table(rows: readonly (readonly [string, string])[]): string {
  return `| | |\n|---|---|\n${rows.map(([k, v]) => `| ${k} | ${cell(v)} |`).join("\n")}`;
}

/** What the verifier knew of a variable where it stands, as rows; empty when that cannot be told. */
function verifierKnew(word: string, state: PlaygroundState, line: number): readonly (readonly [string, string])[] {
  const report = state.build.report;
  const view = state.verifier;
  const program = report?.ok ? report.programs.find((p) => p.name === view?.program) : undefined;
  if (!view || !program || line === 0) return [];
  const rejected = view.paths.find((p) => p.end === "rejected");
  const order = [...(rejected ? [rejected] : []), ...view.paths].slice(0, 12);
  for (const path of order) {
    const known = knowledgeOf(word, line, walkOf(view, program, path.index), state.source.program);
    if (known)
      return [
        ["Verifier knew", `\`${shortState(known.state)}\` in ${known.where}, set on line ${known.line}`],
        ["On path", `${path.index + 1} of ${view.paths.length}`],
      ];
  }
  return [];
}

/** What a name means where it stands, at the moment shown, as Markdown paragraphs; null when it means nothing. */
export function hoverText(word: string, state: PlaygroundState, line: number): readonly string[] | null {
  const doc = helperDoc(word, dialectOf(state.source.program));
  if (doc) return [`\`\`\`bpf-c\n${doc.prototype}\n\`\`\``, doc.summary];
  const knew = verifierKnew(word, state, line);
  const now = nowText(word, state);
  if (now) return knew.length > 0 ? [...now, table(knew)] : now;
  return knew.length > 0 ? [`**\`${word}\`**`, table(knew)] : null;
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
    return [
      `**\`${owner.name}[…].${word}\`** ${column.typeName}`,
      table([["Now", now || "no elements"], ...(wrote ? ([["Last written", wrote]] as const) : [])]),
    ];
  }
  return null;
}
