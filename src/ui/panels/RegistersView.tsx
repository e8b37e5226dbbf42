import { useMemo, useRef } from "react";
import type { CpuSnapshot } from "../../protocol/engine-types.ts";
import { Empty } from "../controls/Panel.tsx";
import { useActions, usePlayground } from "../shell/context.tsx";
import { useEditorPort } from "../shell/editor-port.tsx";
import { WatchToggle } from "./WatchToggle.tsx";

/** Registers of what runs at this moment, per CPU, and the instruction that comes next. */
export function RegistersView() {
  const cpus = usePlayground((s) => s.run.snapshot?.cpus ?? null);
  const none = usePlayground((s) => s.run.status === "none");
  const actions = useActions();
  const busy = cpus?.filter((cpu) => cpu.running !== null) ?? [];
  if (busy.length === 0)
    return (
      <Empty title="No program is inside a call">
        <p>Step to an instruction, or to an event within a run, and its registers appear here.</p>
        <div className="row">
          <button type="button" className="mini" disabled={none} onClick={() => actions.stepInstruction()}>
            Step one instruction <kbd>F11</kbd>
          </button>
        </div>
      </Empty>
    );
  return (
    <div className="cpuregs scroll">
      {busy.map((cpu) => (
        <CpuRegisters key={cpu.id} cpu={cpu} />
      ))}
    </div>
  );
}

/** Values of the moment before; what differs from them is marked. */
function useBefore(registers: readonly string[], seq: string): readonly string[] {
  const kept = useRef<{ seq: string; now: readonly string[]; before: readonly string[] }>({
    seq,
    now: registers,
    before: registers,
  });
  if (kept.current.seq !== seq) kept.current = { seq, now: registers, before: kept.current.now };
  return kept.current.before;
}

function CpuRegisters({ cpu }: { readonly cpu: CpuSnapshot }) {
  const running = cpu.running;
  const report = usePlayground((s) => s.build.report);
  const older = usePlayground((s) => s.build.runningOlder);
  const port = useEditorPort();
  const before = useBefore(running?.registers ?? [], `${running?.insn}/${running?.registers.join()}`);
  const around = useMemo(() => {
    const lines = (!older && report?.ok ? report.programs.find((p) => p.name === running?.program) : null)?.disassembly;
    const at = lines?.findIndex((line) => line.insn === running?.insn) ?? -1;
    return at < 0 ? [] : (lines?.slice(Math.max(0, at - 2), at + 3) ?? []);
  }, [report, older, running?.program, running?.insn]);
  if (!running) return null;
  return (
    <section aria-label={`Registers of CPU ${cpu.id}`}>
      <h3>
        CPU {cpu.id} <code className="c-prog">{running.functionName}</code>{" "}
        {running.line > 0 ? (
          <button type="button" className="lnk" onClick={() => port.current?.reveal("program", running.line)}>
            line {running.line}
          </button>
        ) : null}{" "}
        <span className="t3">instruction {running.insn}</span>
      </h3>
      {around.length > 0 ? (
        <ol className="nextinsn" aria-label="Instructions around the next one">
          {around.map((line) => (
            <li key={line.insn} aria-current={line.insn === running.insn ? "step" : undefined}>
              <span className="a">{line.insn}</span>
              <code>{line.text}</code>
            </li>
          ))}
        </ol>
      ) : null}
      <dl>
        {running.registers.map((value, i) => (
          // biome-ignore lint/suspicious/noArrayIndexKey: a register is its number
          <div key={i} className={before[i] !== undefined && before[i] !== value ? "chg" : ""}>
            <dt>r{i}</dt>
            <dd className="mono">{value}</dd>
            <WatchToggle
              watch={{ kind: "register", program: running.program, register: i }}
              label={`r${i} of ${running.program}`}
            />
          </div>
        ))}
      </dl>
    </section>
  );
}
