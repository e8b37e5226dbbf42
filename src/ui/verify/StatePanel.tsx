import { useState } from "react";
import { Empty, MaximiseButton } from "../controls/Panel.tsx";
import { usePlayground } from "../shell/context.tsx";
import { ScalarView } from "./ScalarView.tsx";
import { detailText, parseState, shortState } from "./state-text.ts";
import { useChoose, useVerifyFocus } from "./verify-state.ts";
import { type WalkStep, writtenAt } from "./walk.ts";

const ORDER = (name: string): number => {
  const register = /^R(\d+)$/.exec(name)?.[1];
  if (register !== undefined) return Number(register);
  const slot = /^fp-(\d+)/.exec(name)?.[1];
  return slot === undefined ? 1000 : 20 + Number(slot);
};

/** Registers without a known value, as ranges: `R2–R5`. */
function missing(known: ReadonlySet<string>): readonly { readonly label: string; readonly order: number }[] {
  const gaps: { label: string; order: number }[] = [];
  for (let i = 0; i <= 9; i++) {
    if (known.has(`R${i}`)) continue;
    let j = i;
    while (j < 9 && !known.has(`R${j + 1}`)) j++;
    gaps.push({ label: i === j ? `R${i}` : `R${i}–R${j}`, order: i });
    i = j;
  }
  return gaps;
}

export function StatePanel() {
  const { program, walk, step, path } = useVerifyFocus();
  const maximised = usePlayground((s) => s.view.maximised === "state");
  const at = walk[step];
  return (
    <section className="panel" data-panel="state" data-max={maximised} aria-label="Verifier state">
      <div className="ph">
        <h2>{at ? `State before ${at.insn}` : "State"}</h2>
        {at ? (
          <span className="m">
            path {path + 1}, frame {at.frame}
          </span>
        ) : null}
        <span className="tools">
          <MaximiseButton panel="state" title="the state" />
        </span>
      </div>
      <div className="pb">
        {at && program ? (
          <StateRows
            walk={walk}
            step={step}
            fault={program.rejection?.insn === at.insn ? program.rejection.register : null}
          />
        ) : (
          <Empty title="No state to show">
            <p>Choose an instruction of a path: what the verifier knew of each register and stack slot stands here.</p>
          </Empty>
        )}
      </div>
    </section>
  );
}

function StateRows({
  walk,
  step,
  fault,
}: {
  readonly walk: readonly WalkStep[];
  readonly step: number;
  readonly fault: number | null;
}) {
  const at = walk[step] as WalkStep;
  const { register } = useVerifyFocus();
  const choose = useChoose();
  const [open, setOpen] = useState<string | null>(null);
  const rows = [
    ...[...at.before].map(([name, text]) => ({ name, text, order: ORDER(name) })),
    ...missing(new Set(at.before.keys())).map((gap) => ({ name: gap.label, text: null, order: gap.order })),
  ].sort((a, b) => a.order - b.order);
  const ranged = [...at.before].find(([, text]) => {
    const { scalar } = parseState(text);
    return scalar !== null && !scalar.exact && scalar.umax - scalar.umin < 1n << 33n;
  })?.[0];
  const opened = open ?? ranged ?? null;
  return (
    <div className="regs scroll">
      {rows.map((row) => {
        if (row.text === null)
          return (
            <div key={row.name} className="rg off">
              <span className="n">{row.name}</span>
              <span className="ty">not readable</span>
            </div>
          );
        const parsed = parseState(row.text);
        const written = writtenAt(walk, step, row.name);
        const line = walk[written]?.line?.line ?? 0;
        const after = at.changed.find(([name]) => name === row.name)?.[1];
        const isFault = fault !== null && row.name === `R${fault}`;
        return (
          <div key={row.name}>
            <button
              type="button"
              className={`rg${isFault ? " hot" : ""}${register === row.name ? " on" : ""}`}
              aria-pressed={register === row.name}
              title="Show where it is written and read"
              onClick={() => {
                choose({ register: register === row.name ? null : row.name });
                if (parsed.scalar && !parsed.scalar.exact) setOpen(row.name);
              }}
            >
              <span className="n">{row.name}</span>
              <span className="ty">{parsed.scalar?.exact ? shortState(row.text) : parsed.type}</span>
              <span className="d">
                {parsed.scalar?.exact ? "" : detailText(parsed)}
                {after ? <b className="aft"> → {shortState(after)}</b> : null}
              </span>
              <span className="o">
                {written < 0 ? "from the start" : line > 0 ? `line ${line}` : `at ${walk[written]?.insn}`}
              </span>
            </button>
            {opened === row.name && parsed.scalar && !parsed.scalar.exact ? (
              <ScalarView scalar={parsed.scalar} />
            ) : null}
          </div>
        );
      })}
      {at.changed
        .filter(([name]) => !at.before.has(name))
        .map(([name, text]) => (
          <div key={`new${name}`} className="rg new">
            <span className="n">{name}</span>
            <span className="ty t3">written here</span>
            <span className="d">
              <b className="aft">→ {shortState(text)}</b>
            </span>
            <span className="o" />
          </div>
        ))}
    </div>
  );
}
