import type { Watch } from "../../protocol/engine-types.ts";
import { hasWatch } from "../../store/stops.ts";
import { IconButton } from "../controls/Panel.tsx";
import { useActions, usePlayground } from "../shell/context.tsx";

/** The eye beside a value: the run stops when it changes. */
export function WatchToggle({ watch, label }: { readonly watch: Watch; readonly label: string }) {
  const on = usePlayground((s) => hasWatch(s.view.stops, watch));
  const actions = useActions();
  return (
    <IconButton
      icon="eye"
      label={`Stop when ${label} changes`}
      className={on ? "watch on" : "watch"}
      pressed={on}
      onClick={() => actions.toggleWatch(watch)}
    />
  );
}
