import type { KernelEvent, NodeId } from "../../protocol/engine-types.ts";

/** A program or callback on a CPU. */
export interface RunSpan {
  readonly kind: "program" | "callback";
  readonly cpu: number;
  readonly seq: number;
  readonly from: number;
  /** Seq and time of the return; null while it runs. */
  endSeq: number | null;
  to: number | null;
  readonly prog: number | null;
  readonly timer: string | null;
}

/** One wait of a timer: armed here, expired (or gave up) there. */
export interface WaitSpan {
  readonly timer: string;
  readonly cpu: number;
  readonly seq: number;
  readonly from: number;
  readonly expires: number | null;
  /** Seq of the run that armed it, when a run did. */
  readonly armedBy: number | null;
  endSeq: number | null;
  to: number | null;
  /** Seq of the run that the expiry started; null when cancelled, moved or dropped. */
  firedRun: number | null;
}

export interface UserMark {
  readonly seq: number;
  readonly at: number;
  readonly text: string;
  readonly errno: string | null;
}

export interface TimerLife {
  readonly timer: string;
  readonly seq: number;
  /** Initialised from here. */
  readonly from: number;
  freedSeq: number | null;
  freedAt: number | null;
}

export interface RefStep {
  readonly seq: number;
  readonly at: number;
  readonly value: number;
}

/** One key for the id of a timer (or work queue, which is drawn as timers are) and for its node in the graph. */
export const timerKey = (id: string): string => id.replace(/^(t|timer):/, "").replace(/^work:/, "w:");

function append<T>(index: Map<string, T[]>, timer: string, item: T): void {
  const key = timerKey(timer);
  const list = index.get(key);
  if (list) list.push(item);
  else index.set(key, [item]);
}

/** The recording as spans and marks. Grows with the events that it is given; starts again when they change under it. */
export class Timeline {
  runs: RunSpan[] = [];
  waits: WaitSpan[] = [];
  users: UserMark[] = [];
  lives: TimerLife[] = [];
  refs = new Map<NodeId, RefStep[]>();
  end = 0;
  /** Changes whenever anything does. */
  version = 0;
  #waitsOf = new Map<string, WaitSpan[]>();
  #runsOf = new Map<string, RunSpan[]>();
  #livesOf = new Map<string, TimerLife[]>();
  /** Drops whose memory is still to be freed, by timer. */
  #dropped = new Map<string, number>();
  #count = 0;
  #last: KernelEvent | null = null;
  #openRuns = new Map<number, RunSpan>();
  #openWaits = new Map<string, WaitSpan>();
  #openLives = new Map<string, TimerLife>();
  #running = new Map<number, RunSpan[]>();

  /** Waits, runs and lives of one timer, in order. */
  waitsOf(timer: string): readonly WaitSpan[] {
    return this.#waitsOf.get(timerKey(timer)) ?? [];
  }

  runsOf(timer: string): readonly RunSpan[] {
    return this.#runsOf.get(timerKey(timer)) ?? [];
  }

  livesOf(timer: string): readonly TimerLife[] {
    return this.#livesOf.get(timerKey(timer)) ?? [];
  }

  update(events: readonly KernelEvent[]): void {
    if (this.#count > events.length || (this.#count > 0 && events[this.#count - 1] !== this.#last)) this.#reset();
    if (this.#count === events.length) return;
    for (let i = this.#count; i < events.length; i++) this.#add(events[i] as KernelEvent);
    this.#count = events.length;
    this.#last = events.at(-1) ?? null;
    this.version++;
  }

  #reset(): void {
    this.runs = [];
    this.waits = [];
    this.users = [];
    this.lives = [];
    this.refs = new Map();
    this.end = 0;
    this.version++;
    this.#waitsOf = new Map();
    this.#runsOf = new Map();
    this.#livesOf = new Map();
    this.#dropped = new Map();
    this.#count = 0;
    this.#last = null;
    this.#openRuns = new Map();
    this.#openWaits = new Map();
    this.#openLives = new Map();
    this.#running = new Map();
  }

  #start(run: RunSpan, id: number): void {
    this.runs.push(run);
    if (run.timer !== null) append(this.#runsOf, run.timer, run);
    this.#openRuns.set(id, run);
    this.#running.set(run.cpu, [...(this.#running.get(run.cpu) ?? []), run]);
  }

  #finish(id: number, event: KernelEvent): void {
    const run = this.#openRuns.get(id);
    if (!run) return;
    run.to = event.at;
    run.endSeq = event.seq;
    this.#openRuns.delete(id);
    this.#running.set(
      run.cpu,
      (this.#running.get(run.cpu) ?? []).filter((r) => r !== run),
    );
  }

  #endWait(timer: string, event: KernelEvent, fired: boolean): void {
    const wait = this.#openWaits.get(timer);
    if (!wait) return;
    wait.to = event.at;
    wait.endSeq = event.seq;
    wait.firedRun = fired ? event.seq : null;
    this.#openWaits.delete(timer);
  }

