import { describe, expect, it } from "vitest";
import { makePrng, nextBelow } from "../base/prng.ts";
import type { KernelEvent } from "../kernel/event-types.ts";
import { EventLog } from "./event-log.ts";
import { ELEMENT_UPDATE, elementSlots, RCU_WAIT, TIMER_ARM } from "./layout.ts";
import { EventUnpacker } from "./unpack-events.ts";

/** Tells event `seq`: a different kind, size and name each time. */
function tell(log: EventLog, seq: number, salt = 0): void {
  const number = seq + salt;
  const place = log.place({ programId: 1, program: "p", functionName: `f${number % 7}`, insn: number % 40, line: 3 });
  if (number % 5 === 0) {
    log.other({ kind: "trace", text: `line ${number}` }, -1, 0, seq, seq);
  } else if (number % 5 === 1) {
    const slots = elementSlots(512) + 1;
    const slot = log.begin(slots);
    log.ints[2 * slot] = 2;
    log.ints[2 * slot + 1] = 512;
    log.bytes.fill(number & 255, 8 * (slot + 1), 8 * (slot + slots - 1));
    log.ints[2 * (slot + slots - 1)] = 1;
    log.ints[2 * (slot + slots - 1) + 1] = 0;
    log.end(ELEMENT_UPDATE, slots, 3, place, seq, seq);
  } else if (number % 5 === 2) {
    const slot = log.begin(1);
    log.ints[2 * slot] = log.text(`period ${number % 11}`);
    log.ints[2 * slot + 1] = 0;
    log.end(RCU_WAIT, 1, 0, 0, seq, seq);
  } else {
    const slot = log.begin(3);
    log.ints[2 * slot] = log.text(`t:1:${number % 3}`);
    log.ints[2 * slot + 1] = 1;
    log.words[slot + 1] = number * 1e6 + 0.5;
    log.words[slot + 2] = -1;
    log.end(TIMER_ARM, 3, 0, place, seq, seq);
  }
}

function logOf(count: number): EventLog {
  const log = new EventLog();
  for (let seq = 0; seq < count; seq++) tell(log, seq);
  return log;
}

describe("a log of packed events", () => {
  it("gives back what was told, across chunks", () => {
    const told: KernelEvent[] = [];
    const listener = new EventLog((event) => told.push(event));
    for (let seq = 0; seq < 6000; seq++) tell(listener, seq);
    const log = logOf(6000);
    expect(log.size).toBeGreaterThan(1 << 18);
    expect(log.length).toBe(6000);
    expect(log.slice()).toEqual(told);
    expect([...log]).toEqual(told);
    expect(log.at(-1)).toEqual(told.at(-1));
    expect(log.at(6000)).toBeUndefined();
    expect(log.at(1)).toEqual({
      kind: "element-update",
      map: 2,
      element: `2:${"01".repeat(512)}`,
      by: "user",
      created: false,
      seq: 1,
      at: 1,
      cpu: 3,
      place: { programId: 1, program: "p", functionName: "f1", insn: 1, line: 3 },
    });
    expect(told.every((event) => log.timeOf(event.seq) === event.at)).toBe(true);
  });

  it("lets a replay tell what is known, and nothing else", () => {
    const log = logOf(2000);
    for (let seq = 100; seq < 2000; seq++) tell(log, seq);
    expect(log.length).toBe(2000);
    expect(log.slice()).toEqual(logOf(2000).slice());
    for (const seq of [10, 11, 12, 13]) {
      expect(() => tell(log, seq, 1), `${seq}`).toThrow(/replay differs at event/);
      expect(() => tell(log, seq, 65), `${seq}`).toThrow(/replay differs at event/);
    }
    expect(() => tell(log, 2001)).toThrow(/leaves a gap/);
    expect(log.slice()).toEqual(logOf(2000).slice());
  });

  it("keeps nothing beyond its end while it is frozen", () => {
    const log = logOf(500);
    log.frozen = true;
    for (let seq = 400; seq < 700; seq++) tell(log, seq);
    expect(log.length).toBe(500);
    log.frozen = false;
    for (let seq = 500; seq < 700; seq++) tell(log, seq);
    expect(log.slice()).toEqual(logOf(700).slice());
  });

  it("takes another way from any event on", () => {
    const whole = JSON.stringify(logOf(2400));
    for (const seq of [0, 1, 2, 999, 2345]) {
      const log = logOf(2346);
      log.truncate(seq);
      expect(JSON.stringify(log)).toBe(JSON.stringify(logOf(seq)));
      for (let next = seq; next < 2400; next++) tell(log, next);
      expect(JSON.stringify(log)).toBe(whole);
    }
  });

  it("is the same elsewhere, in whatever pieces it travels and wherever it takes another way (seed 5)", () => {
    const prng = makePrng(5);
    const log = new EventLog();
    const unpacker = new EventUnpacker();
    let copy: KernelEvent[] = [];
    let known = { strings: 0, places: 0 };
    const send = (): void => {
      const pack = structuredClone(log.pack(copy.length, known.strings, known.places));
      copy = [...copy.slice(0, pack.from), ...unpacker.unpack(pack)];
      known = log.known;
    };
    for (let round = 0; round < 60; round++) {
      if (nextBelow(prng, 4) === 0) {
        const back = nextBelow(prng, log.length + 1);
        log.truncate(back);
        copy.length = Math.min(copy.length, back);
      }
      const end = log.length + nextBelow(prng, 400);
      for (let seq = log.length; seq < end; seq++) tell(log, seq, round);
      if (nextBelow(prng, 3) === 0) continue;
      send();
      expect(copy.length).toBe(log.length);
      expect(copy.at(-1)).toEqual(log.at(-1));
    }
    send();
    expect(copy).toEqual(log.slice());
  });

  it("takes some 50 bytes an event", () => {
    const log = new EventLog();
    // Each is the arming of a timer.
    for (let seq = 0; seq < 10_000; seq++) tell(log, seq, 3 + 4 * seq);
    expect(log.size / log.length).toBeLessThan(50);
  });
});
