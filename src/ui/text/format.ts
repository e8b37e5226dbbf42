/** Times and counts as people read them. All times are virtual ns. */

const trim = (text: string): string => (text.includes(".") ? text.replace(/0+$/, "").replace(/\.$/, "") : text);

/** A span with its unit: `800 ns`, `12.5 µs`, `3.2 ms`, `1.5 s`. */
export function formatSpan(ns: number): string {
  const n = Math.abs(ns);
  const sign = ns < 0 ? "−" : "";
  if (n < 1_000) return `${sign}${n} ns`;
  if (n < 1_000_000) return `${sign}${trim((n / 1e3).toFixed(2))} µs`;
  if (n < 10_000_000_000) return `${sign}${trim((n / 1e6).toFixed(n < 1e8 ? 2 : 1))} ms`;
  if (n < 600_000_000_000) return `${sign}${trim((n / 1e9).toFixed(2))} s`;
  return `${sign}${trim((n / 60e9).toFixed(1))} min`;
}

/** A moment in ms for a column: at least one decimal (or as many as asked for), at most three (`32.0`, `32.125`). */
export function formatMoment(ns: number, decimals = 1): string {
  const ms = ns / 1e6;
  if (ms >= 1e6) return `${trim((ms / 1e3).toFixed(1))} s`;
  return ms.toFixed(Math.max(decimals, momentDecimals(ns)));
}

/** Decimals that a moment needs in ms, 1 to 3; finer than a microsecond is not shown. */
export function momentDecimals(ns: number): 1 | 2 | 3 {
  const us = Math.round(ns / 1e3);
  return us % 100 === 0 ? 1 : us % 10 === 0 ? 2 : 3;
}

/** The clock in the transport: always three decimals, in ms up to 100 s and in s beyond. */
export function formatClock(ns: number): { readonly text: string; readonly unit: "ms" | "s" } {
  return ns < 100e9 ? { text: (ns / 1e6).toFixed(3), unit: "ms" } : { text: (ns / 1e9).toFixed(3), unit: "s" };
}

/** A tick of the ruler: no more decimals than the step needs. */
export function formatTick(ns: number, step: number): string {
  const decimals = Math.max(0, Math.min(6, -Math.floor(Math.log10(step / 1e6) + 1e-9)));
  return (ns / 1e6).toFixed(step >= 1e6 ? 0 : decimals);
}

export function formatBytes(bytes: number): string {
  return bytes < 1e6 ? `${(bytes / 1e3).toFixed(0)} kB` : `${(bytes / 1e6).toFixed(1)} MB`;
}

export function formatSpeed(nsPerSecond: number): string {
  return `${formatSpan(nsPerSecond)} per second`;
}

export function formatNumber(value: number): string {
  return value.toLocaleString("en-GB").replaceAll(",", " ");
}

export function plural(count: number, one: string, many = `${one}s`): string {
  return `${formatNumber(count)} ${count === 1 ? one : many}`;
}
