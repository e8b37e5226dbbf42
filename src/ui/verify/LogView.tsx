import { useVirtualizer } from "@tanstack/react-virtual";
import { useEffect, useMemo, useRef } from "react";
import type { ProgramReport } from "../../protocol/engine-types.ts";
import { IconButton } from "../controls/Panel.tsx";
import { useActions } from "../shell/context.tsx";
import { useEditorPort } from "../shell/editor-port.tsx";
import { saveFile } from "../shell/save-file.ts";
import { formatNumber } from "../text/format.ts";

/** The kernel's log at level 2, word for word; instructions and C lines are links, the decisive line is marked. */
export function LogView({ program }: { readonly program: ProgramReport }) {
  const lines = useMemo(() => program.log.replace(/\n$/, "").split("\n"), [program.log]);
  const error = useMemo(
    () => (program.errorLine ? lines.lastIndexOf(program.errorLine) : -1),
    [lines, program.errorLine],
  );
  const scroller = useRef<HTMLDivElement>(null);
  const actions = useActions();
  const port = useEditorPort();
  const virtualizer = useVirtualizer({
    count: lines.length,
    getScrollElement: () => scroller.current,
    estimateSize: () => 18,
    overscan: 30,
  });
  // biome-ignore lint/correctness/useExhaustiveDependencies: a new log begins at its decisive end
  useEffect(() => virtualizer.scrollToIndex(error >= 0 ? error : lines.length - 1, { align: "end" }), [lines, error]);
  const open = (line: string) => {
    const source = /^; .* @ [^:]+:(\d+)$/.exec(line);
    const insn = /^(\d+): \(/.exec(line) ?? /^from \d+ to (\d+)/.exec(line);
    if (source) port.current?.reveal("program", Number(source[1]));
    else if (insn) actions.setView({ selectedInsn: { program: program.name, insn: Number(insn[1]) } });
  };
  return (
    <div className="logwrap">
      <div
        className="log scroll"
        ref={scroller}
        role="region"
        aria-label={`Verifier log of ${program.name}`}
        // biome-ignore lint/a11y/noNoninteractiveTabindex: a scrollable region must be reachable by keyboard
        tabIndex={0}
      >
        <div style={{ height: virtualizer.getTotalSize(), position: "relative", minWidth: "max-content" }}>
          {virtualizer.getVirtualItems().map((item) => {
            const line = lines[item.index] ?? "";
            const link = /^(\d+: \(|from \d+ to|; .* @ )/.test(line);
            const cls = item.index === error ? "er" : line.startsWith(";") ? "src" : "";
            return link ? (
              <button
                type="button"
                key={item.key}
                className={`lo ${cls}`}
                tabIndex={-1}
                style={{ transform: `translateY(${item.start}px)` }}
                onClick={() => open(line)}
              >
                {line}
              </button>
            ) : (
              <div key={item.key} className={`lo ${cls}`} style={{ transform: `translateY(${item.start}px)` }}>
                {line}
              </div>
            );
          })}
        </div>
      </div>
      <div className="logfoot">
        <span className="t3">{formatNumber(lines.length)} lines</span>
        {error >= 0 ? (
          <button type="button" className="mini" onClick={() => virtualizer.scrollToIndex(error, { align: "center" })}>
            To the refusal
          </button>
        ) : null}
        <button type="button" className="mini" onClick={() => virtualizer.scrollToIndex(lines.length - 1)}>
          To the end
        </button>
        <span className="sp" />
        <IconButton icon="copy" label="Copy the log" onClick={() => void navigator.clipboard.writeText(program.log)} />
        <IconButton
          icon="download"
          label="Download the log"
          onClick={() => saveFile(`${program.name}.log`, program.log, "text/plain")}
        />
      </div>
    </div>
  );
}
