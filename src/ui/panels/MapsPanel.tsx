import { useVirtualizer } from "@tanstack/react-virtual";
import { type FormEvent, useEffect, useMemo, useRef, useState } from "react";
import type { DecodedValue, MapRow, MapSnapshot, Snapshot } from "../../protocol/engine-types.ts";
import { TimerGlyph } from "../controls/glyphs.tsx";
import { Icon } from "../controls/Icon.tsx";
import { MenuButton } from "../controls/Menu.tsx";
import { Empty, IconButton, MaximiseButton, moveBetweenTabs, PanelTabs } from "../controls/Panel.tsx";
import { useActions, usePlayground } from "../shell/context.tsx";
import { formatMoment, formatSpan } from "../text/format.ts";
import { valueText } from "../text/names.ts";
import { setPanelState, usePanelState } from "./panel-state.ts";
import { TimerList } from "./TimersPanel.tsx";
import { pendingTimers, shareLeft } from "./timer-order.ts";
import { WatchToggle } from "./WatchToggle.tsx";

type Flag = "any" | "noexist" | "exist" | "lock" | "busy" | "cancel";

const FLAGS: readonly { readonly id: Flag; readonly hint: string; readonly rfc?: true }[] = [
  { id: "any", hint: "Create or overwrite" },
  { id: "noexist", hint: "Create only" },
  { id: "exist", hint: "Overwrite only" },
  { id: "lock", hint: "Overwrite under the value's spin lock" },
  { id: "busy", hint: "Refuse over an initialised timer", rfc: true },
  { id: "cancel", hint: "Cancel an initialised timer first", rfc: true },
];

interface Column {
  readonly name: string;
  readonly typeName: string;
  /** Characters of its widest value among the first rows, or of its head; null for a timer, which takes what is left. */
  readonly chars: number | null;
  readonly numeric: boolean;
  readonly value: (row: MapRow) => DecodedValue | null;
  /** The row's whole value with this column's text replaced, as the script writes it; null when it cannot be written. */
  readonly withText: ((row: MapRow, text: string) => string) | null;
}

const memberOf = (value: DecodedValue, name: string): DecodedValue | null =>
  value.kind === "struct" ? (value.members.find((m) => m.name === name)?.value ?? null) : null;

function withMember(value: DecodedValue, name: string, text: string): string {
  if (value.kind !== "struct") return text;
  const members = value.members
    .filter((m) => m.name === name || !["timer", "work", "spin-lock", "object"].includes(m.value.kind))
    .map((m) => `${m.name}: ${m.name === name ? text : valueText(m.value)}`);
  return `{${members.join(", ")}}`;
}

function columnsOf(map: MapSnapshot): readonly Column[] {
  const sample = map.rows.slice(0, 60);
  const sized = (name: string, typeName: string, value: Column["value"], withText: Column["withText"]): Column => {
    const values = sample.map(value);
    const timer =
      values.some((v) => v?.kind === "timer" || v?.kind === "work") || /^struct bpf_(timer|wq)$/.test(typeName);
    const numeric = !timer && values.every((v) => v === null || (v.kind === "scalar" && /^-?[\dx]/.test(v.text)));
    const longest = values.reduce((n, v) => Math.max(n, v ? valueText(v).length : 0), 0);
    const chars = Math.min(34, Math.max(name.length + typeName.length + 2, longest + 1));
    const editable = !timer && !values.some((v) => v?.kind === "object" || v?.kind === "spin-lock");
    return {
      name,
      typeName,
      numeric,
      value,
      withText: editable ? withText : null,
      chars: timer ? null : chars,
    };
  };
  if (map.rows[0]?.perCpu)
    return map.rows[0].perCpu.map((_, cpu) =>
      sized(
        `CPU ${cpu}`,
        cpu === 0 ? (map.columns[0]?.typeName ?? "") : "",
        (row) => row.perCpu?.[cpu] ?? null,
        (row, text) => `[${(row.perCpu ?? []).map((v, i) => (i === cpu ? text : valueText(v))).join(", ")}]`,
      ),
    );
  const single = map.columns.length === 1 && (map.columns[0]?.name ?? "") === "";
  if (single || map.columns.length === 0)
    return [
      sized(
        "value",
        map.columns[0]?.typeName ?? "",
        (row) => row.value,
        (_, text) => text,
      ),
    ];
  return map.columns.map((column) =>
    sized(
      column.name,
      column.typeName,
      (row) => memberOf(row.value, column.name),
      (row, text) => withMember(row.value, column.name, text),
    ),
  );
}

