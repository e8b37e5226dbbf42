import type { ProgramReport } from "../../protocol/engine-types.ts";
import { Empty } from "../controls/Panel.tsx";
import { useActions, usePlayground } from "../shell/context.tsx";

/** The program after the rewrites that follow acceptance, as `bpftool prog dump xlated` prints it. */
export function TranslatedView({ program }: { readonly program: ProgramReport }) {
  const selected = usePlayground((s) => s.view.selectedInsn);
  const actions = useActions();
  if (program.xlated.length === 0)
    return (
      <Empty title="Not translated">
        <p>Only an accepted program is rewritten: calls get their targets, timers their hidden argument.</p>
      </Empty>
    );
  return (
    <ol className="xl scroll">
      {program.xlated.slice(0, 5000).map((line, i) => {
        const { origin } = line;
        const on = origin !== null && selected?.program === program.name && selected.insn === origin;
        return (
          // biome-ignore lint/suspicious/noArrayIndexKey: lines have no identity but their place
          <li key={i} className={on ? "on" : origin === null ? "new" : ""}>
            {origin === null ? (
              <span className="a">new</span>
            ) : (
              <button
                type="button"
                className="a"
                aria-label={`Instruction ${origin}`}
                onClick={() => actions.setView({ selectedInsn: { program: program.name, insn: origin } })}
              >
                {origin}
              </button>
            )}
            <code>{line.text}</code>
          </li>
        );
      })}
    </ol>
  );
}
