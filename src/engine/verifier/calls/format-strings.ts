const PERCENT = 0x25;

/** Arguments of 8 bytes that a format takes. */
const MAX_ARGUMENTS = 12;

/**
 * Whether `format` is one that bpf_snprintf accepts for `count` arguments. Specifiers: `%%`, `%s`, `%c`, `%p` and its kernel
 * forms (`%pK`, `%px`, `%ps`, `%pS`, `%pB`, `%pks`, `%pus`, `%pi4`, `%pI6`), and `%[l|ll]{d,i,u,x,X}`, each with flags and a width.
 * Source: the documentation of bpf_snprintf and loads on Linux 6.18.
 */
export function isValidFormat(format: Uint8Array, count: number): boolean {
  if (count > MAX_ARGUMENTS) return false;
  let used = 0;
  for (let i = 0; i < format.length; i++) {
    const byte = format[i]!;
    if (byte >= 0x80 || (byte < 0x20 && !(byte >= 9 && byte <= 13)) || byte === 0x7f) return false;
    if (byte !== PERCENT) continue;
    if (format[i + 1] === PERCENT) {
      i++;
      continue;
    }
    if (used >= count) return false;
    const end = specifierEnd(format, i + 1);
    if (end < 0) return false;
    i = end;
    used++;
  }
  return used === count;
}

const letter = (format: Uint8Array, i: number): string => {
  const byte = format[i];
  return byte === undefined ? "" : String.fromCharCode(byte);
};

/** Index of the last character of the specifier whose first one after `%` stands at `start`; -1 when it is none. */
function specifierEnd(format: Uint8Array, start: number): number {
  let i = start;
  while ("0+- ".includes(letter(format, i)) && letter(format, i) !== "") i++;
  if (/[1-9]/.test(letter(format, i))) while (/[0-9]/.test(letter(format, i))) i++;
  switch (letter(format, i)) {
    case "p":
      return pointerEnd(format, i);
    case "s":
    case "c":
      return i;
    default:
      break;
  }
  if (letter(format, i) === "l") i++;
  if (letter(format, i) === "l") i++;
  return "diuxX".includes(letter(format, i)) && letter(format, i) !== "" ? i : -1;
}

/** `%p` may be followed by letters that say how the pointer is printed. */
function pointerEnd(format: Uint8Array, at: number): number {
  const next = letter(format, at + 1);
  const after = letter(format, at + 2);
  if ((next === "k" || next === "u") && after === "s") return at + 2;
  if (next === "K" || next === "x" || next === "s" || next === "S" || next === "B") return at + 1;
  if ((next === "i" || next === "I") && (after === "4" || after === "6")) return at + 2;
  // A plain %p ends at white space, punctuation or the end.
  return next === "" || /[\s\p{P}]/u.test(next) ? at : -1;
}
