import { Split } from "../controls/Split.tsx";
import { StatePanel } from "./StatePanel.tsx";
import { VerdictCard } from "./VerdictCard.tsx";
import { useVerifyFocus } from "./verify-state.ts";

/** Why, and what was known: the verdict above, the state at the selected instruction below. */
export function StateColumn() {
  const { program } = useVerifyFocus();
  const tall = program?.verdict === "reject";
  return (
    <Split
      key={tall ? "tall" : "low"}
      id={tall ? "verify-verdict" : "verify-accepted"}
      direction="vertical"
      sizes={[
        { id: "verdict", size: tall ? 262 : 118, min: 60 },
        { id: "state", size: "60%", min: 100 },
      ]}
    >
      <VerdictCard />
      <StatePanel />
    </Split>
  );
}
