import { deflateSync, Inflate, strFromU8, strToU8 } from "fflate";
import { readSnippet, type Snippet } from "./snippet.ts";

/**
 * A link's fragment is `VERSION/DATA`: version 1 is base64url of raw DEFLATE of the snippet's JSON in UTF-8. The version is that of
 * this packing; the JSON carries its own.
 */
const LINK_VERSION = "1";

/** Characters of a fragment that is looked at at all; browsers carry no more than about two million. */
const MAX_FRAGMENT = 2_000_000;
/** Bytes that a fragment may unpack to: a hostile link must not fill the memory. */
const MAX_UNPACKED = 4_000_000;
/** Compressed bytes unpacked at a time, so that a bomb is noticed early. */
const CHUNK = 4096;

const ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

export type LinkResult =
  | { readonly kind: "none" }
  | { readonly kind: "snippet"; readonly snippet: Snippet }
  | { readonly kind: "error"; readonly message: string };

/** The fragment (without `#`) that holds a snippet; null when it holds more than a link can carry. */
export function encodeLink(snippet: Snippet): string | null {
  const json = JSON.stringify(snippet);
  // Nothing is made that the other side would not open.
  if (json.length > MAX_UNPACKED || !readSnippet(json).ok) return null;
  const plain = strToU8(json);
  if (plain.length > MAX_UNPACKED) return null;
  const packed = deflateSync(plain, { level: 9 });
  const fragment = `${LINK_VERSION}/${toBase64Url(packed)}`;
  return fragment.length <= MAX_FRAGMENT ? fragment : null;
}

/** Reads a URL's fragment, with or without `#`. Whatever stands there, this gives an answer and never throws. */
export function decodeLink(fragment: string): LinkResult {
  const body = fragment.startsWith("#") ? fragment.slice(1) : fragment;
  if (body === "") return { kind: "none" };
  const bad = (why: string): LinkResult => ({ kind: "error", message: `This link cannot be opened. ${why}` });
  const [, version, data] = /^(\d{1,4})\/(.*)$/s.exec(body) ?? [];
  if (version === undefined || data === undefined) return bad("Its part behind # is not from the playground.");
  if (version !== LINK_VERSION) {
    return bad(`It was made by a newer playground (packing ${version}; this one reads ${LINK_VERSION}).`);
  }
  if (body.length > MAX_FRAGMENT) return bad("It is longer than any link that the playground makes.");
  const packed = fromBase64Url(data);
  if (packed === null) return bad("It is damaged: some of its characters do not belong there.");
  const unpacked = inflate(packed);
  if (typeof unpacked === "string") return bad(unpacked);
  const read = readSnippet(strFromU8(unpacked));
  return read.ok ? { kind: "snippet", snippet: read.value } : bad(read.error);
}

function inflate(packed: Uint8Array): Uint8Array | string {
  if (packed.length === 0) return "It is damaged: part of it is missing.";
  const parts: Uint8Array[] = [];
  let length = 0;
  let ended = false;
  const stream = new Inflate((part, final) => {
    parts.push(part);
    length += part.length;
    ended ||= final;
  });
  try {
    for (let at = 0; at < packed.length; at += CHUNK) {
      stream.push(packed.subarray(at, at + CHUNK), at + CHUNK >= packed.length);
      if (length > MAX_UNPACKED) return "It unpacks to more than any snippet holds.";
    }
  } catch {
    return "It is damaged: part of it is missing or changed.";
  }
  if (!ended) return "It is damaged: part of it is missing.";
  const whole = new Uint8Array(length);
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}

function toBase64Url(bytes: Uint8Array): string {
  let text = "";
  for (let at = 0; at < bytes.length; at += 3) {
    const word = ((bytes[at] as number) << 16) | ((bytes[at + 1] ?? 0) << 8) | (bytes[at + 2] ?? 0);
    const characters = Math.min(4, bytes.length - at + 1);
    for (let i = 0; i < characters; i++) text += ALPHABET[(word >> (18 - 6 * i)) & 63];
  }
  return text;
}

function fromBase64Url(text: string): Uint8Array | null {
  if (text.length % 4 === 1) return null;
  const bytes = new Uint8Array(Math.floor((text.length * 3) / 4));
  let word = 0;
  let bits = 0;
  let at = 0;
  for (const character of text) {
    const value = ALPHABET.indexOf(character);
    if (value < 0) return null;
    word = ((word << 6) | value) & 0xfff_ffff;
    bits += 6;
    if (bits >= 8) {
      bits -= 8;
      bytes[at++] = (word >> bits) & 0xff;
    }
  }
  return bytes;
}

const STANDARD = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/** Base64 with padding, as JSON carries an object file. */
export function toBase64(bytes: Uint8Array): string {
  const text = toBase64Url(bytes).replace(/[-_]/g, (c) => STANDARD[ALPHABET.indexOf(c)] as string);
  return text + "=".repeat((4 - (text.length % 4)) % 4);
}

/** Null when the text is no base64. */
export function fromBase64(text: string): Uint8Array | null {
  return fromBase64Url(text.replace(/=+$/, "").replace(/\+/g, "-").replace(/\//g, "_"));
}
