import { Panel } from "../controls/Panel.tsx";
export function InstructionsPanel() {
  return (
    <Panel id="InstructionsPanel" title="InstructionsPanel">
      <p />
    </Panel>
  );
}
