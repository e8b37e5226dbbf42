/** A command that was given while a script ran. */
export interface LiveCommand {
  /** As given. */
  readonly text: string;
  /** Virtual ns at which it was given. */
  readonly at: number;
  /** Line of the script, from 1, that had begun last; 0: none had. */
  readonly afterLine: number;
  /** True when the command lets time pass. */
  readonly advances: boolean;
  /** Virtual ns at which it was over. */
  readonly end: number;
  /** Null: it succeeded. */
  readonly errno: string | null;
}

/** When each command of the script was over, virtual ns, by its line; `advances`: it let time pass. */
export type LineEnds = ReadonlyMap<number, { readonly end: number; readonly advances: boolean }>;

const UNITS = [
  ["s", 1_000_000_000],
  ["ms", 1_000_000],
  ["us", 1000],
] as const;

function duration(ns: number): string {
  const unit = UNITS.find(([, size]) => ns % size === 0);
  return unit === undefined ? `${ns}ns` : `${ns / unit[1]}${unit[0]}`;
}

/**
 * The script as it would have to be written for the same run: each live command in its place, with `advance` lines that bring time to it.
 * An `advance` of the script within which commands were given is divided there. Lines, comments and order of the script stay.
 */
export function withLiveCommands(script: string, live: readonly LiveCommand[], ends: LineEnds): string {
  const written = script.split(/\r\n|\n|\r/);
  const out: string[] = [];
  let clock = 0;
  let comment = true;
  const passTo = (time: number): void => {
    if (time > clock) out.push(`advance ${duration(time - clock)}`);
    clock = Math.max(clock, time);
  };
  const give = (commands: readonly LiveCommand[]): void => {
    // A command may be given while another one lets time pass.
    let reached = 0;
    for (const command of commands) {
      if (comment) out.push("# Given while the script ran:");
      comment = false;
      passTo(command.at);
      reached = Math.max(reached, command.end);
      if (command.advances) continue;
      out.push(command.text);
      clock = Math.max(clock, command.end);
      if (command.errno !== null) out.push(`expect errno == ${command.errno}`);
    }
    passTo(reached);
  };

  give(live.filter((command) => command.afterLine === 0));
  written.forEach((text, index) => {
    const line = index + 1;
    const given = live.filter((command) => command.afterLine === line);
    const done = ends.get(line);
    comment = true;
    if (done?.advances && given.some((command) => command.at < done.end)) {
      out.push(`# ${text.trim()}, divided by what was given meanwhile:`);
      comment = false;
      give(given);
      passTo(done.end);
      return;
    }
    // A script that ends with a line break goes on behind it.
    if (line < written.length || text !== "") out.push(text);
    clock = done?.end ?? clock;
    give(given);
  });
  return `${out.join("\n")}\n`;
}
