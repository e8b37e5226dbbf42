import { Panel } from "../controls/Panel.tsx";
export function PathsPanel() {
  return (
    <Panel id="PathsPanel" title="PathsPanel">
      <p />
    </Panel>
  );
}
