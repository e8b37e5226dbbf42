import { readSnippet, type Snippet } from "../share/codec/snippet.ts";

/** Where the visitor's work is kept on this device. Implementations may fail: then the page says so and works on. */
export interface TextStorage {
  get(key: string): Promise<string | undefined>;
  set(key: string, value: string): Promise<void>;
}

const KEY = "drafts";
/** Work of so many visits is kept; an opened link or demo never overwrites what was there before. */
const MAX_DRAFTS = 12;

interface Draft {
  readonly visit: string;
  readonly snippet: string;
}

/** The drafts of this device, newest last. Work is kept as the JSON of its snippet, so that old formats are read like old links. */
export class Drafts {
  readonly #storage: TextStorage;
  readonly #visit: string;

  /** `visit`: name of the piece of work under way; another one begins another draft. */
  constructor(storage: TextStorage, visit: string) {
    this.#storage = storage;
    this.#visit = visit;
  }

  /** What was worked on last; null when there is nothing (readable). */
  async newest(): Promise<Snippet | null> {
    for (const { snippet } of (await this.#read()).reverse()) {
      const read = readSnippet(snippet);
      if (read.ok) return read.value;
    }
    return null;
  }

  async save(snippet: Snippet): Promise<void> {
    const others = (await this.#read()).filter((d) => d.visit !== this.#visit);
    const drafts: Draft[] = [...others, { visit: this.#visit, snippet: JSON.stringify(snippet) }];
    await this.#storage.set(KEY, JSON.stringify(drafts.slice(-MAX_DRAFTS)));
  }

  async #read(): Promise<Draft[]> {
    try {
      const data: unknown = JSON.parse((await this.#storage.get(KEY)) ?? "[]");
      if (!Array.isArray(data)) return [];
      return data.filter(
        (d): d is Draft =>
          typeof d === "object" && d !== null && typeof d.visit === "string" && typeof d.snippet === "string",
      );
    } catch {
      return [];
    }
  }
}
