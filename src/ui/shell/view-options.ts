import type { ViewState } from "../../store/types.ts";

/** View options of the address (`?view=time&theme=dark`): the fragment holds the work, the query only how to look at it. */
export function viewOptions(search: string): Partial<ViewState> {
  const query = new URLSearchParams(search);
  const view = query.get("view");
  const theme = query.get("theme");
  const file = query.get("file");
  return {
    ...(view === "write" || view === "verify" || view === "time" || view === "race" ? { view } : {}),
    ...(theme === "light" || theme === "dark" || theme === "system" ? { theme } : {}),
    ...(file === "program" || file === "script" || file === "assembly" ? { file } : {}),
  };
}
