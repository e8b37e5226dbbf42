import { useVirtualizer } from "@tanstack/react-virtual";
import { type FormEvent, useEffect, useMemo, useRef, useState } from "react";
import type { ProgramReport } from "../../protocol/engine-types.ts";
import { IconButton } from "../controls/Panel.tsx";
import { useActions, usePlayground } from "../shell/context.tsx";
import { useEditorPort } from "../shell/editor-port.tsx";
import { saveFile } from "../shell/save-file.ts";
import { formatNumber } from "../text/format.ts";

/** Next line that contains the text, after the one given, wrapping; -1 when none does. */
function nextMatch(lines: readonly string[], text: string, after: number): number {
  if (text === "") return -1;
  const wanted = text.toLowerCase();
  for (let i = 1; i <= lines.length; i++) {
    const at = (after + i) % lines.length;
    if (lines[at]?.toLowerCase().includes(wanted)) return at;
  }
  return -1;
}

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
  const selected = usePlayground((s) => s.view.selectedInsn);
  const mark = selected?.program === program.name ? `${selected.insn}: (` : null;
  const [sought, setSought] = useState("");
  const [found, setFound] = useState(-1);
  const seek = (event: FormEvent) => {
    event.preventDefault();
    const at = nextMatch(lines, sought, found);
    setFound(at);
    if (at >= 0) virtualizer.scrollToIndex(at, { align: "center" });
  };
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
            const cls =
              item.index === found
                ? "hit"
                : item.index === error
                  ? "er"
                  : mark !== null && line.startsWith(mark)
                    ? "on"
                    : line.startsWith(";")
                      ? "src"
                      : "";
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
        <form onSubmit={seek}>
          <input
            className="field mono"
            type="search"
            aria-label="Find in the log"
            placeholder="Find"
            value={sought}
            onChange={(event) => {
              setSought(event.target.value);
              setFound(-1);
            }}
          />
        </form>
        <span className="t3" role="status">
          {sought !== "" && found < 0 && nextMatch(lines, sought, -1) < 0 ? "not found" : ""}
        </span>
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
