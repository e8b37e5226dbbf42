import type { Diagnostic } from "../base/diagnostic.ts";
import { utf8Bytes } from "../base/utf8.ts";
import { LineScanner, parseHex } from "./line-scanner.ts";
import { parseExpectation } from "./parse-expectation.ts";
import { parseValue } from "./parse-value.ts";
import type { Command, Duration, ScriptLine, UpdateFlag } from "./types.ts";

export interface Script {
  /** In order, without blank lines and comments. */
  readonly commands: readonly ScriptLine[];
  /** At most one per line; a line that has one gives no command. */
  readonly diagnostics: readonly Diagnostic[];
}

/** Name under which diagnostics refer to the script. */
export const SCRIPT_FILE = "script.user";
/** Longer scripts are refused as a whole. */
const MAX_LINES = 100_000;
const MAX_CPU = 7;

/** Reads a user-space script; every fault is reported at its line and column. */
export function parseScript(text: string): Script {
  const commands: ScriptLine[] = [];
  const diagnostics: Diagnostic[] = [];
  const lines = text.split(/\r\n|\n|\r/);
  const complain = (message: string, line: number, column: number, endColumn: number) =>
    diagnostics.push({
      severity: "error",
      message,
      span: { file: SCRIPT_FILE, line, column, endLine: line, endColumn },
    });
  if (lines.length > MAX_LINES) {
    complain(`a script may have ${MAX_LINES} lines, this one has ${lines.length}`, MAX_LINES + 1, 1, 2);
    return { commands, diagnostics };
  }
  lines.forEach((written, index) => {
    const scanner = new LineScanner(written);
    if (scanner.atEnd()) return;
    const parsed = parseLine(scanner, index + 1);
    if (parsed !== null) commands.push(parsed);
    else {
      const { message, column, endColumn } = scanner.fault ?? { message: "not understood", column: 1, endColumn: 2 };
      complain(message, index + 1, column, endColumn);
    }
  });
  return { commands, diagnostics };
}

/** One line of a script given by itself (a live command). */
export function parseCommand(text: string): ScriptLine | { readonly error: string; readonly column: number } {
  const scanner = new LineScanner(text);
  if (scanner.atEnd()) return { error: "there is no command here", column: 1 };
  const parsed = parseLine(scanner, 0);
  return parsed ?? { error: scanner.fault?.message ?? "not understood", column: scanner.fault?.column ?? 1 };
}

function parseLine(scanner: LineScanner, line: number): ScriptLine | null {
  scanner.skipSpace();
  const start = scanner.at;
  let process: string | null = null;
  let cpu: number | null = null;
  for (;;) {
    scanner.skipSpace();
    const prefix = scanner.match(/(?:process|cpu)(?=\s)/y);
    if (prefix === null) break;
    if (prefix === "process") {
      process = scanner.name("process");
      if (process === null) return null;
    } else {
      cpu = parseCpu(scanner);
      if (cpu === null) return null;
    }
    scanner.skipSpace();
    if (!scanner.take(":")) return scanner.fail(`':' must follow '${prefix} …'`);
  }
  if (scanner.atEnd()) return scanner.fail("a command must follow here");
  const command = parseBody(scanner);
  if (command === null) return null;
  const end = scanner.at;
  if (!scanner.atEnd()) {
    const rest = scanner.upcoming();
    const message = rest.startsWith(";")
      ? "one command a line: a new line begins the next"
      : `'${rest}' is not expected here`;
    return scanner.fail(message, scanner.column, scanner.column + rest.length);
  }
  return { line, text: scanner.text.slice(start, end).trim(), process, cpu, command };
}

function parseCpu(scanner: LineScanner): number | null {
  scanner.skipSpace();
  const column = scanner.column;
  const value = scanner.integer("the number of a CPU");
  if (value === null) return null;
  return value >= 0n && value <= MAX_CPU
    ? Number(value)
    : scanner.fail(`CPUs are numbered 0 to ${MAX_CPU}`, column, scanner.column);
}

const VERBS = [
  "prog",
  "advance",
  "map",
  "ringbuf",
  "unpin",
  "object",
  "exit",
  "timer",
  "fail",
  "rcu",
  "expect",
] as const;

function parseBody(scanner: LineScanner): Command | null {
  scanner.skipSpace();
  const column = scanner.column;
  const word = scanner.match(/[A-Za-z][\w-]*/y) ?? "";
  if (!(VERBS as readonly string[]).includes(word)) {
    const found = word || scanner.upcoming();
    return scanner.fail(`unknown command '${found}'; commands are ${VERBS.join(", ")}`, column, column + found.length);
  }
  switch (word as (typeof VERBS)[number]) {
    case "prog":
      return parseProg(scanner);
    case "map":
      return parseMap(scanner);
    case "advance": {
      const by = parseDuration(scanner, true);
      return by === null ? null : { kind: "advance", by };
    }
    case "ringbuf": {
      if (scanner.keyword(["read"], "ringbuf") === null) return null;
      const map = scanner.name("map");
      return map === null ? null : { kind: "ringbuf-read", map };
    }
    case "unpin": {
      const path = parsePath(scanner);
      return path === null ? null : { kind: "unpin", path };
    }
    case "object":
      return scanner.keyword(["load"], "object") === null ? null : { kind: "object-load" };
    case "exit":
      return { kind: "exit" };
    case "timer": {
      if (scanner.keyword(["create"], "timer") === null) return null;
      const map = scanner.name("map");
      const prog = map === null ? null : scanner.name("program");
      const expires = prog === null ? null : parseDuration(scanner, false);
      return map === null || prog === null || expires === null ? null : { kind: "timer-create", map, prog, expires };
    }
    case "fail":
      return scanner.keyword(["next"], "fail") === null || scanner.keyword(["alloc"], "fail next") === null
        ? null
        : { kind: "fail-next-alloc" };
    case "rcu":
      return scanner.keyword(["settle"], "rcu") === null ? null : { kind: "rcu-settle" };
    case "expect": {
      const expectation = parseExpectation(scanner);
      return expectation === null ? null : { kind: "expect", expectation };
    }
  }
}

