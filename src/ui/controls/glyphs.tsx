import type { NodeKind, TimerState } from "../../protocol/engine-types.ts";
import type { EventGlyph } from "../text/sentences.ts";

/** Path of the wedge that shows the share of the wait still to come (0..1), in a 14 px box. */
export function wedgePath(share: number): string {
  const f = Math.min(0.999, Math.max(0.03, share));
  const a = f * 2 * Math.PI;
  const x = 7 + 3.7 * Math.sin(a);
  const y = 7 - 3.7 * Math.cos(a);
  return `M7 7V3.3A3.7 3.7 0 ${f > 0.5 ? 1 : 0} 1 ${x.toFixed(2)} ${y.toFixed(2)}Z`;
}

const BOLT = "M7.8 2.8 4.6 7.6h2.2L6.2 11.2 9.6 6.2H7.3z";

/** A timer's state as a shape, 14 px box at the origin; `share` is what is left of the wait. */
export function TimerShape({ state, share = 1 }: { readonly state: TimerState; readonly share?: number }) {
  switch (state) {
    case "none":
      return (
        <circle cx="7" cy="7" r="5.2" fill="none" stroke="var(--text3)" strokeWidth="1.2" strokeDasharray="1.5 2" />
      );
    case "idle":
      return <circle cx="7" cy="7" r="5.2" fill="none" stroke="var(--text3)" strokeWidth="1.5" />;
    case "armed":
      return (
        <>
          <circle cx="7" cy="7" r="5.6" fill="none" stroke="var(--timL)" strokeWidth="1.5" />
          <path d={wedgePath(share)} fill="var(--timF)" />
        </>
      );
    case "firing":
      return (
        <>
          <circle cx="7" cy="7" r="5.7" fill="var(--timF)" stroke="var(--timL)" strokeWidth=".9" />
          <path d={BOLT} fill="var(--bolt)" />
        </>
      );
    case "freed":
      return (
        <>
          <circle cx="7" cy="7" r="5.2" fill="none" stroke="var(--text3)" strokeWidth="1.2" />
          <path d="M3.4 10.6 10.6 3.4" stroke="var(--text3)" strokeWidth="1.2" />
        </>
      );
  }
}

export function TimerGlyph(props: { readonly state: TimerState; readonly share?: number; readonly size?: number }) {
  const size = props.size ?? 14;
  return (
    <svg className="tg" viewBox="0 0 14 14" width={size} height={size} aria-hidden="true">
      <TimerShape state={props.state} share={props.share ?? 1} />
    </svg>
  );
}

const NODE_PATHS: Record<Exclude<NodeKind, "timer" | "work">, string> = {
  process:
    "M3 2.5h8A1.5 1.5 0 0 1 12.5 4v6A1.5 1.5 0 0 1 11 11.5H3A1.5 1.5 0 0 1 1.5 10V4A1.5 1.5 0 0 1 3 2.5zM4 5.5l1.8 1.6L4 8.7M7.2 9h2.6",
  fd: "M3 2.5h8v9H3z",
  pin: "M7 8.5V12.5M4.2 8.5h5.6L8.8 5.6V2.5H5.2v3.1z",
  link: "M5.8 8.2 8.2 5.8M6.2 4l1-1a2.6 2.6 0 0 1 3.7 3.7l-1 1M7.8 10l-1 1a2.6 2.6 0 0 1-3.7-3.7l1-1",
  program: "M5 2.5C3 2.5 4.5 6.5 2.3 7 4.5 7.5 3 11.5 5 11.5M9 2.5c2 0 .5 4 2.7 4.5C9.5 7.5 11 11.5 9 11.5",
  map: "M3 2.5h8a1 1 0 0 1 1 1v7a1 1 0 0 1-1 1H3a1 1 0 0 1-1-1v-7a1 1 0 0 1 1-1zM2 5.5h10M2 8.5h10M5.5 2.5v9",
  element: "M2.5 4.5h9a1 1 0 0 1 1 1v3a1 1 0 0 1-1 1h-9a1 1 0 0 1-1-1v-3a1 1 0 0 1 1-1zM5 4.5v5",
};

/** Kind of a graph node as a shape, 14 px box at the origin; colour from the class around it. */
export function NodeShape({ kind }: { readonly kind: Exclude<NodeKind, "timer" | "work"> }) {
  return (
    <path
      d={NODE_PATHS[kind]}
      fill="none"
      stroke="currentColor"
      strokeWidth="1.3"
      strokeLinecap="round"
      strokeLinejoin="round"
    />
  );
}

export function EventMark({ glyph }: { readonly glyph: EventGlyph }) {
  return (
    <svg className="tg" viewBox="0 0 14 14" width="12" height="12" aria-hidden="true">
      {eventShape(glyph)}
    </svg>
  );
}

function eventShape(glyph: EventGlyph) {
  switch (glyph) {
    case "fire":
      return <TimerShape state="firing" />;
    case "armed":
      return <TimerShape state="armed" share={0.999} />;
    case "init":
      return <TimerShape state="idle" />;
    case "ring":
      return (
        <>
          <circle cx="7" cy="7" r="5.2" fill="none" stroke="var(--timL)" strokeWidth="1.4" />
          <path d="M4.6 7h4.8" stroke="var(--timL)" strokeWidth="1.4" />
        </>
      );
    case "freed":
      return <TimerShape state="freed" />;
    case "element":
      return <rect x="1.5" y="4.5" width="11" height="5" rx="1" fill="none" stroke="var(--map)" strokeWidth="1.4" />;
    case "return":
      return <path d="M11 3v4.5H4M6.5 5 4 7.5 6.5 10" fill="none" stroke="var(--text3)" strokeWidth="1.4" />;
    case "program":
      return (
        <g color="var(--prog)">
          <NodeShape kind="program" />
        </g>
      );
    case "user":
      return <path d="M7 1.5l5.5 5.5L7 12.5 1.5 7z" fill="var(--text2)" />;
    case "reference":
      return <path d="M1.5 7h9M8 4l3 3-3 3" fill="none" stroke="var(--text3)" strokeWidth="1.4" />;
    case "helper":
      return (
        <path d="M5.2 3.5 2 7l3.2 3.5M8.8 3.5 12 7l-3.2 3.5" fill="none" stroke="var(--text3)" strokeWidth="1.3" />
      );
    case "trace":
      return <path d="M2 4h10M2 7h10M2 10h6" fill="none" stroke="var(--text3)" strokeWidth="1.3" />;
    case "wait":
      return (
        <path
          d="M3.5 2h7M3.5 12h7M4.5 2c0 3 5 4 5 10M9.5 2c0 3-5 4-5 10"
          fill="none"
          stroke="var(--text3)"
          strokeWidth="1.2"
        />
      );
    case "bad":
      return <path d="M7 1l6 6-6 6-6-6z" fill="var(--badF)" />;
  }
}
