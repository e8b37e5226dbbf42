import type { SessionSettings } from "../protocol/engine-types.ts";
import catalogue from "./catalogue.json" with { type: "json" };

/** A lesson in one program: what the catalogue says, with the texts that it names. */
export interface Demo {
  readonly id: string;
  readonly title: string;
  readonly group: string;
  readonly summary: string;
  /** Name of the C file. */
  readonly file: string;
  readonly program: string;
  readonly script: string;
  readonly settings: Partial<SessionSettings>;
  /** True when the verifier refuses the program: that is what it shows. */
  readonly refused: boolean;
}

interface Entry {
  readonly id: string;
  readonly title: string;
  readonly group: string;
  readonly summary: string;
  readonly program: string;
  readonly script: string;
  readonly settings: Partial<SessionSettings>;
  readonly refused?: boolean;
}

/** The catalogue's entries in order; `read` gives a file of `programs/` by name. */
export function demosFrom(read: (file: string) => string): Demo[] {
  return (catalogue as readonly Entry[]).map(({ id, title, group, summary, program, script, settings, refused }) => ({
    id,
    title,
    group,
    summary,
    file: `${program}.bpf.c`,
    program: read(`${program}.bpf.c`),
    script: read(`${script}.user`),
    settings,
    refused: refused ?? false,
  }));
}
