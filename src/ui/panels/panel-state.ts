import { useStore } from "zustand";
import { createStore } from "zustand/vanilla";
import type { NarrowChoice } from "../narrow/panels.ts";
import type { EventGroup } from "../text/sentences.ts";

/** Choices inside panels that outlive a change of view but are no part of a snippet. */
interface PanelState {
  readonly activity: "events" | "trace" | "script" | "queue" | "alive" | "registers";
  readonly hiddenGroups: readonly EventGroup[];
  readonly moment: "alive" | "registers";
  readonly instructions: "instructions" | "log" | "translated";
  readonly map: number | null;
  readonly mapsTab: "maps" | "timers";
  readonly graphAsTable: boolean;
  readonly axisAsTable: boolean;
  /** Below 720 px: the panel on screen, per view. */
  readonly narrow: NarrowChoice;
}

const store = createStore<PanelState>(() => ({
  activity: "events",
  hiddenGroups: ["reference", "helper"],
  moment: "alive",
  instructions: "instructions",
  map: null,
  mapsTab: "maps",
  graphAsTable: false,
  axisAsTable: false,
  narrow: {},
}));

export function usePanelState<T>(select: (state: PanelState) => T): T {
  return useStore(store, select);
}

export const setPanelState = (change: Partial<PanelState>): void => store.setState(change);
