/** UTF-8 without TextEncoder, which not every host of the engine has. Lone surrogates become U+FFFD. */
export function utf8Bytes(text: string): Uint8Array {
  const bytes: number[] = [];
  for (const char of text) {
    let code = char.codePointAt(0) as number;
    if (code >= 0xd800 && code <= 0xdfff) code = 0xfffd;
    if (code < 0x80) bytes.push(code);
    else if (code < 0x800) bytes.push(0xc0 | (code >> 6), 0x80 | (code & 63));
    else if (code < 0x10000) bytes.push(0xe0 | (code >> 12), 0x80 | ((code >> 6) & 63), 0x80 | (code & 63));
    else bytes.push(0xf0 | (code >> 18), 0x80 | ((code >> 12) & 63), 0x80 | ((code >> 6) & 63), 0x80 | (code & 63));
  }
  return Uint8Array.from(bytes);
}

/** Text of UTF-8 bytes; each byte that begins no well-formed sequence becomes U+FFFD. */
export function utf8Text(bytes: Uint8Array): string {
  let text = "";
  let at = 0;
  while (at < bytes.length) {
    const lead = bytes[at] as number;
    if (lead < 0x80) {
      text += String.fromCharCode(lead);
      at++;
      continue;
    }
    const length = lead >= 0xf0 && lead < 0xf5 ? 4 : lead >= 0xe0 ? 3 : lead >= 0xc2 ? 2 : 0;
    let code = length === 4 ? lead & 7 : length === 3 ? lead & 15 : lead & 31;
    let taken = 1;
    while (taken < length && ((bytes[at + taken] ?? 0) & 0xc0) === 0x80) {
      code = (code << 6) | ((bytes[at + taken] as number) & 63);
      taken++;
    }
    const least = length === 4 ? 0x10000 : length === 3 ? 0x800 : 0x80;
    const wellFormed =
      length > 0 &&
      lead < 0xf5 &&
      taken === length &&
      code >= least &&
      code < 0x110000 &&
      (code < 0xd800 || code > 0xdfff);
    text += wellFormed ? String.fromCodePoint(code) : "\ufffd";
    at += wellFormed ? length : 1;
  }
  return text;
}

/** The NUL-terminated string at `offset`; null when it does not end inside `bytes`. */
export function stringAt(bytes: Uint8Array, offset: number): string | null {
  if (offset < 0 || offset >= bytes.length) return null;
  const end = bytes.indexOf(0, offset);
  return end < 0 ? null : utf8Text(bytes.subarray(offset, end));
}
