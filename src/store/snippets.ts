import { fromBase64, toBase64 } from "../share/codec/link.ts";
import { MAX_TEXT, SNIPPET_VERSION, type Snippet } from "../share/codec/snippet.ts";
import { NEW_FILE } from "./initial-state.ts";
import type { SourceState } from "./types.ts";

export interface Versions {
  readonly engine: string;
  readonly compiler: string;
}

/** The work of the visitor, with the name of the C file. */
export interface Work {
  readonly source: SourceState;
  readonly file: string;
}

export function snippetOf(
  { source, file }: Work,
  versions: Versions,
  moment: number | null,
  schedule: Snippet["schedule"] | null = null,
): Snippet {
  return {
    version: SNIPPET_VERSION,
    sources: [{ name: file, text: source.program }],
    script: source.script,
    settings: source.settings,
    versions,
    ...(source.demo === null ? {} : { demo: source.demo }),
    ...(source.object === null ? {} : { object: { name: source.object.name, base64: toBase64(source.object.bytes) } }),
    ...(moment === null ? {} : { moment: { event: moment } }),
    ...(schedule === null || schedule === undefined ? {} : { schedule }),
  };
}

/** What a snippet puts into the editor. */
export function workOf(snippet: Snippet): Work {
  const [main] = snippet.sources;
  const bytes = snippet.object === undefined ? null : fromBase64(snippet.object.base64);
  const file = main?.name ?? NEW_FILE;
  return {
    file,
    source: {
      demo: snippet.demo ?? null,
      file,
      program: main?.text ?? "",
      script: snippet.script,
      settings: snippet.settings,
      object: snippet.object === undefined || bytes === null ? null : { name: snippet.object.name, bytes },
      dirty: false,
      saved: "saved",
    },
  };
}

/** Why a source is too long to be compiled or shared; null when it is not. */
export function tooLong(what: string, text: string): string | null {
  if (text.length <= MAX_TEXT) return null;
  const count = text.length.toLocaleString("en");
  return `${what} has ${count} characters; the playground takes up to ${MAX_TEXT.toLocaleString("en")}`;
}