function parseProg(scanner: LineScanner): Command | null {
  const verb = scanner.keyword(["run", "attach", "detach", "close", "open", "pin"], "prog");
  const prog = verb === null ? null : scanner.name("program");
  if (prog === null) return null;
  if (verb === "run") return parseRun(scanner, prog);
  if (verb === "pin") {
    const path = parsePath(scanner);
    return path === null ? null : { kind: "prog-pin", prog, path };
  }
  return { kind: `prog-${verb as "attach" | "detach" | "close" | "open"}`, prog };
}

function parseRun(scanner: LineScanner, prog: string): Command | null {
  const context: { field: string; value: bigint; column: number }[] = [];
  let data: Uint8Array | null = null;
  let repeat = 1;
  let cpu: number | null = null;
  while (!scanner.atEnd()) {
    const column = scanner.column;
    const name = scanner.match(/(?:ctx\.[\w.[\]]+|data|repeat|cpu)=/y);
    if (name === null) {
      const found = scanner.upcoming();
      return scanner.fail(
        `'${found}' is not expected here; prog run takes ctx.FIELD=V, data=, repeat=N and cpu=N`,
        column,
        column + found.length,
      );
    }
    if (name === "data=") {
      data = parseData(scanner);
      if (data === null) return null;
    } else if (name === "cpu=") {
      cpu = parseCpu(scanner);
      if (cpu === null) return null;
    } else {
      const value = scanner.integer(name === "repeat=" ? "the number of runs" : `the value of ${name.slice(0, -1)}`);
      if (value === null) return null;
      if (name !== "repeat=") context.push({ field: name.slice(4, -1), value, column });
      else if (value < 1n || value > 1_000_000n) {
        return scanner.fail("repeat must be between 1 and 1000000", column, scanner.column);
      } else repeat = Number(value);
    }
  }
  return { kind: "prog-run", prog, context, data, repeat, cpu };
}

function parseData(scanner: LineScanner): Uint8Array | null {
  if (scanner.peek() === '"') {
    const text = scanner.quoted();
    return text === null ? null : utf8Bytes(text);
  }
  const column = scanner.column;
  scanner.take("hex:");
  const digits = scanner.match(/[^\s#]*/y) ?? "";
  const bytes = parseHex(digits.replace(/^0x/i, ""));
  return (
    bytes ??
    scanner.fail(
      "data= takes an even number of hexadecimal digits, or a text in quotation marks",
      column,
      scanner.column,
    )
  );
}

const FLAGS: readonly UpdateFlag[] = ["any", "noexist", "exist", "lock", "busy", "cancel"];

function parseMap(scanner: LineScanner): Command | null {
  const verb = scanner.keyword(["update", "lookup", "delete", "dump", "push", "pop", "close", "open", "pin"], "map");
  const map = verb === null ? null : scanner.name("map");
  if (map === null) return null;
  switch (verb) {
    case "update": {
      const key = parseValue(scanner, "key");
      const value = key === null ? null : parseValue(scanner, "value");
      if (key === null || value === null) return null;
      const flag = scanner.atEnd() ? "any" : (scanner.keyword(FLAGS, "map update") as UpdateFlag | null);
      return flag === null ? null : { kind: "map-update", map, key, value, flag };
    }
    case "lookup":
    case "delete": {
      const key = parseValue(scanner, "key");
      return key === null ? null : { kind: `map-${verb}`, map, key };
    }
    case "push": {
      const value = parseValue(scanner, "value");
      return value === null ? null : { kind: "map-push", map, value };
    }
    case "pin": {
      const path = parsePath(scanner);
      return path === null ? null : { kind: "map-pin", map, path };
    }
    default:
      return { kind: `map-${verb as "dump" | "pop" | "close" | "open"}`, map };
  }
}

function parsePath(scanner: LineScanner): string | null {
  scanner.skipSpace();
  if (scanner.peek() === '"') return scanner.quoted();
  return scanner.match(/[^\s#]+/y) ?? scanner.fail("a path is missing here");
}

const NS_PER_UNIT: Record<string, number> = { ns: 1, us: 1e3, ms: 1e6, s: 1e9 };

function parseDuration(scanner: LineScanner, next: boolean): Duration | null {
  scanner.skipSpace();
  if (next && scanner.match(/next(?!\w)/y) !== null) return { kind: "next" };
  const column = scanner.column;
  const text = scanner.match(/[0-9]+(?:\.[0-9]+)?(?:ns|us|ms|s|j)(?!\w)/y);
  if (text === null) {
    const found = scanner.upcoming();
    const wanted = `a time such as 10ms (ns, us, ms, s, or j for jiffies)${next ? ", or next" : ""}`;
    return scanner.fail(
      found === "" ? `${wanted} is missing here` : `'${found}' is no time; write ${wanted}`,
      column,
      column + Math.max(1, found.length),
    );
  }
  const unit = /[a-z]+$/.exec(text)?.[0] as string;
  const count = Number(text.slice(0, -unit.length));
  const value = unit === "j" ? count : Math.round(count * (NS_PER_UNIT[unit] as number));
  if (!Number.isSafeInteger(value)) {
    return scanner.fail(
      unit === "j" ? "jiffies are whole numbers" : "the clock can move by 104 days at most",
      column,
      scanner.column,
    );
  }
  return unit === "j" ? { kind: "jiffies", count: value } : { kind: "ns", ns: value };
}
