import type { ScriptState } from "../../protocol/engine-types.ts";

/** How many commands and expectations were given while the script ran: they are not part of it, nor of a link. */
export function liveCommands({ commands, expectations }: ScriptState): number {
  return commands.filter((c) => c.line === 0).length + expectations.filter((e) => e.line === 0).length;
}