  #add(event: KernelEvent): void {
    this.end = Math.max(this.end, event.at);
    const cpu = event.cpu ?? 0;
    const span = { cpu, seq: event.seq, from: event.at, endSeq: null, to: null };
    switch (event.kind) {
      case "syscall":
        this.users.push({ seq: event.seq, at: event.at, text: event.text, errno: event.errno });
        return;
      case "prog-start":
        this.#start({ ...span, kind: "program", prog: event.prog, timer: null }, event.run);
        return;
      case "prog-end":
        this.#finish(event.run, event);
        return;
      case "timer-fire":
        this.#endWait(event.timer, event, true);
        this.#start({ ...span, kind: "callback", prog: null, timer: event.timer }, event.run);
        return;
      case "wq-run":
        this.#endWait(event.work, event, true);
        this.#start({ ...span, kind: "callback", prog: null, timer: event.work }, event.run);
        return;
      case "timer-return":
      case "wq-return":
        this.#finish(event.run, event);
        return;
      case "timer-init":
        if (event.errno === null) this.#live(event.timer, event);
        return;
      case "wq-init":
        if (event.errno === null) this.#live(event.work, event);
        return;
      case "timer-arm":
        this.#wait(event.timer, event, event.onCpu, event.expires);
        return;
      case "wq-queue":
        this.#wait(event.work, event, event.onCpu, event.due);
        return;
      case "timer-cancel":
        this.#endWait(event.timer, event, false);
        return;
      case "wq-cancel":
        this.#endWait(event.work, event, false);
        return;
      case "timer-drop":
        this.#drop(event.timer, event);
        return;
      case "wq-drop":
        this.#drop(event.work, event);
        return;
      case "timer-free":
        this.#freed(event.timer, event);
        return;
      case "wq-free":
        this.#freed(event.work, event);
        return;
      case "hold":
      case "release":
        if (event.count === "ref") {
          const steps = this.refs.get(event.target) ?? [];
          steps.push({ seq: event.seq, at: event.at, value: event.value });
          this.refs.set(event.target, steps);
        }
        return;
      default:
        return;
    }
  }

  #live(timer: string, event: KernelEvent): void {
    const life: TimerLife = { timer, seq: event.seq, from: event.at, freedSeq: null, freedAt: null };
    this.lives.push(life);
    append(this.#livesOf, timer, life);
    this.#openLives.set(timer, life);
  }

  #wait(timer: string, event: KernelEvent, onCpu: number, expires: number | null): void {
    this.#endWait(timer, event, false);
    const wait: WaitSpan = {
      timer,
      cpu: onCpu,
      seq: event.seq,
      from: event.at,
      expires,
      armedBy: event.cpu === null ? null : (this.#running.get(event.cpu)?.at(-1)?.seq ?? null),
      endSeq: null,
      to: null,
      firedRun: null,
    };
    this.waits.push(wait);
    append(this.#waitsOf, timer, wait);
    this.#openWaits.set(timer, wait);
  }

  #drop(timer: string, event: KernelEvent): void {
    this.#endWait(timer, event, false);
    this.#free(timer, event);
    this.#dropped.set(timer, (this.#dropped.get(timer) ?? 0) + 1);
  }

  /** After a drop the memory goes later; by then the element may have a timer again. */
  #freed(timer: string, event: KernelEvent): void {
    const dropped = this.#dropped.get(timer) ?? 0;
    if (dropped > 0) {
      this.#dropped.set(timer, dropped - 1);
      return;
    }
    this.#endWait(timer, event, false);
    this.#free(timer, event);
  }

  #free(timer: string, event: KernelEvent): void {
    const life = this.#openLives.get(timer);
    if (!life) return;
    life.freedAt = event.at;
    life.freedSeq = event.seq;
    this.#openLives.delete(timer);
  }
}
