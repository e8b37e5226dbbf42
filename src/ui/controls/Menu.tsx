import { type KeyboardEvent, type ReactNode, useEffect, useId, useLayoutEffect, useRef, useState } from "react";
import { createPortal } from "react-dom";
import { Chevron, Icon } from "./Icon.tsx";

export interface MenuItem {
  readonly id: string;
  readonly label: ReactNode;
  /** What typing finds. */
  readonly text: string;
  readonly hint?: ReactNode;
  readonly group?: string;
  readonly checked?: boolean;
}

interface ListProps {
  readonly anchor: HTMLElement;
  readonly label: string;
  readonly items: readonly MenuItem[];
  /** Options choose one and close; checks stay open. */
  readonly kind: "options" | "checks" | "actions";
  readonly onChoose: (id: string) => void;
  readonly onClose: () => void;
}

/** ms after which typing begins anew. */
const TYPING_PAUSE = 800;

const ROLES = {
  options: { list: "listbox", item: "option" },
  checks: { list: "menu", item: "menuitemcheckbox" },
  actions: { list: "menu", item: "menuitem" },
} as const;

/** A floating list beside its button: arrows, Home, End, typing, Enter, Escape. */
function FloatingList({ anchor, label, items, kind, onChoose, onClose }: ListProps) {
  const list = useRef<HTMLDivElement>(null);
  const [active, setActive] = useState(() => {
    const at = items.findIndex((item) => item.checked);
    return kind === "options" && at >= 0 ? at : 0;
  });
  const [place, setPlace] = useState<{ left: number; top: number } | null>(null);
  const typed = useRef({ text: "", at: 0 });
  const base = useId();
  const roles = ROLES[kind];

  useLayoutEffect(() => {
    const box = anchor.getBoundingClientRect();
    const own = list.current?.getBoundingClientRect();
    if (!own) return;
    const left = Math.max(8, Math.min(box.left, innerWidth - own.width - 8));
    const below = box.bottom + 4;
    const top = below + own.height > innerHeight - 8 ? Math.max(8, box.top - own.height - 4) : below;
    setPlace({ left, top });
  }, [anchor]);

  // What is hidden cannot have the focus.
  useLayoutEffect(() => {
    if (place !== null) list.current?.focus();
  }, [place]);

  useEffect(() => {
    const outside = (event: PointerEvent) => {
      const target = event.target as Node;
      if (!list.current?.contains(target) && !anchor.contains(target)) onClose();
    };
    addEventListener("pointerdown", outside);
    return () => removeEventListener("pointerdown", outside);
  }, [anchor, onClose]);

  useEffect(() => {
    document.getElementById(`${base}-${active}`)?.scrollIntoView({ block: "nearest" });
  }, [active, base]);

  const choose = (index: number) => {
    const item = items[index];
    if (!item) return;
    onChoose(item.id);
    if (kind !== "checks") {
      onClose();
      anchor.focus();
    }
  };

  const onKeyDown = (event: KeyboardEvent) => {
    const n = items.length;
    // A space within a name that is being typed belongs to it.
    const typing = typed.current.text !== "" && event.timeStamp - typed.current.at < TYPING_PAUSE;
    if (event.key === "ArrowDown") setActive((a) => (a + 1) % n);
    else if (event.key === "ArrowUp") setActive((a) => (a + n - 1) % n);
    else if (event.key === "Home") setActive(0);
    else if (event.key === "End") setActive(n - 1);
    else if (event.key === "Enter" || (event.key === " " && !typing)) choose(active);
    else if (event.key === "Escape" || event.key === "Tab") {
      onClose();
      anchor.focus();
    } else if (event.key.length === 1 && !event.ctrlKey && !event.metaKey) {
      typed.current = {
        text: (typing ? typed.current.text : "") + event.key.toLowerCase(),
        at: event.timeStamp,
      };
      const found = items.findIndex((item) => item.text.toLowerCase().startsWith(typed.current.text));
      if (found >= 0) setActive(found);
    } else return;
    event.preventDefault();
    event.stopPropagation();
  };

  return createPortal(
    // biome-ignore lint/a11y/noStaticElementInteractions: the role is one of ROLES
    // biome-ignore lint/a11y/useAriaPropsSupportedByRole: the role is one of ROLES
    <div
      ref={list}
      className="menu scroll"
      role={roles.list}
      aria-label={label}
      aria-activedescendant={`${base}-${active}`}
      tabIndex={-1}
      style={{ left: place?.left ?? 0, top: place?.top ?? 0, visibility: place ? "visible" : "hidden" }}
      onKeyDown={onKeyDown}
    >
      {items.map((item, index) => (
        <div key={item.id} role="presentation">
          {item.group && item.group !== items[index - 1]?.group ? (
            <div className="group" role="presentation">
              {item.group}
            </div>
          ) : null}
          {/* biome-ignore lint/a11y/noStaticElementInteractions: the role is one of ROLES */}
          <div
            id={`${base}-${index}`}
            role={roles.item}
            data-active={index === active}
            {...(kind === "options" ? { "aria-selected": item.checked === true } : {})}
            {...(kind === "checks" ? { "aria-checked": item.checked === true } : {})}
            onPointerMove={() => setActive(index)}
            onClick={() => choose(index)}
            onKeyDown={onKeyDown}
          >
            {item.checked ? <Icon name="check" /> : <span />}
            <span>{item.label}</span>
            {item.hint ? <span className="hint">{item.hint}</span> : null}
          </div>
        </div>
      ))}
    </div>,
    document.body,
  );
}

/** A button that opens a list. */
export function MenuButton(props: {
  readonly label: string;
  readonly items: readonly MenuItem[];
  readonly kind: "options" | "checks" | "actions";
  readonly onChoose: (id: string) => void;
  readonly className: string;
  readonly children: ReactNode;
  readonly title?: string;
}) {
  const [anchor, setAnchor] = useState<HTMLElement | null>(null);
  return (
    <>
      <button
        type="button"
        className={props.className}
        aria-haspopup={props.kind === "options" ? "listbox" : "menu"}
        aria-expanded={anchor !== null}
        title={props.title}
        aria-label={props.label}
        onClick={(event) => setAnchor(anchor ? null : event.currentTarget)}
        onKeyDown={(event) => {
          if (event.key === "ArrowDown" && !anchor) {
            event.preventDefault();
            setAnchor(event.currentTarget);
          }
        }}
      >
        {props.children}
      </button>
      {anchor ? (
        <FloatingList
          anchor={anchor}
          label={props.label}
          items={props.items}
          kind={props.kind}
          onChoose={props.onChoose}
          onClose={() => setAnchor(null)}
        />
      ) : null}
    </>
  );
}

/** A picker of the header: label, value, one plain hint. */
export function Picker(props: {
  readonly name: string;
  readonly value: string;
  readonly hint?: string;
  readonly mono?: boolean;
  readonly items: readonly MenuItem[];
  readonly onChoose: (id: string) => void;
}) {
  return (
    <MenuButton
      label={`${props.name}: ${props.value}`}
      items={props.items}
      kind="options"
      onChoose={props.onChoose}
      className="ctl pick"
    >
      <span className="k lbl">{props.name}</span>
      <span className={props.mono ? "v mono" : "v"}>{props.value}</span>
      {props.hint ? <span className="k hint">{props.hint}</span> : null}
      <Chevron />
    </MenuButton>
  );
}
