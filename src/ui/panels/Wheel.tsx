import { memo, useMemo } from "react";
import type { Snapshot } from "../../protocol/engine-types.ts";

const BUCKETS = 64;
const RINGS: readonly (readonly [number, number])[] = [
  [107, 90],
  [86, 72],
  [68, 57],
  [53, 45],
];

function sector(outer: number, inner: number, index: number): string {
  const gap = 0.012;
  const from = (index / BUCKETS) * 2 * Math.PI + gap;
  const to = ((index + 1) / BUCKETS) * 2 * Math.PI - gap;
  const point = (r: number, a: number) => `${(112 + r * Math.sin(a)).toFixed(2)} ${(112 - r * Math.cos(a)).toFixed(2)}`;
  return `M${point(inner, from)}L${point(outer, from)}A${outer} ${outer} 0 0 1 ${point(outer, to)}L${point(inner, to)}A${inner} ${inner} 0 0 0 ${point(inner, from)}Z`;
}

const SECTORS: readonly (readonly string[])[] = RINGS.map(([outer, inner]) =>
  Array.from({ length: BUCKETS }, (_, i) => sector(outer, inner, i)),
);

/** Buckets that are filled, as `ring * 64 + place`, joined: drawn again only when that changes. */
const Buckets = memo(function Buckets({ filled }: { readonly filled: string }) {
  const on = new Set(filled.split(" "));
  return SECTORS.map((ring, level) => (
    // biome-ignore lint/suspicious/noArrayIndexKey: rings are their places
    <g key={level}>
      {ring.map((d, i) => (
        <path
          key={d}
          d={d}
          className={on.has(String(level * BUCKETS + i)) ? "bucket on" : i > BUCKETS - 9 ? "bucket past" : "bucket"}
        />
      ))}
    </g>
  ));
});

/** Rings that turn under a fixed hand: level 0 outside, coarser levels inside; a filled bucket is amber. */
export function Wheel({ snapshot }: { readonly snapshot: Snapshot }) {
  const filled = useMemo(() => {
    const set = new Set<number>();
    for (const timer of snapshot.timers) {
      if (!timer.wheel || timer.state !== "armed") continue;
      const ring = Math.min(3, timer.wheel.level);
      const nowBucket = Math.floor(snapshot.jiffies / 8 ** timer.wheel.level) % BUCKETS;
      const turned = ((((timer.wheel.bucket % BUCKETS) - nowBucket) % BUCKETS) + BUCKETS) % BUCKETS;
      set.add(ring * BUCKETS + turned);
    }
    return [...set].join(" ");
  }, [snapshot]);
  const words = snapshot.timers
    .filter((t) => t.wheel !== null)
    .map((t) => `${t.label} level ${t.wheel?.level} bucket ${t.wheel?.bucket}`)
    .join(", ");
  return (
    <svg
      className="wheel"
      viewBox="0 0 224 224"
      role="img"
      aria-label={`Timer wheel at jiffy ${snapshot.jiffies}: ${words || "empty"}`}
    >
      <Buckets filled={filled} />
      <path d="M112 2v66" stroke="var(--text)" strokeWidth="1.5" />
      <text className="big" x="112" y="113" textAnchor="middle">
        {snapshot.jiffies}
      </text>
      <text x="112" y="129" textAnchor="middle">
        jiffy now
      </text>
    </svg>
  );
}
