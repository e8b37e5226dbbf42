import {
  ELEMENT_HASH,
  ELEMENT_HEADER,
  ELEMENT_NEXT,
  HASH_BYTE,
  HASH_END,
  HASH_SEED,
  HASH_WORD,
  HASH_WORD_SHIFT,
} from "../../abi/hash-table.ts";
import * as w from "./wasm-code.ts";

const KEY = 0;
const BUCKETS = 1;
const MASK = 2;
const HASH = 3;
const ELEMENT = 4;

/** (key, buckets, mask) -> the element of a hash table whose key are the `keySize` bytes at `key`, or 0. */
export function finderBody(keySize: number): Uint8Array {
  const code = new w.WasmCode();
  code.u32(1);
  code.u32(2);
  code.byte(w.I32);
  pushHash(code, keySize);
  code.set(HASH);
  code.get(BUCKETS);
  code.get(HASH);
  code.get(MASK);
  code.byte(w.I32_AND);
  code.i32(2);
  code.byte(w.I32_SHL);
  code.byte(w.I32_ADD);
  code.memory(w.I32_LOAD, 0);
  code.set(ELEMENT);
  code.byte(w.LOOP);
  code.byte(w.EMPTY_BLOCK);
  code.get(ELEMENT);
  code.byte(w.I32_EQZ);
  code.byte(w.IF);
  code.byte(w.EMPTY_BLOCK);
  code.i32(0);
  code.byte(w.RETURN);
  code.byte(w.END);
  code.get(ELEMENT);
  code.memory(w.I32_LOAD, ELEMENT_HASH);
  code.get(HASH);
  code.byte(w.I32_EQ);
  code.byte(w.IF);
  code.byte(w.EMPTY_BLOCK);
  pushSameKey(code, keySize);
  code.byte(w.IF);
  code.byte(w.EMPTY_BLOCK);
  code.get(ELEMENT);
  code.byte(w.RETURN);
  code.byte(w.END);
  code.byte(w.END);
  code.get(ELEMENT);
  code.memory(w.I32_LOAD, ELEMENT_NEXT);
  code.set(ELEMENT);
  code.br(0);
  code.byte(w.END);
  code.byte(w.UNREACHABLE);
  code.byte(w.END);
  return code.take();
}

/** `hashKey` of the ABI, unrolled for one size. */
function pushHash(code: w.WasmCode, keySize: number): void {
  const mixIn = (load: number, at: number, factor: number): void => {
    code.get(KEY);
    code.memory(load, at);
    code.byte(w.I32_XOR);
    code.i32(factor | 0);
    code.byte(w.I32_MUL);
  };
  const fold = (shift: number): void => {
    code.tee(HASH);
    code.get(HASH);
    code.i32(shift);
    code.byte(w.I32_SHR_U);
    code.byte(w.I32_XOR);
  };
  code.i32((HASH_SEED ^ keySize) | 0);
  let at = 0;
  for (; at + 4 <= keySize; at += 4) {
    mixIn(w.I32_LOAD, at, HASH_WORD);
    fold(HASH_WORD_SHIFT);
  }
  for (; at < keySize; at++) mixIn(w.I32_LOAD8_U, at, HASH_BYTE);
  fold(13);
  code.i32(HASH_END | 0);
  code.byte(w.I32_MUL);
  fold(16);
}

/** Pushes (i32) whether the element's key is the one that is looked for. */
function pushSameKey(code: w.WasmCode, keySize: number): void {
  let at = 0;
  const compare = (load: number, equal: number, bytes: number): void => {
    code.get(ELEMENT);
    code.memory(load, ELEMENT_HEADER + at);
    code.get(KEY);
    code.memory(load, at);
    code.byte(equal);
    if (at > 0) code.byte(w.I32_AND);
    at += bytes;
  };
  while (at + 8 <= keySize) compare(w.I64_LOAD, w.I64_EQ, 8);
  while (at + 4 <= keySize) compare(w.I32_LOAD, w.I32_EQ, 4);
  while (at < keySize) compare(w.I32_LOAD8_U, w.I32_EQ, 1);
}
