import type { ScriptState, SessionSettings } from "../protocol/engine-types.ts";
import { NO_STOPS } from "./stops.ts";
import type { BuildState, PlaygroundState, RaceState, RunState, SourceState, ViewState } from "./types.ts";

/** Settings of a new snippet; those of the engine (a test compares them). */
export const DEFAULT_SETTINGS: SessionSettings = {
  policy: "uref",
  cpus: 2,
  hz: 250,
  seed: 1,
  insnCost: 0,
  unverified: false,
  engine: "interpreter",
  cpuVersion: "v3",
  optimization: "O2",
};

/** Name of a program that nobody has named. */
export const NEW_FILE = "program.bpf.c";

/** Virtual ns per second: a timer of a few jiffies fires every second or two. */
export const DEFAULT_SPEED = 1e7;

export const NO_SCRIPT: ScriptState = { nextLine: null, stopped: null, commands: [], expectations: [] };

const SOURCE: SourceState = {
  demo: null,
  file: NEW_FILE,
  program: "",
  script: "",
  settings: DEFAULT_SETTINGS,
  object: null,
  dirty: false,
  saved: "saved",
};

const BUILD: BuildState = {
  phase: "idle",
  download: null,
  compilerReady: false,
  failure: null,
  report: null,
  runningOlder: false,
  object: null,
  milliseconds: null,
};

export const NO_RUN: RunState = {
  status: "none",
  snapshot: null,
  events: [],
  script: NO_SCRIPT,
  position: 0,
  following: true,
  stopped: null,
  speed: DEFAULT_SPEED,
  commandError: null,
};

/** As on the command line. */
export const DEFAULT_BOUND = 3;
export const MAX_BOUND = 20;

export const NO_RACE: RaceState = {
  bound: DEFAULT_BOUND,
  phase: "idle",
  searching: null,
  progress: null,
  milliseconds: 0,
  report: null,
  schedule: null,
  replayed: false,
  step: null,
  comparison: [],
  failure: null,
};

const VIEW: ViewState = {
  view: "write",
  theme: "system",
  file: "program",
  selectedNode: null,
  selectedInsn: null,
  cursorLine: null,
  stops: NO_STOPS,
  maximised: null,
  dialog: "none",
  banner: null,
};

export const INITIAL_STATE: PlaygroundState = {
  source: SOURCE,
  build: BUILD,
  run: NO_RUN,
  verifier: null,
  race: NO_RACE,
  view: VIEW,
  demos: [],
};
