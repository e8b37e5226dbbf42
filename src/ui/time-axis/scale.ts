/** Part of the recording on screen, ns. */
export interface Window {
  readonly from: number;
  readonly to: number;
}

export interface Tick {
  readonly at: number;
  readonly major: boolean;
}

/** Shortest span that can be looked at, ns. */
const MIN_SPAN = 100;

/** Round steps 1, 2, 4 (5 for less than a unit) times a power of ten, wide enough for their labels. */
export function tickStep(span: number, width: number, labelWidth = 74): number {
  const raw = (span / Math.max(1, width)) * labelWidth;
  const power = 10 ** Math.floor(Math.log10(Math.max(1, raw)));
  for (const factor of [1, 2, 4, 5, 10]) if (power * factor >= raw) return power * factor;
  return power * 10;
}

export function ticks(window: Window, step: number): readonly Tick[] {
  const half = step >= 2 ? step / 2 : step;
  const list: Tick[] = [];
  for (let i = Math.ceil(window.from / half); i * half <= window.to; i++) {
    const at = i * half;
    list.push({ at, major: Math.abs(at / step - Math.round(at / step)) < 1e-6 });
  }
  return list;
}

/** The same window magnified by `factor` (< 1 zooms in) around `at`. */
export function zoom(window: Window, factor: number, at: number, end: number): Window {
  const span = Math.max(MIN_SPAN, Math.min((window.to - window.from) * factor, Math.max(end * 1.5, 1000)));
  const share = (at - window.from) / Math.max(1, window.to - window.from);
  const from = Math.max(0, at - share * span);
  return { from, to: from + span };
}

export function pan(window: Window, by: number): Window {
  const shift = Math.max(-window.from, by);
  return { from: window.from + shift, to: window.to + shift };
}
