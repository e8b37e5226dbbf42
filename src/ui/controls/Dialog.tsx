import { type ReactNode, useEffect, useId, useRef } from "react";
import { createPortal } from "react-dom";
import { IconButton } from "./Panel.tsx";

const FOCUSABLE = "button:not(:disabled),input:not(:disabled),select,textarea,a[href],[tabindex='0']";

/** A dialog that keeps focus and gives it back. */
export function Dialog(props: {
  readonly title: string;
  readonly wide?: boolean;
  readonly onClose: () => void;
  readonly children: ReactNode;
}) {
  const box = useRef<HTMLDivElement>(null);
  const titleId = useId();
  useEffect(() => {
    const before = document.activeElement as HTMLElement | null;
    box.current?.focus();
    return () => before?.focus();
  }, []);
  // The first thing to do gets the focus as soon as it can be done, unless the visitor has gone on.
  useEffect(() => {
    if (document.activeElement !== box.current) return;
    box.current?.querySelector<HTMLElement>("[data-autofocus]:not(:disabled)")?.focus();
  });
  return createPortal(
    <div className="veil" onPointerDown={(event) => event.target === event.currentTarget && props.onClose()}>
      <div
        ref={box}
        className={props.wide ? "dialog wide" : "dialog"}
        role="dialog"
        aria-modal="true"
        aria-labelledby={titleId}
        tabIndex={-1}
        onKeyDown={(event) => {
          if (event.key === "Escape") {
            event.stopPropagation();
            props.onClose();
          } else if (event.key === "Tab") {
            const all = [...(box.current?.querySelectorAll<HTMLElement>(FOCUSABLE) ?? [])];
            const first = all[0];
            const last = all.at(-1);
            if (event.shiftKey && (document.activeElement === first || document.activeElement === box.current)) {
              event.preventDefault();
              last?.focus();
            } else if (!event.shiftKey && document.activeElement === last) {
              event.preventDefault();
              first?.focus();
            }
          }
        }}
      >
        <div className="dh">
          <h2 id={titleId}>{props.title}</h2>
          <IconButton icon="cross" label="Close" onClick={props.onClose} />
        </div>
        <div className="body scroll">{props.children}</div>
      </div>
    </div>,
    document.body,
  );
}
