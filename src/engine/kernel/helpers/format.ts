/** Arguments of a format by number, 64 bits each. */
export interface FormatSource {
  /** Bytes of a string in kernel memory; null when the address faults. */
  string(address: bigint): string | null;
  /** `size` bytes; null when the address faults. */
  bytes(address: bigint, size: number): Uint8Array | null;
}

/**
 * Formats as bpf_trace_printk and bpf_snprintf do. Null: -EINVAL, for what bpf_bprintf_prepare refuses (unknown conversions,
 * more conversions than arguments, bytes that are no printable ASCII).
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
    const match = /^%([0 #-]*)(\d*)(p[kKxsSB]?[us]?|p[iI][46]|s|c|(?:ll|l)?[diuxX])/.exec(
      format.slice(i).replace(/^(%[0 #-]*\d*)p([iI][46])/, "$1p$2"),
    );
    if (match === null) return null;
    const [whole, flags, width, conversion] = match as unknown as [string, string, string, string];
    let taken = whole;
    let kind = conversion;
    const address = /^%[0 #-]*\d*(p[iI][46])/.exec(format.slice(i));
    if (address !== null) {
      kind = address[1] as string;
      taken = address[0];
    } else if (kind.startsWith("p") && kind.length > 1 && kind !== "pks" && kind !== "pus") {
      kind = kind.slice(0, 2);
      taken = whole.slice(0, whole.length - (conversion.length - 2));
      if (!/^p[KxsSB]$/.test(kind)) {
        kind = "p";
        taken = whole.slice(0, whole.length - (conversion.length - 1));
      }
    }
    const argument = args[next++];
    if (argument === undefined) return null;
    text += pad(convert(kind, argument, flags, source), flags, Number(width || 0), kind);
    i += taken.length - 1;
  }
  return text;
}

function pad(text: string, flags: string, width: number, kind: string): string {
  if (text.length >= width) return text;
  if (flags.includes("-")) return text.padEnd(width);
  if (flags.includes("0") && /[diuxX]$/.test(kind)) {
    const sign = text.startsWith("-") ? "-" : "";
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
    case "p":
    case "pK":
    case "px":
    case "ps":
    case "pS":
    case "pB":
      return argument.toString(16).padStart(16, "0");
    case "pi4":
    case "pI4": {
      const bytes = source.bytes(argument, 4);
      const dots =
        bytes === null ? "" : [...bytes].map((b) => (kind === "pi4" ? String(b).padStart(3, "0") : b)).join(".");
      return dots;
    }
    case "pi6":
    case "pI6": {
      const bytes = source.bytes(argument, 16);
      if (bytes === null) return "";
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
        return value >= 0n && flags.includes(" ") ? ` ${value}` : String(value);
      }
      const value = BigInt.asUintN(bits, argument);
      if (letter === "u") return String(value);
      const hex = value.toString(16);
      const prefix = flags.includes("#") && value !== 0n ? "0x" : "";
      return letter === "X" ? (prefix + hex).toUpperCase() : prefix + hex;
    }
  }
}
