import { type KeyboardEvent, type ReactNode, useId } from "react";
import { useActions, usePlayground } from "../shell/context.tsx";
import { Icon, type IconName } from "./Icon.tsx";

export function IconButton(props: {
  readonly icon: IconName;
  readonly label: string;
  readonly onClick: () => void;
  readonly pressed?: boolean;
  readonly className?: string;
  readonly disabled?: boolean;
}) {
  return (
    <button
      type="button"
      className={props.className ? `ib ${props.className}` : "ib"}
      aria-label={props.label}
      title={props.label}
      disabled={props.disabled}
      {...(props.pressed === undefined ? {} : { "aria-pressed": props.pressed })}
      onClick={props.onClick}
    >
      <Icon name={props.icon} />
    </button>
  );
}

/** Maximise button of a panel; Escape gives the room back. */
export function MaximiseButton({ panel, title }: { readonly panel: string; readonly title: string }) {
  const maximised = usePlayground((s) => s.view.maximised === panel);
  const actions = useActions();
  return (
    <IconButton
      icon={maximised ? "restore" : "maximise"}
      label={maximised ? `Restore ${title}` : `Maximise ${title}`}
      onClick={() => actions.setView({ maximised: maximised ? null : panel })}
    />
  );
}

/** A place on the page: a head of one line, a body, no box. */
export function Panel(props: {
  readonly id: string;
  readonly title: string;
  /** In place of the plain title: tabs, or a title with marks. */
  readonly heading?: ReactNode;
  readonly meta?: ReactNode;
  readonly tools?: ReactNode;
  readonly children: ReactNode;
  readonly className?: string;
  readonly maximisable?: boolean;
}) {
  const maximised = usePlayground((s) => s.view.maximised === props.id);
  const titleId = useId();
  return (
    <section
      className={`panel ${props.className ?? ""}`}
      data-panel={props.id}
      data-max={maximised}
      aria-label={props.title}
    >
      <div className="ph">
        {props.heading ?? <h2 id={titleId}>{props.title}</h2>}
        {props.meta}
        <span className="tools">
          {props.tools}
          {props.maximisable === false ? null : <MaximiseButton panel={props.id} title={props.title} />}
        </span>
      </div>
      <div className="pb">{props.children}</div>
    </section>
  );
}

export interface TabItem<Id extends string> {
  readonly id: Id;
  readonly label: string;
  readonly meta?: ReactNode;
}

/** Titles that take turns in one place. Arrow keys move between them. */
export function PanelTabs<Id extends string>(props: {
  readonly label: string;
  readonly items: readonly TabItem<Id>[];
  readonly selected: Id;
  readonly onSelect: (id: Id) => void;
}) {
  return (
    <div className="ptabs" role="tablist" aria-label={props.label} onKeyDown={moveBetweenTabs}>
      {props.items.map((item) => (
        <button
          key={item.id}
          type="button"
          role="tab"
          aria-selected={item.id === props.selected}
          tabIndex={item.id === props.selected ? 0 : -1}
          onClick={() => props.onSelect(item.id)}
        >
          {item.label}
          {item.meta === undefined ? null : <span className="m t3">{item.meta}</span>}
        </button>
      ))}
    </div>
  );
}

/** Arrow keys, Home and End move focus and selection among `[role=tab]` or `[role=radio]` children. */
export function moveBetweenTabs(event: KeyboardEvent<HTMLElement>): void {
  const tabs = [...event.currentTarget.querySelectorAll<HTMLElement>('[role="tab"],[role="radio"]')];
  const at = tabs.indexOf(document.activeElement as HTMLElement);
  if (at < 0) return;
  const to =
    event.key === "ArrowRight" || event.key === "ArrowDown"
      ? (at + 1) % tabs.length
      : event.key === "ArrowLeft" || event.key === "ArrowUp"
        ? (at + tabs.length - 1) % tabs.length
        : event.key === "Home"
          ? 0
          : event.key === "End"
            ? tabs.length - 1
            : -1;
  const target = tabs[to];
  if (!target) return;
  event.preventDefault();
  target.focus();
  target.click();
}

/** What would fill an empty place, in words; `icon` is drawn above. */
export function Empty(props: { readonly title: string; readonly icon?: ReactNode; readonly children?: ReactNode }) {
  return (
    <div className="empty">
      {props.icon}
      <b>{props.title}</b>
      {props.children}
    </div>
  );
}
