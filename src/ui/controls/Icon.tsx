/** The page's icons, 16 px, drawn with the current colour. */
const STROKES = {
  share: "M8 10V2.5M5 5l3-3 3 3M3 9v4.5h10V9",
  help: "M6 6a2 2 0 1 1 3 1.8c-.7.4-1 .8-1 1.7M8 12v.2",
  cross: "M4 4l8 8M12 4l-8 8",
  maximise: "M3 6V3h3M10 3h3v3M13 10v3h-3M6 13H3v-3",
  restore: "M6 3v3H3M10 3v3h3M13 10h-3v3M3 10h3v3",
  plus: "M8 3.5v9M3.5 8h9",
  minus: "M4 8h8",
  table: "M2.5 3.5h11v9h-11zM2.5 6.5h11M6.5 3.5v9",
  filter: "M2.5 4h11M4.5 8h7M6.5 12h3",
  download: "M8 2.5V10M5 7l3 3 3-3M3 12.5h10",
  previous: "M12 3.5v9L5.5 8zM4 3.5v9",
  back: "M10 3.5 5.5 8l4.5 4.5",
  forward: "M6 3.5 10.5 8 6 12.5",
  check: "M3 8.5 6.5 12 13 4.5",
  link: "M6.5 9.5 9.5 6.5M7 4.5l1.2-1.2a3 3 0 0 1 4.3 4.3L11.3 8.8M9 11.5l-1.2 1.2a3 3 0 0 1-4.3-4.3L4.7 7.2",
  warn: "M8 2.5 14.5 13.5h-13zM8 6.5v3M8 11.6v.1",
  trash: "M3 4.5h10M6.5 4.5V3h3v1.5M4.5 4.5l.6 8.5h5.8l.6-8.5M7 7v3.5M9 7v3.5",
  restart: "M3.5 8a4.5 4.5 0 1 0 1.4-3.2M4.5 2.5v2.6h2.6",
  copy: "M5.5 5.5v-3h8v8h-3M2.5 5.5h8v8h-8z",
  graph: "M3 4.5h4v3H3zM9 8.5h4v3H9zM7 6h3v2.5",
  file: "M4 2.5h5l3 3v8H4zM9 2.5v3h3",
} as const;

const CIRCLED = {
  eye: { r: 1.8, cx: 8, cy: 8, d: "M1.5 8C4 3.6 12 3.6 14.5 8 12 12.4 4 12.4 1.5 8z" },
  clock: { r: 5.5, cx: 8, cy: 8, d: "M8 5v3l2 1.5" },
  light: {
    r: 3,
    cx: 8,
    cy: 8,
    d: "M8 1.5v1.5M8 13v1.5M1.5 8H3M13 8h1.5M3.4 3.4l1 1M11.6 11.6l1 1M12.6 3.4l-1 1M4.4 11.6l-1 1",
  },
  next: { r: 2.6, cx: 12, cy: 8, d: "M2 8h5M5 5l3 3-3 3" },
  more: { r: 0.6, cx: 8, cy: 8, d: "M4 8v.01M12 8v.01" },
  gear: {
    r: 2,
    cx: 8,
    cy: 8,
    d: "M8 2v2M8 12v2M2 8h2M12 8h2M3.8 3.8l1.4 1.4M10.8 10.8l1.4 1.4M12.2 3.8l-1.4 1.4M5.2 10.8l-1.4 1.4",
  },
} as const;

const FILLS = { pause: "M4 3h3v10H4zM9 3h3v10H9z", run: "M4.5 2.8v10.4L13 8z", stop: "M3.5 3.5h9v9h-9z" } as const;

export type IconName = keyof typeof STROKES | keyof typeof CIRCLED | keyof typeof FILLS;

export function Icon({ name }: { readonly name: IconName }) {
  if (name in FILLS)
    return (
      <svg className="i fill" viewBox="0 0 16 16" aria-hidden="true">
        <path d={FILLS[name as keyof typeof FILLS]} />
      </svg>
    );
  if (name in CIRCLED) {
    const { r, cx, cy, d } = CIRCLED[name as keyof typeof CIRCLED];
    return (
      <svg className="i" viewBox="0 0 16 16" aria-hidden="true">
        <circle cx={cx} cy={cy} r={r} />
        <path d={d} />
      </svg>
    );
  }
  return (
    <svg className="i" viewBox="0 0 16 16" aria-hidden="true">
      <path d={STROKES[name as keyof typeof STROKES]} />
    </svg>
  );
}

export function Chevron() {
  return (
    <svg className="ch" viewBox="0 0 10 10" aria-hidden="true">
      <path d="M2 3.5 5 6.5 8 3.5" fill="none" stroke="currentColor" strokeWidth="1.5" strokeLinecap="round" />
    </svg>
  );
}

/** The mark: a clock whose first third has passed. */
export function Mark() {
  return (
    <svg viewBox="0 0 20 20" aria-hidden="true">
      <circle cx="10" cy="10" r="8" fill="none" stroke="currentColor" strokeWidth="1.6" />
      <path d="M10 10 L10 2 A8 8 0 0 1 17.6 12.5 Z" fill="var(--timF)" />
      <path d="M10 2v8l7.6 2.5" fill="none" stroke="currentColor" strokeWidth="1.6" strokeLinejoin="round" />
    </svg>
  );
}