export function MapsPanel({ withTimers }: { readonly withTimers?: boolean }) {
  const snapshot = usePlayground((s) => s.run.snapshot);
  const chosen = usePanelState((s) => s.map);
  const tab = usePanelState((s) => s.mapsTab);
  const maps = snapshot?.maps ?? [];
  const map = maps.find((m) => m.id === chosen) ?? maps.find((m) => m.rows.length > 0) ?? maps[0] ?? null;
  const maximised = usePlayground((s) => s.view.maximised === "maps");
  const timers = withTimers && tab === "timers";
  return (
    <section className="panel" data-panel="maps" data-max={maximised} aria-label="Maps">
      <div className="ph">
        {withTimers ? (
          <PanelTabs
            label="Maps and timers"
            items={[
              { id: "maps", label: "Maps" },
              { id: "timers", label: "Timers", meta: snapshot ? pendingTimers(snapshot).length : undefined },
            ]}
            selected={tab}
            onSelect={(mapsTab) => setPanelState({ mapsTab })}
          />
        ) : (
          <h2>Maps</h2>
        )}
        {timers ? null : <MapTabs maps={maps} selected={map?.id ?? null} />}
        <span className="tools">
          <MaximiseButton panel="maps" title="the maps" />
        </span>
      </div>
      <div className="pb">{timers ? <TimerList /> : <MapBody snapshot={snapshot} map={map} />}</div>
    </section>
  );
}

export function MapTabs({
  maps,
  selected,
}: {
  readonly maps: readonly MapSnapshot[];
  readonly selected: number | null;
}) {
  if (maps.length === 0) return null;
  return (
    <div className="maptabs" role="tablist" aria-label="Map" onKeyDown={moveBetweenTabs}>
      {maps.map((m) => (
        <button
          key={m.id}
          type="button"
          role="tab"
          className="chip"
          aria-selected={m.id === selected}
          tabIndex={m.id === selected ? 0 : -1}
          onClick={() => setPanelState({ map: m.id })}
        >
          <b className="c-map mono">{m.name}</b>
          {m.id === selected ? ` ${m.type}, ${m.freed ? "freed" : `${m.count} of ${m.maxEntries}`}` : ` ${m.count}`}
        </button>
      ))}
    </div>
  );
}

export function MapBody({ snapshot, map }: { readonly snapshot: Snapshot | null; readonly map: MapSnapshot | null }) {
  if (!snapshot || !map)
    return (
      <Empty title="No maps">
        <p>They appear here, row by row, once a program that names one is loaded.</p>
      </Empty>
    );
  return <MapTable key={map.id} snapshot={snapshot} map={map} />;
}

const ROW = 25;

