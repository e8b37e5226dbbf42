import { useState } from "react";
import { Empty, MaximiseButton } from "../controls/Panel.tsx";
import { usePlayground } from "../shell/context.tsx";
import { ScalarView } from "./ScalarView.tsx";
import { detailText, parseState, shortState } from "./state-text.ts";
import { variablesIn } from "./variables.ts";
import { useChoose, useVerifyFocus } from "./verify-state.ts";
import { lostAt, type WalkStep, writtenAt } from "./walk.ts";

const ORDER = (name: string): number => {
  const register = /^R(\d+)$/.exec(name)?.[1];
  if (register !== undefined) return Number(register);
  const slot = /^fp-(\d+)/.exec(name)?.[1];
  return slot === undefined ? 1000 : 20 + Number(slot);
};

interface Gap {
  readonly label: string;
  readonly order: number;
  /** Instruction that took the value away; null when there was none. */
  readonly lostAt: WalkStep | null;
}

/** Registers without a known value, as ranges with what took it: `R2–R5`, a call. */
function missing(walk: readonly WalkStep[], step: number): readonly Gap[] {
  const known = walk[step]?.before ?? new Map<string, string>();
  const gaps: Gap[] = [];
  const lost = (i: number) => {
    const at = lostAt(walk, step, `R${i}`);
    return at < 0 ? null : (walk[at] ?? null);
  };
  for (let i = 0; i <= 9; i++) {
    if (known.has(`R${i}`)) continue;
    const at = lost(i);
    let j = i;
    while (j < 9 && !known.has(`R${j + 1}`) && lost(j + 1) === at) j++;
    gaps.push({ label: i === j ? `R${i}` : `R${i}–R${j}`, order: i, lostAt: at });
    i = j;
  }
  return gaps;
}

const lostWords = (at: WalkStep | null): string =>
  at === null ? "" : at.line?.text.startsWith("call") ? `call at ${at.insn}` : `at ${at.insn}`;

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
            variables={variablesIn(program, at.insn)}
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
  variables,
  fault,
}: {
  readonly walk: readonly WalkStep[];
  readonly step: number;
  /** Names of the variables in each register and slot. */
  readonly variables: ReadonlyMap<string, readonly string[]>;
  readonly fault: number | null;
}) {
  const at = walk[step] as WalkStep;
  const { register } = useVerifyFocus();
  const choose = useChoose();
  const [open, setOpen] = useState<string | null>(null);
  const rows = [
    ...[...at.before].map(([name, text]) => ({ name, text, order: ORDER(name), lostAt: null as WalkStep | null })),
    ...missing(walk, step).map((gap) => ({ name: gap.label, text: null, order: gap.order, lostAt: gap.lostAt })),
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
              <span className="ty">{row.lostAt ? "not readable" : "never written"}</span>
              <span className="d" />
              <span className="o">{lostWords(row.lostAt)}</span>
            </div>
          );
        const parsed = parseState(row.text);
        const written = writtenAt(walk, step, row.name);
        const line = walk[written]?.line?.line ?? 0;
        const variable = variables.get(row.name)?.join(", ") ?? null;
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
                {variable ? <code>{variable}</code> : null}
                {variable ? ", " : ""}
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
