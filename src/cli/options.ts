/** Options of a command as they were given; a wrong one is a message for stderr. */
export interface Options {
  readonly files: readonly string[];
  readonly flags: ReadonlySet<string>;
  readonly values: ReadonlyMap<string, string>;
}

export interface OptionSpec {
  readonly flags: readonly string[];
  /** Options with a value, with what it may be: a list, or a pattern with its description. */
  readonly values: Readonly<Record<string, readonly string[] | { readonly pattern: RegExp; readonly what: string }>>;
}

/** Reads `--name value`, `--name=value` and flags; everything else is a file. */
export function readOptions(args: readonly string[], spec: OptionSpec): Options | string {
  const files: string[] = [];
  const flags = new Set<string>();
  const values = new Map<string, string>();
  for (let i = 0; i < args.length; i++) {
    const argument = args[i] as string;
    if (!argument.startsWith("-") || argument === "-") {
      files.push(argument);
      continue;
    }
    const [name = "", inline] = argument.split(/=(.*)/s);
    if (spec.flags.includes(name) && inline === undefined) {
      flags.add(name);
      continue;
    }
    const allowed = Object.hasOwn(spec.values, name) ? spec.values[name] : undefined;
    if (allowed === undefined) return `unknown option ${argument}`;
    const value = inline ?? args[++i];
    if (value === undefined) return `${name} needs a value`;
    if (Array.isArray(allowed)) {
      if (!allowed.includes(value)) return `${name} takes ${allowed.join(", ")}, not '${value}'`;
    } else {
      const { pattern, what } = allowed as { readonly pattern: RegExp; readonly what: string };
      if (!pattern.test(value)) return `${name} takes ${what}, not '${value}'`;
    }
    values.set(name, value);
  }
  return { files, flags, values };
}

export const WHOLE = { pattern: /^\d+$/, what: "a whole number" };
export const ANY = { pattern: /[\s\S]/, what: "a value" };