function MapTable({ snapshot, map }: { readonly snapshot: Snapshot; readonly map: MapSnapshot }) {
  const scroller = useRef<HTMLDivElement>(null);
  const columns = useMemo(() => columnsOf(map), [map]);
  const actions = useActions();
  const selected = usePlayground((s) => s.view.selectedNode);
  const error = usePlayground((s) => s.run.commandError);
  const [edited, setEdited] = useState<string | null>(null);
  const [sent, setSent] = useState<string | null>(null);
  const [flag, setFlag] = useState<Flag>("any");
  const before = usePreviousSeq(snapshot.seq);
  const virtualizer = useVirtualizer({
    count: map.rows.length,
    getScrollElement: () => scroller.current,
    estimateSize: () => ROW,
    overscan: 12,
    getItemKey: (index) => map.rows[index]?.keyHex ?? index,
  });
  const keyChars = Math.min(30, Math.max(3, ...map.rows.slice(0, 60).map((row) => valueText(row.key).length)));
  const widest = useWidest(columns.map((c) => c.chars));
  const least =
    Math.max(46, keyChars * 7.4 + 24) +
    columns.reduce((n, c, i) => n + (c.chars === null ? 168 : (widest[i] ?? c.chars) * 6.6 + 20), 150);
  const template = `${Math.max(46, keyChars * 7.4 + 24)}px ${columns.map((c, i) => (c.chars === null ? "minmax(168px,1.3fr)" : `${(widest[i] ?? c.chars) * 6.6 + 20}px`)).join(" ")} minmax(150px,1fr)`;
  const send = (cell: string, line: string) => {
    setSent(cell);
    setEdited(null);
    actions.command(line);
  };
  const update = (row: MapRow, column: Column, text: string) => {
    const whole = column.withText?.(row, text);
    if (whole !== undefined)
      send(`${row.keyHex}/${column.name}`, `map update ${map.name} ${valueText(row.key)} ${whole} ${flag}`);
  };
  return (
    <div className="maptable scroll" ref={scroller}>
      <div role="table" aria-label={`Map ${map.name}`} aria-rowcount={map.rows.length + 1}>
        <div className="mt-head" role="row" style={{ gridTemplateColumns: template, minWidth: least }}>
          <span role="columnheader" className="n">
            <b>key</b>
          </span>
          {columns.map((column) => (
            <span role="columnheader" key={column.name} className={column.numeric ? "n" : ""}>
              <b>{column.name}</b> {column.typeName}
            </span>
          ))}
          <span role="columnheader">Last written</span>
        </div>
        <div className="mt-rows" role="rowgroup" style={{ height: virtualizer.getTotalSize() }}>
          {virtualizer.getVirtualItems().map((item) => {
            const row = map.rows[item.index];
            if (!row) return null;
            const firing = columns.some((c) => {
              const v = c.value(row);
              return (v?.kind === "timer" || v?.kind === "work") && v.state === "firing";
            });
            const changed = before !== null && row.lastWrite !== null && row.lastWrite.seq >= before;
            return (
              <div
                key={item.key}
                role="row"
                aria-rowindex={item.index + 2}
                className={`mt-row${firing ? " fl" : ""}${selected === row.node ? " on" : ""}${changed ? " chg" : ""}`}
                style={{ gridTemplateColumns: template, minWidth: least, transform: `translateY(${item.start}px)` }}
                onClick={() => actions.setView({ selectedNode: row.node })}
                onKeyDown={() => undefined}
              >
                <span role="cell" className="n mono">
                  {valueText(row.key)}
                </span>
                {columns.map((column) => {
                  const cell = `${row.keyHex}/${column.name}`;
                  return (
                    <span role="cell" key={column.name} className={column.numeric ? "n" : ""}>
                      <Cell
                        value={column.value(row)}
                        snapshot={snapshot}
                        label={`${map.name}[${valueText(row.key)}].${column.name}`}
                        editing={edited === cell}
                        onEdit={column.withText ? () => setEdited(cell) : null}
                        onCommit={(text) => update(row, column, text)}
                        onCancel={() => setEdited(null)}
                      />
                      {error && sent === cell ? <span className="cellerr">{error.errno}</span> : null}
                    </span>
                  );
                })}
                <span role="cell" className="t2 last">
                  {row.lastWrite ? (
                    <>
                      {formatMoment(row.lastWrite.at)} ms, <code>{row.lastWrite.by}</code>
                    </>
                  ) : (
                    <span className="t3">never</span>
                  )}
                  <span className="rowtools">
                    {error && sent === `${row.keyHex}/delete` ? (
                      <span className="cellerr in">{error.errno}</span>
                    ) : null}
                    <WatchToggle
                      watch={{ kind: "value", map: map.name, key: row.keyHex, member: "" }}
                      label={`${map.name}[${valueText(row.key)}]`}
                    />
                    <IconButton
                      icon="trash"
                      label={`Delete ${map.name}[${valueText(row.key)}]`}
                      onClick={() => send(`${row.keyHex}/delete`, `map delete ${map.name} ${valueText(row.key)}`)}
                    />
                  </span>
                </span>
              </div>
            );
          })}
        </div>
      </div>
      {map.rows.length === 0 ? <p className="mt-none t2">No elements. Add one, or let the program do it.</p> : null}
      {map.freed ? null : (
        <AddRow
          map={map}
          columns={columns}
          flag={flag}
          onFlag={setFlag}
          rfc={snapshot.policy.startsWith("rfc")}
          error={error && sent === "add" ? error.errno : null}
          onAdd={(key, value) => send("add", `map update ${map.name} ${key} ${value} ${flag}`)}
        />
      )}
    </div>
  );
}

