import { useMemo } from "react";
import type { LineMarks } from "./marks.ts";
import type { ObjectNames } from "./object-names.ts";
import { highlight, type LanguageName } from "./tokens.ts";

/** Source as coloured text in the editor's own measures; shown until the editor arrives. */
export function SourceText(props: {
  readonly language: LanguageName;
  readonly text: string;
  readonly names: ObjectNames;
  readonly marks: LineMarks;
  readonly label: string;
}) {
  const lines = useMemo(
    () => highlight(props.language, props.text, props.names),
    [props.language, props.text, props.names],
  );
  return (
    <pre className="ed scroll" role="group" aria-label={props.label}>
      {lines.map((spans, i) => {
        const no = i + 1;
        const tint = props.marks.tint.get(no);
        const gutter = props.marks.gutter.get(no);
        const after = props.marks.after.get(no);
        return (
          <div key={no} className={tint ? `ln tint-${tint}` : "ln"}>
            <span className="no" aria-hidden="true">
              {no}
            </span>
            <span className={gutter ? `cov ${gutter}` : "cov"} />
            <span className="tx">
              {spans.map((span, j) => (
                // biome-ignore lint/suspicious/noArrayIndexKey: spans have no identity but their place
                <span key={j} className={span.cls ? `k-${span.cls}` : undefined}>
                  {span.text}
                </span>
              ))}
              {after ? <span className={`after ${after.tone}`}>{after.text}</span> : null}
            </span>
          </div>
        );
      })}
    </pre>
  );
}
