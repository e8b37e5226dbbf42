import { useVirtualizer } from "@tanstack/react-virtual";
import { useMemo, useRef } from "react";
import type { ProgramReport } from "../../protocol/engine-types.ts";
import { Empty } from "../controls/Panel.tsx";
import { useActions, usePlayground } from "../shell/context.tsx";

/** What became of an instruction: kept, rewritten, or joined by others that do its work. */
interface Translated {
  readonly text: string;
  readonly origin: number | null;
  readonly note: string | null;
}

/** Lines that are no instruction name a function or quote the source. */
const INSTRUCTION = /^\s*(\d+:\s*)?\(/;

/** Lines of the listing with what the kernel did to each. */
export function translatedLines(program: Pick<ProgramReport, "xlated" | "disassembly">): readonly Translated[] {
  const original = new Map(program.disassembly.map((line) => [line.insn, line.text]));
  const count = new Map<number, number>();
  for (const { origin } of program.xlated) if (origin !== null) count.set(origin, (count.get(origin) ?? 0) + 1);
  return program.xlated.map((line) => {
    if (line.origin === null) return { ...line, note: INSTRUCTION.test(line.text) ? "added" : null };
    const before = original.get(line.origin) ?? "";
    const several = (count.get(line.origin) ?? 0) > 1;
    const call = /^call (bpf_\w+)/.exec(before)?.[1] ?? null;
    if (call === "bpf_timer_set_callback" && several && !/\bcall\b/.test(line.text))
      return { ...line, note: "hidden argument: this program" };
    if (call !== null && line.text.includes(call)) return { ...line, note: null };
    if (call !== null && several) return { ...line, note: `in place of ${call}` };
    return { ...line, note: several ? "rewritten" : null };
  });
}

/** The program after the rewrites that follow acceptance, as `bpftool prog dump xlated` prints it. */
export function TranslatedView({ program }: { readonly program: ProgramReport }) {
  const selected = usePlayground((s) => s.view.selectedInsn);
  const actions = useActions();
  const lines = useMemo(() => translatedLines(program), [program]);
  const scroller = useRef<HTMLDivElement>(null);
  const virtualizer = useVirtualizer({
    count: lines.length,
    getScrollElement: () => scroller.current,
    estimateSize: () => 19,
    overscan: 24,
  });
  if (program.xlated.length === 0)
    return (
      <Empty title="Not translated">
        <p>Only an accepted program is rewritten: calls get their targets, timers their hidden argument.</p>
      </Empty>
    );
  return (
    <div className="xl scroll" ref={scroller}>
      <ol style={{ height: virtualizer.getTotalSize() }}>
        {virtualizer.getVirtualItems().map((item) => {
          const line = lines[item.index];
          if (!line) return null;
          const { origin } = line;
          const on = origin !== null && selected?.program === program.name && selected.insn === origin;
          return (
            <li
              key={item.key}
              className={on ? "on" : line.note !== null ? "new" : origin === null ? "head" : ""}
              style={{ transform: `translateY(${item.start}px)` }}
            >
              {origin === null ? (
                <span className="a">{line.note ? "new" : ""}</span>
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
              {line.note ? <span className="note">{line.note}</span> : null}
            </li>
          );
        })}
      </ol>
    </div>
  );
}