/** Columns may grow with their values but never shrink: what stands in the table keeps its place. */
function useWidest(chars: readonly (number | null)[]): readonly number[] {
  const kept = useRef<number[]>([]);
  if (kept.current.length !== chars.length) kept.current = [];
  kept.current = chars.map((n, i) => Math.max(n ?? 0, kept.current[i] ?? 0));
  return kept.current;
}

function usePreviousSeq(seq: number): number | null {
  const kept = useRef<{ now: number; before: number | null }>({ now: seq, before: null });
  if (kept.current.now !== seq) kept.current = { now: seq, before: seq > kept.current.now ? kept.current.now : null };
  return kept.current.before;
}

function Cell(props: {
  readonly value: DecodedValue | null;
  readonly snapshot: Snapshot;
  readonly label: string;
  readonly editing: boolean;
  readonly onEdit: (() => void) | null;
  readonly onCommit: (text: string) => void;
  readonly onCancel: () => void;
}) {
  const { value } = props;
  if (!value) return <span className="t3">–</span>;
  if (value.kind === "timer") return <TimerCell value={value} snapshot={props.snapshot} />;
  if (value.kind === "work") return <WorkCell value={value} snapshot={props.snapshot} />;
  const text = valueText(value);
  if (props.editing) return <CellInput text={text} {...props} />;
  const symbol = value.kind === "scalar" && value.symbol ? value.symbol : null;
  if (!props.onEdit) return <span className="mono cellv">{text}</span>;
  return (
    <button
      type="button"
      className="mono cellv"
      title={`${props.label}: edit as user space would`}
      onClick={props.onEdit}
    >
      {symbol ?? text}
    </button>
  );
}

function CellInput(props: {
  readonly text: string;
  readonly label: string;
  readonly onCommit: (text: string) => void;
  readonly onCancel: () => void;
}) {
  const input = useRef<HTMLInputElement>(null);
  useEffect(() => input.current?.select(), []);
  return (
    <input
      ref={input}
      className="cellin mono"
      aria-label={props.label}
      defaultValue={props.text}
      onBlur={props.onCancel}
      onKeyDown={(event) => {
        if (event.key === "Enter") props.onCommit(event.currentTarget.value.trim());
        else if (event.key === "Escape") {
          event.stopPropagation();
          props.onCancel();
        }
      }}
    />
  );
}

