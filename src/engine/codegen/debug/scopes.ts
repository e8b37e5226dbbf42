import type { MetadataTable } from "../../ir/metadata.ts";
import { fieldNumber } from "../select/module-context.ts";

/** Scopes of the source: which a place of the program lies in, and from which line to which each goes. */
export class Scopes {
  readonly #table: MetadataTable;
  readonly #around = new Map<number, ReadonlySet<string>>();
  readonly #lines = new Map<number, { first: number; last: number }>();

  constructor(table: MetadataTable) {
    this.#table = table;
    // Metadata has no ends of scopes: one ends where the last place in it does.
    for (const node of table.nodes.values()) {
      const isPlace = node.tag === "DILocation" || node.tag === "DILocalVariable";
      const line = isPlace ? fieldNumber(node, "line") : 0;
      if (line === 0) continue;
      for (const scope of this.#enclosing(refOf(node.fields.get("scope")))) {
        const known = this.#lines.get(scope);
        if (known === undefined) {
          const start = fieldNumber(table.nodes.get(scope), "line") || line;
          this.#lines.set(scope, { first: Math.min(start, line), last: Math.max(start, line) });
        } else {
          known.first = Math.min(known.first, line);
          known.last = Math.max(known.last, line);
        }
      }
    }
  }

  /** First and last line of a scope. */
  lines(scope: number): readonly [number, number] {
    const known = this.#lines.get(scope);
    const start = fieldNumber(this.#table.nodes.get(scope), "line");
    return known === undefined ? [start, start] : [known.first, known.last];
  }

  /** Whether a place (id of a DILocation) lies in a scope, in the copy of it that was inlined at another place (-1: in none). */
  contains(scope: number, inlinedAt: number, dbg: number): boolean {
    return this.#scopesAround(dbg).has(`${scope}:${inlinedAt}`);
  }

  /** Id of the DISubprogram around a scope; -1 when there is none. */
  subprogramOf(scope: number): number {
    return this.#enclosing(scope).at(-1) ?? -1;
  }

  #scopesAround(dbg: number): ReadonlySet<string> {
    let found = this.#around.get(dbg);
    if (found === undefined) {
      const set = new Set<string>();
      let at = dbg;
      for (let depth = 0; at >= 0 && depth < 1000; depth++) {
        const location = this.#table.nodes.get(at);
        const inlinedAt = refOf(location?.fields.get("inlinedAt"));
        for (const scope of this.#enclosing(refOf(location?.fields.get("scope")))) set.add(`${scope}:${inlinedAt}`);
        at = inlinedAt;
      }
      found = set;
      this.#around.set(dbg, found);
    }
    return found;
  }

  /** The scope and those around it, the function's last. */
  #enclosing(start: number): number[] {
    const list: number[] = [];
    for (let scope = start; scope >= 0 && list.length < 1000; ) {
      const node = this.#table.nodes.get(scope);
      if (node === undefined) break;
      list.push(scope);
      if (node.tag === "DISubprogram") break;
      scope = refOf(node.fields.get("scope"));
    }
    return list;
  }
}

function refOf(value: { readonly kind: string; readonly id?: number } | undefined): number {
  return value?.kind === "ref" && value.id !== undefined ? value.id : -1;
}
