import { createContext, type ReactNode, useContext, useEffect, useMemo, useRef, useState } from "react";
import type { StoreApi } from "zustand";
import { useStore } from "zustand";
import type { KernelEvent } from "../../protocol/engine-types.ts";
import type { PlaygroundActions, PlaygroundState } from "../../store/types.ts";
import { momentDecimals } from "../text/format.ts";
import { type Names, namesOf } from "../text/names.ts";

interface Playground {
  readonly store: StoreApi<PlaygroundState>;
  readonly actions: PlaygroundActions;
}

const Context = createContext<Playground | null>(null);

export function PlaygroundProvider({ store, actions, children }: Playground & { readonly children: ReactNode }) {
  const value = useMemo(() => ({ store, actions }), [store, actions]);
  return <Context value={value}>{children}</Context>;
}

function usePlaygroundContext(): Playground {
  const value = useContext(Context);
  if (!value) throw new Error("PlaygroundProvider is missing");
  return value;
}

/** Reads the store; renders again when the selected part changes. */
export function usePlayground<T>(select: (state: PlaygroundState) => T): T {
  return useStore(usePlaygroundContext().store, select);
}

export function useActions(): PlaygroundActions {
  return usePlaygroundContext().actions;
}

/** The state at the time of an event, without rendering on its changes. */
export function useReadState(): () => PlaygroundState {
  const { store } = usePlaygroundContext();
  return store.getState;
}

let shared: { readonly events: readonly KernelEvent[]; readonly seq: number | null; readonly names: Names } | null =
  null;

function sharedNames(state: PlaygroundState, events: readonly KernelEvent[]): Names {
  const seq = state.run.snapshot?.seq ?? null;
  if (shared && shared.events === events && shared.seq === seq) return shared.names;
  shared = { events, seq, names: namesOf(state.run.snapshot, events) };
  return shared.names;
}

/** One table of names for all panels, made anew only when something has happened. */
export function useNames(): Names {
  const events = usePlayground((s) => s.run.events);
  const seq = usePlayground((s) => s.run.snapshot?.seq ?? null);
  const read = useReadState();
  // biome-ignore lint/correctness/useExhaustiveDependencies: seq stands for what the snapshot names
  return useMemo(() => sharedNames(read(), events), [events, seq, read]);
}

/** Names for a panel that follows the events at its own pace. */
export function useNamesFor(events: readonly KernelEvent[]): Names {
  const read = useReadState();
  return useMemo(() => sharedNames(read(), events), [events, read]);
}

export const selectEvents = (state: PlaygroundState): readonly KernelEvent[] => state.run.events;

/** Words are read more slowly than a picture: while time runs they change so often at most, ms. */
const READING_PACE = 125;

/** Like {@link usePlayground}, but while the run goes on no faster than one can read. `select` keeps its identity. */
export function usePacedPlayground<T>(select: (state: PlaygroundState) => T): T {
  const { store } = usePlaygroundContext();
  const [value, setValue] = useState(() => select(store.getState()));
  useEffect(() => {
    let timer: ReturnType<typeof setTimeout> | null = null;
    let last = 0;
    const take = () => {
      if (timer !== null) clearTimeout(timer);
      timer = null;
      last = performance.now();
      setValue(() => select(store.getState()));
    };
    take();
    const unsubscribe = store.subscribe((state) => {
      if (state.run.status !== "running") take();
      else timer ??= setTimeout(take, Math.max(0, last + READING_PACE - performance.now()));
    });
    return () => {
      unsubscribe();
      if (timer !== null) clearTimeout(timer);
    };
  }, [store, select]);
  return value;
}

const decimalsByRun = new WeakMap<KernelEvent, { count: number; decimals: number }>();

/** Decimals that every moment of the recording needs, so that a column of them lines up. */
export function useMomentDecimals(events: readonly KernelEvent[]): number {
  return useMemo(() => {
    const first = events[0];
    if (!first) return 1;
    const known = decimalsByRun.get(first) ?? { count: 0, decimals: 1 };
    for (let i = Math.min(known.count, events.length); i < events.length && known.decimals < 3; i++)
      known.decimals = Math.max(known.decimals, momentDecimals(events[i]?.at ?? 0));
    known.count = events.length;
    decimalsByRun.set(first, known);
    return known.decimals;
  }, [events]);
}

/** Width and height of an element in px, followed. */
export function useSize<E extends Element>(): [
  React.RefCallback<E>,
  { readonly width: number; readonly height: number },
] {
  const [size, setSize] = useState({ width: 0, height: 0 });
  const observer = useRef<ResizeObserver | null>(null);
  const ref = useMemo(
    () => (element: E | null) => {
      observer.current?.disconnect();
      if (!element) return;
      observer.current = new ResizeObserver(([entry]) => {
        if (!entry) return;
        const { width, height } = entry.contentRect;
        setSize((old) => (old.width === width && old.height === height ? old : { width, height }));
      });
      observer.current.observe(element);
    },
    [],
  );
  return [ref, size];
}

export function useMediaQuery(query: string): boolean {
  const [matches, setMatches] = useState(() => matchMedia(query).matches);
  useEffect(() => {
    const list = matchMedia(query);
    const update = () => setMatches(list.matches);
    update();
    list.addEventListener("change", update);
    return () => list.removeEventListener("change", update);
  }, [query]);
  return matches;
}