function WorkCell({
  value,
  snapshot,
}: {
  readonly value: Extract<DecodedValue, { kind: "work" }>;
  readonly snapshot: Snapshot;
}) {
  const work = snapshot.timers.find((t) => t.id === value.work) ?? null;
  const on = work?.cpu == null ? "" : ` on CPU ${work.cpu}`;
  const words = { none: "not initialised", idle: "idle", armed: `queued${on}`, firing: `runs${on}`, freed: "freed" };
  const tone = value.state === "armed" || value.state === "firing" ? "c-timer" : value.state === "none" ? "t3" : "";
  return (
    <span className="tcell">
      <TimerGlyph state={value.state} share={work ? shareLeft(work, snapshot.now) : 1} />
      <span className={tone}>{words[value.state]}</span>
    </span>
  );
}

function TimerCell({
  value,
  snapshot,
}: {
  readonly value: Extract<DecodedValue, { kind: "timer" }>;
  readonly snapshot: Snapshot;
}) {
  const timer = snapshot.timers.find((t) => t.id === value.timer) ?? null;
  const words =
    value.state === "none"
      ? "not initialised"
      : value.state === "armed" && timer
        ? timer.expires === null
          ? "armed, never due"
          : timer.expires <= snapshot.now
            ? "armed, due"
            : `armed, ${formatSpan(timer.expires - snapshot.now)}`
        : value.state === "firing" && timer && timer.cpu !== null
          ? `firing on CPU ${timer.cpu}`
          : value.state;
  return (
    <span className="tcell">
      <TimerGlyph state={value.state} share={timer ? shareLeft(timer, snapshot.now) : 1} />
      <span
        className={value.state === "armed" || value.state === "firing" ? "c-timer" : value.state === "none" ? "t3" : ""}
      >
        {words}
      </span>
    </span>
  );
}

function AddRow(props: {
  readonly map: MapSnapshot;
  readonly columns: readonly Column[];
  readonly flag: Flag;
  readonly onFlag: (flag: Flag) => void;
  readonly rfc: boolean;
  readonly error: string | null;
  readonly onAdd: (key: string, value: string) => void;
}) {
  const [open, setOpen] = useState(false);
  const [key, setKey] = useState("");
  const [value, setValue] = useState("");
  const writable = props.columns.filter((c) => c.withText !== null);
  const single = props.columns.length === 1 && props.columns[0]?.name === "value";
  const example = single ? "0" : `{${writable.map((c) => `${c.name}: 0`).join(", ")}}`;
  if (!open)
    return (
      <button type="button" className="mt-add" onClick={() => setOpen(true)}>
        <Icon name="plus" />
        Update as user space would…
      </button>
    );
  const submit = (event: FormEvent) => {
    event.preventDefault();
    if (key.trim() !== "") props.onAdd(key.trim(), value.trim() === "" ? example : value.trim());
  };
  return (
    <form
      className="mt-form"
      onSubmit={submit}
      onKeyDown={(e) => {
        if (e.key !== "Escape") return;
        e.stopPropagation();
        setOpen(false);
      }}
    >
      <input
        // biome-ignore lint/a11y/noAutofocus: opened by the visitor's own click
        autoFocus
        className="field mono"
        style={{ width: 72 }}
        aria-label={`Key, ${props.map.keyTypeName}`}
        placeholder="key"
        value={key}
        onChange={(e) => setKey(e.target.value)}
      />
      <input
        className="field mono"
        style={{ flex: 1 }}
        aria-label="Value"
        placeholder={example}
        value={value}
        onChange={(e) => setValue(e.target.value)}
      />
      <MenuButton
        label={`Flag: ${props.flag}`}
        kind="options"
        className="mini"
        items={FLAGS.filter((f) => props.rfc || !f.rfc).map((f) => ({
          id: f.id,
          label: f.id,
          text: f.id,
          hint: f.hint,
          checked: f.id === props.flag,
        }))}
        onChoose={(id) => props.onFlag(id as Flag)}
      >
        {props.flag}
      </MenuButton>
      <button type="submit" className="mini" disabled={key.trim() === ""}>
        Update
      </button>
      <IconButton icon="cross" label="Close" onClick={() => setOpen(false)} />
      {props.error ? <span className="c-bad mono">−{props.error}</span> : null}
    </form>
  );
}
