import { useVirtualizer } from "@tanstack/react-virtual";
import { type KeyboardEvent, useEffect, useId, useLayoutEffect, useMemo, useRef, useState } from "react";
import type { KernelEvent, Oops } from "../../protocol/engine-types.ts";
import type { PlaygroundState } from "../../store/types.ts";
import { EventMark, TimerGlyph } from "../controls/glyphs.tsx";
import { Empty } from "../controls/Panel.tsx";
import { useActions, useMomentDecimals, useNamesFor, usePacedPlayground, usePlayground } from "../shell/context.tsx";
import { formatMoment, formatNumber } from "../text/format.ts";
import type { Names } from "../text/names.ts";
import { type EventGroup, glyphOf, groupOf, sentenceOf } from "../text/sentences.ts";
import { usePanelState } from "./panel-state.ts";
import { pendingTimers, shareLeft } from "./timer-order.ts";

export function Sentence({ event, names }: { readonly event: KernelEvent; readonly names: Names }) {
  return (
    <>
      {sentenceOf(event, names).map((part, i) => {
        const key = `${i}${part.text}`;
        if (part.code) return <code key={key}>{part.text}</code>;
        if (part.tone)
          return (
            <span key={key} className={part.tone === "bad" ? "c-bad" : part.text.startsWith(" =") ? "rc" : "t3"}>
              {part.text}
            </span>
          );
        return <span key={key}>{part.text}</span>;
      })}
    </>
  );
}

function visible(events: readonly KernelEvent[], hidden: readonly EventGroup[]): readonly KernelEvent[] {
  return hidden.length === 0 ? events : events.filter((event) => !hidden.includes(groupOf(event)));
}

const selectRun = (state: PlaygroundState): PlaygroundState["run"] => state.run;

/** So many rows at once; of a longer recording those around now, from a round number on so that rows stay in place. */
const ROWS = 6000;
const STEP = 1000;

/** The part of a long list that is shown, and how many rows stand before it. */
export function sliceOf(
  listed: readonly KernelEvent[],
  position: number,
  earlier: number,
): { readonly events: readonly KernelEvent[]; readonly before: number } {
  if (listed.length <= ROWS) return { events: listed, before: 0 };
  let low = 0;
  let high = listed.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((listed[middle]?.seq ?? 0) < position) low = middle + 1;
    else high = middle;
  }
  const from = Math.max(0, Math.floor((low - ROWS / 2) / STEP) * STEP - earlier);
  return { events: listed.slice(from, from + ROWS + earlier), before: from };
}

