import type { ScalarFacts } from "./state-text.ts";
import { rangeText } from "./state-text.ts";

/** Beyond this many values the number line is logarithmic, by powers of two. */
const LINEAR = 15n;

const log = (value: bigint): number => (value <= 0n ? 0 : value.toString(2).length);

/** A scalar's range on a number line, and its bits: known ones as digits, unknown ones as `?`. */
export function ScalarView({ scalar }: { readonly scalar: ScalarFacts }) {
  return (
    <div className="tn">
      <span>Range</span>
      <RangeLine scalar={scalar} />
      <span>Bits</span>
      <Bits scalar={scalar} />
    </div>
  );
}

function RangeLine({ scalar }: { readonly scalar: ScalarFacts }) {
  const { umin, umax } = scalar;
  const linear = umax <= LINEAR;
  const last = linear ? (umax < 7n ? 7 : Number(umax) + 1) : 64;
  const place = (value: bigint) => (linear ? ((Number(value) + 0.5) / (last + 1)) * 100 : (log(value) / 64) * 100);
  const marks = linear
    ? Array.from({ length: last + 1 }, (_, i) => ({ at: ((i + 0.5) / (last + 1)) * 100, text: String(i) }))
    : [0, 8, 16, 32, 48, 64].map((bits) => ({ at: (bits / 64) * 100, text: bits === 0 ? "0" : `2^${bits}` }));
  const from = linear ? place(umin) - 50 / (last + 1) : place(umin);
  const to = linear ? place(umax) + 50 / (last + 1) : Math.max(place(umin) + 1.2, place(umax));
  return (
    <div className="rangebar" role="img" aria-label={`Range ${rangeText(scalar)}`}>
      <i className="tr" />
      <i className="se" style={{ left: `${from}%`, width: `${Math.max(1, to - from)}%` }} />
      {marks.map((mark) => (
        <em key={mark.text} style={{ left: `${mark.at}%` }}>
          {mark.text}
        </em>
      ))}
    </div>
  );
}

function Bits({ scalar }: { readonly scalar: ScalarFacts }) {
  const significant = Math.max(log(scalar.value | scalar.mask), 1);
  const shown = significant > 32 ? 64 : significant > 16 ? 32 : significant > 8 ? 16 : 8;
  const cells = Array.from({ length: Math.min(shown, 16) }, (_, i) => BigInt(Math.min(shown, 16) - 1 - i));
  const high = shown > 16;
  const above = scalar.mask >> BigInt(cells.length);
  const aboveValue = scalar.value >> BigInt(cells.length);
  const rest = above === 0n && aboveValue === 0n ? "all 0" : above === 0n ? "known" : "some unknown";
  return (
    <div
      className="bits"
      role="img"
      aria-label={`Known bits: value 0x${scalar.value.toString(16)}, unknown 0x${scalar.mask.toString(16)}`}
    >
      <span>
        63 … {cells.length} {high || rest !== "all 0" ? rest : "all 0"}
      </span>
      {cells.map((bit) => {
        const unknown = ((scalar.mask >> bit) & 1n) === 1n;
        return (
          <i key={String(bit)} className={unknown ? "u" : ""}>
            {unknown ? "?" : String((scalar.value >> bit) & 1n)}
          </i>
        );
      })}
      <code>
        var_off (0x{scalar.value.toString(16)}; 0x{scalar.mask.toString(16)})
      </code>
    </div>
  );
}
