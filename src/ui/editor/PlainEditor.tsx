import { useEffect, useLayoutEffect, useMemo, useRef } from "react";
import { useActions } from "../shell/context.tsx";
import { useEditorPort } from "../shell/editor-port.tsx";
import { leaveCursor } from "./handover.ts";
import type { LineMarks } from "./marks.ts";
import type { ObjectNames } from "./object-names.ts";
import { highlight, type LanguageName } from "./tokens.ts";

/** Beyond this many characters the text keeps one colour: the field must follow the fingers. */
const COLOURED = 200_000;

/** A plain text field over its own colours, for touch and narrow pages. */
export function PlainEditor(props: {
  readonly language: LanguageName;
  readonly text: string;
  readonly names: ObjectNames;
  readonly marks: LineMarks;
  readonly stops: readonly number[] | null;
  readonly label: string;
  readonly readOnly: boolean;
  readonly onEdit: (text: string) => void;
  readonly onCursor: (line: number, chosen: boolean) => void;
}) {
  const lines = useMemo(
    () => (props.text.length > COLOURED ? null : highlight(props.language, props.text, props.names)),
    [props.language, props.text, props.names],
  );
  const field = useRef<HTMLTextAreaElement>(null);
  // Before the field leaves the document, while it still has the focus.
  useLayoutEffect(() => {
    const area = field.current;
    return () => {
      if (area && area === document.activeElement) leaveCursor({ start: area.selectionStart, end: area.selectionEnd });
    };
  }, []);
  const port = useEditorPort();
  const actions = useActions();
  useEffect(() => {
    const mine = {
      reveal(file: "program" | "script" | "assembly", line: number) {
        actions.setView({ file });
        requestAnimationFrame(() => {
          const area = field.current;
          if (!area) return;
          const at =
            area.value
              .split("\n")
              .slice(0, line - 1)
              .join("\n").length + (line > 1 ? 1 : 0);
          area.focus();
          area.setSelectionRange(at, at);
          area.parentElement?.querySelectorAll(".ln")[line - 1]?.scrollIntoView({ block: "center" });
        });
      },
    };
    port.current = mine;
    return () => {
      if (port.current === mine) port.current = null;
    };
  }, [port, actions]);
  return (
    <div className={lines ? "plain scroll" : "plain long"} role="presentation">
      <div className="over">
        <div className="ed" aria-hidden="true">
          {lines?.map((spans, i) => {
            const no = i + 1;
            const tint = props.marks.tint.get(no);
            const gutter = props.marks.gutter.get(no);
            return (
              <div key={no} className={tint ? `ln tint-${tint}` : "ln"}>
                <span className={props.stops?.includes(no) ? "no stop" : "no"}>{no}</span>
                <span className={gutter ? `cov ${gutter}` : "cov"} />
                <span className="tx">
                  {spans.map((span, j) => (
                    // biome-ignore lint/suspicious/noArrayIndexKey: spans have no identity but their place
                    <span key={j} className={span.cls ? `k-${span.cls}` : undefined}>
                      {span.text}
                    </span>
                  ))}
                  {"\u200b"}
                </span>
              </div>
            );
          })}
        </div>
        <textarea
          ref={field}
          aria-label={props.label}
          value={props.text}
          readOnly={props.readOnly}
          spellCheck={false}
          autoCapitalize="off"
          autoCorrect="off"
          onChange={(event) => props.onEdit(event.target.value)}
          onSelect={(event) => {
            const area = event.currentTarget;
            props.onCursor(area.value.slice(0, area.selectionStart).split("\n").length, true);
          }}
        />
      </div>
    </div>
  );
}
