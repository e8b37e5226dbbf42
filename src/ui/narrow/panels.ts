import type { FileName, ViewName } from "../../store/types.ts";

export type NarrowPanel =
  | "code"
  | "script"
  | "assembly"
  | "graph"
  | "maps"
  | "timers"
  | "events"
  | "verdict"
  | "paths"
  | "instructions"
  | "log"
  | "translated"
  | "state"
  | "axis"
  | "queue"
  | "alive"
  | "registers"
  | "found"
  | "schedule";

const LABELS: Record<NarrowPanel, string> = {
  code: "Code",
  script: "Script",
  assembly: "Assembly",
  graph: "Graph",
  maps: "Maps",
  timers: "Timers",
  events: "Events",
  verdict: "Verdict",
  paths: "Paths",
  instructions: "Instructions",
  log: "Log",
  translated: "Translated",
  state: "State",
  axis: "Axis",
  queue: "Queue",
  alive: "Why alive",
  registers: "Registers",
  found: "Found",
  schedule: "Schedule",
};

const WRITE: readonly NarrowPanel[] = ["code", "script", "graph", "maps", "timers", "events", "assembly"];
const PANELS: Record<ViewName, readonly NarrowPanel[]> = {
  write: WRITE,
  verify: ["verdict", "code", "paths", "instructions", "state", "log", "translated"],
  time: ["axis", "queue", "graph", "maps", "events", "alive", "registers", "code", "script"],
  race: ["found", "schedule", "graph", "maps", "timers", "events", "code", "script"],
  lesson: WRITE,
};

export type NarrowChoice = Partial<Record<ViewName, NarrowPanel>>;

export const panelsOf = (view: ViewName): readonly { readonly id: NarrowPanel; readonly label: string }[] =>
  PANELS[view].map((id) => ({ id, label: LABELS[id] }));

/** The file that a panel edits; null for panels that are no editor. */
export function fileOfPanel(panel: NarrowPanel): FileName | "assembly" | null {
  return panel === "code" ? "program" : panel === "script" || panel === "assembly" ? panel : null;
}

/** The panel on screen; among the editors the one of the file that is open. */
export function panelOf(view: ViewName, chosen: NarrowChoice, file: FileName | "assembly"): NarrowPanel {
  const panel = chosen[view] ?? PANELS[view][0] ?? "code";
  if (fileOfPanel(panel) === null) return panel;
  const open: NarrowPanel = file === "program" ? "code" : file;
  return PANELS[view].includes(open) ? open : panel;
}
