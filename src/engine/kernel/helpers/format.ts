/** Arguments of a format by number, 64 bits each. */
export interface FormatSource {
  /** Bytes of a string in kernel memory; null when the address faults. */
  string(address: bigint): string | null;
  /** `size` bytes; null when the address faults. */
  bytes(address: bigint, size: number): Uint8Array | null;
}

const FLAGS_AND_WIDTH = /^%([0+\- ]*)(\d*)/;
const PUNCTUATION = /^[!-/:-@[-`{-~]/;

/** A conversion behind its flags and width: what bpf_bprintf_prepare knows it as, and how many characters it takes. */
function conversionAt(rest: string): { readonly kind: string; readonly length: number } | null {
  const plain = /^(?:s|c|(?:ll|l)?[diuxX])/.exec(rest)?.[0];
  if (plain !== undefined) return { kind: plain, length: plain.length };
  if (rest[0] !== "p") return null;
  const string = /^p[ku]s/.exec(rest)?.[0];
  if (string !== undefined) return { kind: string, length: string.length };
  const kind = /^p(?:[iI][46]|[KxsSB])/.exec(rest)?.[0] ?? "p";
  if (kind === "p" && rest.length > 1 && !/^\s/.test(rest.slice(1)) && !PUNCTUATION.test(rest.slice(1))) return null;
  // Letters and digits behind a pointer conversion belong to it, whatever they are.
  const tail = /^[A-Za-z0-9]*/.exec(rest.slice(kind.length))?.[0].length ?? 0;
  return { kind, length: kind.length + tail };
}

/**
 * Formats as bpf_trace_printk and bpf_snprintf do (measured on Linux 6.18). Null: -EINVAL, for what bpf_bprintf_prepare refuses
 * (unknown conversions, more conversions than arguments, bytes that are no printable ASCII).
 */
export function formatBpf(format: string, args: readonly bigint[], source: FormatSource): string | null {
  let text = "";
  let next = 0;
  for (let i = 0; i < format.length; i++) {
    const code = format.charCodeAt(i);
    if (code >= 127 || (code < 32 && !(code >= 9 && code <= 13))) return null;
    if (format[i] !== "%") {
      text += format[i];
      continue;
    }
    if (format[i + 1] === "%") {
      text += "%";
      i++;
      continue;
    }
    const [head, flags, width] = FLAGS_AND_WIDTH.exec(format.slice(i)) as unknown as [string, string, string];
    const conversion = conversionAt(format.slice(i + head.length));
    const argument = args[next++];
    if (conversion === null || argument === undefined) return null;
    text += pad(convert(conversion.kind, argument, flags, source), flags, Number(width || 0), conversion.kind);
    i += head.length + conversion.length - 1;
  }
  return text;
}

function pad(text: string, flags: string, width: number, kind: string): string {
  if (text.length >= width) return text;
  if (flags.includes("-")) return text.padEnd(width);
  if (flags.includes("0") && /[diuxX]$/.test(kind)) {
    const sign = /^[-+ ]/.exec(text)?.[0] ?? "";
    return sign + text.slice(sign.length).padStart(width - sign.length, "0");
  }
  return text.padStart(width);
}

function convert(kind: string, argument: bigint, flags: string, source: FormatSource): string {
  switch (kind) {
    case "s":
    case "pks":
    case "pus":
      return kind === "pus" ? "" : (source.string(argument) ?? "");
    case "c":
      return String.fromCharCode(Number(argument & 0xffn));
    case "px":
      return argument.toString(16).padStart(16, "0");
    case "p":
    case "pK":
      return hashedPointer(argument);
    case "ps":
    case "pS":
    case "pB":
      // No symbol is known here: the bare address.
      return `0x${argument.toString(16)}`;
    case "pi4":
    case "pI4": {
      const bytes = [...(source.bytes(argument, 4) ?? new Uint8Array(4))];
      return bytes.map((b) => (kind === "pi4" ? String(b).padStart(3, "0") : String(b))).join(".");
    }
    case "pi6":
    case "pI6": {
      const bytes = source.bytes(argument, 16) ?? new Uint8Array(16);
      const groups = Array.from({ length: 8 }, (_, g) =>
        (((bytes[2 * g] as number) << 8) | (bytes[2 * g + 1] as number)).toString(16).padStart(4, "0"),
      );
      return groups.join(kind === "pI6" ? ":" : "");
    }
    default: {
      const bits = kind.startsWith("l") ? 64 : 32;
      const letter = kind.at(-1);
      if (letter === "d" || letter === "i") {
        const value = BigInt.asIntN(bits, argument);
        if (value < 0n) return String(value);
        return `${flags.includes("+") ? "+" : flags.includes(" ") ? " " : ""}${value}`;
      }
      const value = BigInt.asUintN(bits, argument);
      if (letter === "u") return String(value);
      const hex = value.toString(16);
      return letter === "X" ? hex.toUpperCase() : hex;
    }
  }
}

/** Plain %p shows no address: a 32-bit hash, the same for the same address. */
function hashedPointer(address: bigint): string {
  let h = Number(BigInt.asUintN(32, address)) ^ Number(address >> 32n);
  for (let i = 0; i < 3; i++) {
    h = Math.imul(h ^ (h >>> 16), 0x45d9f3b);
  }
  return ((h ^ (h >>> 16)) >>> 0).toString(16).padStart(16, "0");
}
