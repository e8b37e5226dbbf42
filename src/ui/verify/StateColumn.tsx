import { Panel } from "../controls/Panel.tsx";
export function StateColumn() {
  return (
    <Panel id="state" title="State">
      <p />
    </Panel>
  );
}
