import { Children, Fragment, type ReactNode, useState } from "react";
import { Group, type Layout, Panel, Separator } from "react-resizable-panels";

/** One side of a split: px keep their size when the page grows, shares take the rest. */
export interface SplitSize {
  readonly id: string;
  readonly size: number | `${number}%`;
  readonly min?: number;
}

const KEY = "bpf-timer-playground.split.";

/** Sizes chosen before, or undefined; storage may be closed to us (embedded, private). */
function readLayout(key: string): Layout | undefined {
  try {
    const text = localStorage.getItem(KEY + key);
    return text === null ? undefined : (JSON.parse(text) as Layout);
  } catch {
    return undefined;
  }
}

function writeLayout(key: string, layout: Layout): void {
  try {
    localStorage.setItem(KEY + key, JSON.stringify(layout));
  } catch {
    // Sizes are a comfort: without storage they last as long as the page.
  }
}

/** Panels side by side or stacked, with draggable one-pixel lines; double click on a line resets. */
export function Split(props: {
  readonly id: string;
  readonly direction: "horizontal" | "vertical";
  readonly sizes: readonly SplitSize[];
  readonly children: ReactNode;
}) {
  const children = Children.toArray(props.children);
  const [layout] = useState(() => readLayout(props.id));
  return (
    <Group
      id={props.id}
      orientation={props.direction}
      style={{ width: "100%", height: "100%" }}
      {...(layout ? { defaultLayout: layout } : {})}
      onLayoutChanged={(next, meta) => {
        if (meta.isUserInteraction) writeLayout(props.id, next);
      }}
    >
      {props.sizes.map((size, index) => (
        <Fragment key={size.id}>
          {index > 0 ? (
            <Separator
              className={props.direction === "horizontal" ? "sep h" : "sep v"}
              aria-label={`Resize ${size.id}`}
            />
          ) : null}
          <Panel
            id={size.id}
            defaultSize={size.size}
            minSize={size.min ?? 80}
            groupResizeBehavior={typeof size.size === "number" ? "preserve-pixel-size" : "preserve-relative-size"}
          >
            {children[index]}
          </Panel>
        </Fragment>
      ))}
    </Group>
  );
}
