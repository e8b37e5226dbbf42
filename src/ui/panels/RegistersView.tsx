import { Empty } from "../controls/Panel.tsx";
import { usePlayground } from "../shell/context.tsx";
import { useEditorPort } from "../shell/editor-port.tsx";

/** Registers of what runs at this moment, per CPU. */
export function RegistersView() {
  const cpus = usePlayground((s) => s.run.snapshot?.cpus ?? null);
  const port = useEditorPort();
  const busy = cpus?.filter((cpu) => cpu.running !== null) ?? [];
  if (busy.length === 0)
    return (
      <Empty title="No program is inside a call">
        <p>Step to an instruction, or to an event within a run, and its registers appear here.</p>
      </Empty>
    );
  return (
    <div className="cpuregs scroll">
      {busy.map((cpu) => {
        const running = cpu.running;
        if (!running) return null;
        return (
          <section key={cpu.id} aria-label={`Registers of CPU ${cpu.id}`}>
            <h3>
              CPU {cpu.id} <code className="c-prog">{running.functionName}</code>{" "}
              {running.line > 0 ? (
                <button type="button" className="lnk" onClick={() => port.current?.reveal("program", running.line)}>
                  line {running.line}
                </button>
              ) : null}{" "}
              <span className="t3">instruction {running.insn}</span>
            </h3>
            <dl>
              {running.registers.map((value, i) => (
                // biome-ignore lint/suspicious/noArrayIndexKey: a register is its number
                <div key={i}>
                  <dt>r{i}</dt>
                  <dd className="mono">{value}</dd>
                </div>
              ))}
            </dl>
          </section>
        );
      })}
    </div>
  );
}