/** Oldest at the top; a click moves now there; the next expected one below a dashed line. */
export function EventList() {
  const { events: all, position, following } = usePacedPlayground(selectRun);
  const hidden = usePanelState((s) => s.hiddenGroups);
  const actions = useActions();
  const names = useNamesFor(all);
  const decimals = useMomentDecimals(all);
  const base = useId();
  const listed = useMemo(() => visible(all, hidden), [all, hidden]);
  const [earlier, setEarlier] = useState(0);
  const { events, before } = useMemo(() => sliceOf(listed, position, earlier), [listed, position, earlier]);
  const scroller = useRef<HTMLDivElement>(null);
  const current = useMemo(() => {
    let low = 0;
    let high = events.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if ((events[middle]?.seq ?? 0) < position) low = middle + 1;
      else high = middle;
    }
    return low - 1;
  }, [events, position]);
  const virtualizer = useVirtualizer({
    count: events.length,
    getScrollElement: () => scroller.current,
    estimateSize: () => 23,
    overscan: 16,
    getItemKey: (index) => events[index]?.seq ?? index,
  });

  // biome-ignore lint/correctness/useExhaustiveDependencies: scrolls when the moment moves, not when rows are measured
  useEffect(() => {
    if (current >= 0 && current < events.length - 1) virtualizer.scrollToIndex(current, { align: "auto" });
  }, [current, events.length, following]);
  const height = virtualizer.getTotalSize();
  // At the end the list stays at its end, also when rows turn out taller than thought.
  // biome-ignore lint/correctness/useExhaustiveDependencies: height stands for what was measured
  useLayoutEffect(() => {
    const element = scroller.current;
    if (!element || current !== events.length - 1) return;
    // An oops is read from its first line; everything else ends at the bottom.
    if (events[current]?.kind === "oops") virtualizer.scrollToIndex(current, { align: "start" });
    else element.scrollTop = element.scrollHeight;
  }, [current, events.length, height]);

  if (events.length === 0)
    return (
      <Empty title="Nothing has happened yet">
        <p>Every load, run, write and expiry becomes a sentence here. Run the program to begin.</p>
      </Empty>
    );

  const go = (index: number) => {
    const event = events[Math.max(0, Math.min(events.length - 1, index))];
    if (event) actions.seek(event.seq + 1);
  };
  const onKeyDown = (event: KeyboardEvent) => {
    const steps: Record<string, number> = { ArrowDown: 1, ArrowUp: -1, PageDown: 15, PageUp: -15 };
    if (event.key in steps) go(current + (steps[event.key] ?? 0));
    else if (event.key === "Home") go(0);
    else if (event.key === "End") go(events.length - 1);
    else return;
    event.preventDefault();
  };
  return (
    <div className="evs scroll" ref={scroller}>
      {before > 0 ? (
        <button type="button" className="evmore" onClick={() => setEarlier(earlier + 2 * STEP)}>
          {formatNumber(before)} earlier events; show more of them
        </button>
      ) : null}
      <div
        role="listbox"
        tabIndex={0}
        aria-label="Events"
        aria-activedescendant={current >= 0 ? `${base}-${events[current]?.seq}` : undefined}
        className="evlist"
        style={{ height }}
        onKeyDown={onKeyDown}
      >
        {virtualizer.getVirtualItems().map((item) => {
          const event = events[item.index];
          if (!event) return null;
          return (
            // biome-ignore lint/a11y/useKeyWithClickEvents: the list handles the keys
            <div
              key={item.key}
              id={`${base}-${event.seq}`}
              ref={virtualizer.measureElement}
              data-index={item.index}
              role="option"
              aria-selected={item.index === current}
              className={`ev${item.index === current ? " on" : ""}${event.seq >= position ? " later" : ""}`}
              style={{ transform: `translateY(${item.start}px)` }}
              onClick={() => actions.seek(event.seq + 1)}
            >
              <span className="t">{formatMoment(event.at, decimals)}</span>
              <span className="w">{event.cpu === null ? "" : `CPU ${event.cpu}`}</span>
              <span className="g">
                <EventMark glyph={glyphOf(event)} />
              </span>
              <span className="s">
                <Sentence event={event} names={names} />
                {event.kind === "oops" ? <OopsDetails oops={event.oops} /> : null}
              </span>
            </div>
          );
        })}
      </div>
      {current === events.length - 1 ? <NextExpiry decimals={decimals} /> : null}
    </div>
  );
}

/** What the kernel will do next, below a dashed line. */
function NextExpiry({ decimals }: { readonly decimals: number }) {
  const snapshot = usePlayground((s) => s.run.snapshot);
  const next = snapshot
    ? (pendingTimers(snapshot).find((t) => t.state === "armed" && t.expires !== null) ?? null)
    : null;
  if (!snapshot || !next) return null;
  return (
    <div className="ev nx">
      <span className="t">{formatMoment(next.expires ?? 0, decimals)}</span>
      <span className="w">{next.cpu === null ? "" : `CPU ${next.cpu}`}</span>
      <span className="g">
        <TimerGlyph state="armed" share={shareLeft(next, snapshot.now)} size={12} />
      </span>
      <span className="s">
        Next: {next.kind === "work" ? "work" : "timer"} of <code>{next.label}</code>
      </span>
    </div>
  );
}

function OopsDetails({ oops }: { readonly oops: Oops }) {
  return (
    <span className="oops">
      <code>
        {oops.what}
        {oops.place ? ` in ${oops.place.functionName}, insn ${oops.place.insn}` : ""}
        {oops.address ? `, address ${oops.address}` : ""}
      </code>
      {oops.object ? (
        <code>
          {oops.object.label}
          {oops.object.freedAt === null ? "" : ` freed at ${formatMoment(oops.object.freedAt)} ms`}
        </code>
      ) : null}
      <span className="oopsregs">
        {oops.registers.map((value, i) => (
          // biome-ignore lint/suspicious/noArrayIndexKey: a register is its number
          <code key={i} className="t2">
            r{i} {value}
          </code>
        ))}
      </span>
    </span>
  );
}
