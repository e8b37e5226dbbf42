import { BPF_F_SLEEPABLE } from "../abi/types.ts";
import { typeAt } from "../btf/layout.ts";
import { BPF_PSEUDO_KFUNC_CALL, CALL } from "../isa/opcodes.ts";
import { calls } from "./calls-half.ts";
import { checkControlFlow, flowGraph, postOrder, predecessorsOf } from "./passes/control-flow.ts";
import { type DanglingCall, danglingCall } from "./passes/dangling-calls.ts";
import { type ResolvedMaps, resolveOperands } from "./passes/encoding.ts";
import { markFastcallPatterns, shrinkFastcallStacks } from "./passes/fastcall.ts";
import { InsnText } from "./passes/insn-text.ts";
import { liveRegisters, loopComponents } from "./passes/live-registers.ts";
import { failure, type PassFailure } from "./passes/outcome.ts";
import { checkFunctionRecords, checkProgramInfo } from "./passes/program-info.ts";
import { checkStackDepth } from "./passes/stack-depth.ts";
import { checkJumpRanges, findSubprograms } from "./passes/subprograms.ts";
import { originOf, pathTo } from "./rejection-facts.ts";
import { InsnFacts, type Subprogram } from "./state.ts";
import { LOG_INSTRUCTIONS, LOG_STATISTICS, Log } from "./text/log.ts";
import type {
  Rejection,
  VerifiedFunction,
  VerifiedProgram,
  VerifierEnvironment,
  VerifierProgram,
  VerifierStats,
  VerifyOptions,
  VerifyResult,
} from "./types.ts";
import { walkFunction } from "./walk/run.ts";
import { TraceRecorder } from "./walk/trace.ts";
import { Walker } from "./walk/walker.ts";
import { xlatedOf } from "./xlated/xlated.ts";

const MAX_INSNS = 1_000_000;
const NO_STATS: VerifierStats = { insnsProcessed: 0, maxStatesPerInsn: 0, totalStates: 0, peakStates: 0 };
/** Program flags that Linux 6.18 knows. */
const KNOWN_FLAGS = 0x100ff;

/**
 * What Linux 6.18 says of a program that a privileged process loads: verdict, errno, and the log of the level asked for.
 * Pure: the same program gives the same result. Times in the log are 0, kernel addresses are made up from map ids.
 */
export function verify(program: VerifierProgram, env: VerifierEnvironment, options: VerifyOptions): VerifyResult {
  // bpf(2) refuses these before there is a log.
  if (program.insns.length === 0 || program.insns.length > MAX_INSNS) return refuseSilently("E2BIG", "program-size");
  if ((program.flags & ~KNOWN_FLAGS) !== 0) return refuseSilently("EINVAL", "program-flags");
  return new Verification(program, env, options).run();
}

function refuseSilently(errno: Rejection["errno"], rule: string): VerifyResult {
  const rejection: Rejection = { errno, message: "", insn: null, rule, register: null, path: [], origin: null };
  return { verdict: "reject", rejection, log: "", stats: NO_STATS, trace: null };
}

class Verification {
  private readonly program: VerifierProgram;
  private readonly env: VerifierEnvironment;
  private readonly options: VerifyOptions;
  private readonly log = new Log();
  private subprograms: Subprogram[] = [];
  private walker: Walker | null = null;

  constructor(program: VerifierProgram, env: VerifierEnvironment, options: VerifyOptions) {
    this.program = program;
    this.env = env;
    this.options = options;
  }

  run(): VerifyResult {
    const { program, options } = this;
    const detailed = (options.logLevel & LOG_INSTRUCTIONS) !== 0;

    const early = checkFunctionRecords(program);
    if (early) return this.refuse(early);
    const found = findSubprograms(program);
    if (!("starts" in found)) return this.refuse(found);
    const { starts } = found;
    this.subprograms = starts.map((start, index) => subprogramFrom(program, starts, start, index));
    if (detailed) for (const s of this.subprograms) this.log.write(`func#${s.index} @${s.start}\n`);
    const badJump = checkJumpRanges(program.insns, starts, this.subprograms);
    if (badJump) return this.refuse(badJump);
    const badInfo = checkProgramInfo(program, starts, this.subprograms);
    if (badInfo) return this.refuse(badInfo);

    const n = program.insns.length;
    const subprogramOf = new Int32Array(n);
    for (const s of this.subprograms) subprogramOf.fill(s.index, s.start, s.end);
    const maps: ResolvedMaps = { bySlot: new Array(n).fill(null), used: [] };
    const graph = flowGraph(program.insns);
    const postOrders = this.subprograms.map((s) => postOrder(graph, s.start, s.end));
    const postPlaces = new Int32Array(n);
    for (const order of postOrders)
      order.forEach((at, place) => {
        postPlaces[at] = place;
      });
    const marks = new Uint8Array(n);
    const facts = Array.from({ length: n }, () => new InsnFacts());
    const insnText = new InsnText(program, maps.bySlot);
    const liveRegs = new Uint16Array(n);
    const components = new Int32Array(n);
    const walker = new Walker({
      program,
      env: this.env,
      subprograms: this.subprograms,
      facts,
      log: this.log,
      logLevel: options.logLevel,
      insnText,
      tables: {
        marks,
        liveRegs,
        components,
        subprogramOf,
        postOrders,
        postPlaces,
        graph,
        predecessors: predecessorsOf(graph),
      },
      mapsBySlot: maps.bySlot,
      sleepable: (program.flags & BPF_F_SLEEPABLE) !== 0,
    });
    this.walker = walker;
    if (options.trace) walker.trace = new TraceRecorder();

    const badOperand = resolveOperands(program, this.env, maps, (map) => calls.checkMapForProgram(walker, map));
    if (badOperand === "refused") return this.ended();
    if (badOperand) return this.refuse(badOperand);
    const badFlow = checkControlFlow(program, this.subprograms, subprogramOf, marks);
    if (badFlow) return this.refuse(badFlow);
    if (!calls.checkAttach(walker)) return this.ended();
    loopComponents(program.insns, graph, components);
    liveRegisters(program, graph, postOrders, liveRegs);
    if (detailed) this.printLiveRegisters(insnText, components, liveRegs);

    markFastcallPatterns(program, this.subprograms, facts);
    const walked = this.walkAll(walker);
    if (walked === "cancelled") return { verdict: "cancelled", stats: walker.result };
    if (walked === "ended") return this.ended();
    shrinkFastcallStacks(this.subprograms, facts);
    const tooDeep = checkStackDepth(program, this.subprograms, subprogramOf);
    if (tooDeep) return this.refuse(tooDeep);
    const live = program.insns.findIndex(
      (insn, i) =>
        facts[i]!.reached &&
        insn.opcode === CALL &&
        insn.src === BPF_PSEUDO_KFUNC_CALL &&
        insn.imm === 0 &&
        !program.kfuncs.has(i),
    );
    if (live >= 0)
      return this.refuse(
        failure("EINVAL", "invalid kernel function call not eliminated in verifier pass", "kfunc-unknown", live),
      );
    const dangling = danglingCall(program.insns, facts, this.subprograms);
    if (dangling !== null) {
      const at = this.translatedPlace(walker, maps, dangling);
      return this.refuse(
        failure(
          "EFAULT",
          `verifier bug: No program to jit at insn ${at} (subprog < 0)`,
          "call-of-removed",
          dangling.origin,
        ),
      );
    }
    return this.accept(walker, maps);
  }

  /** Slot of the rewritten program to which the call or function address leads. */
  private translatedPlace(walker: Walker, maps: ResolvedMaps, { target, kept }: DanglingCall): number {
    if (target < 0) return target;
    const { program } = this;
    const lines = xlatedOf({ program, subprograms: this.subprograms, facts: walker.facts, maps: maps.bySlot });
    const slotOf = (text: string): number => Number(/^ *(\d+):/.exec(text)?.[1] ?? -1);
    for (let at = target; at < kept.length; at++) {
      const origin = kept[at]!;
      const within = at - kept.indexOf(origin);
      const line = lines.filter((l) => l.origin === origin)[within];
      if (line !== undefined) return slotOf(line.text);
    }
    const last = lines.at(-1)!.text;
    const length = slotOf(last) + (last.includes("(18)") ? 2 : 1);
    return length + Math.max(0, target - kept.length);
  }

  private printLiveRegisters(insnText: InsnText, components: Int32Array, liveRegs: Uint16Array): void {
    const { insns } = this.program;
    let text = "Live regs before insn:\n";
    for (let i = 0; i < insns.length; i++) {
      const loop = components[i]!;
      let line = `${loop === 0 ? "    " : `${String(loop).padStart(3)} `}${String(i).padStart(3)}: `;
      for (let r = 0; r < 10; r++) line += (liveRegs[i]! & (1 << r)) !== 0 ? r : ".";
      text += `${line} ${insnText.at(i)}\n`;
      if (insns[i]!.opcode === 0x18) i++;
    }
    this.log.write(text);
  }

  /** Main, then every global function that walked code has called, until no more are found. */
  private walkAll(walker: Walker): "done" | "ended" | "cancelled" {
    const { cancelled } = this.options;
    const main = walkFunction(walker, 0, cancelled);
    if (main !== "done") return main;
    for (let again = true; again; ) {
      again = false;
      for (const s of this.subprograms) {
        if (s.index === 0 || s.linkage !== "global" || !s.called || s.verified) continue;
        walker.line(`Validating ${s.name}() func#${s.index}...`);
        const result = walkFunction(walker, s.index, cancelled);
        if (result !== "done") return result;
        walker.note(`Func#${s.index} ('${s.name}') is safe for any args that match its prototype`);
        s.verified = true;
        again = true;
      }
    }
    return "done";
  }

  /** A pass before or after the walk refuses. */
  private refuse(failure: PassFailure): VerifyResult {
    if (this.options.logLevel !== 0) {
      if (failure.before !== undefined) this.log.write(`${failure.before}\n`);
      this.log.write(failure.unended ? failure.message : `${failure.message}\n`);
    }
    return this.reject(failure);
  }

  /** The walk, or a rule during a pass, has ended verification. */
  private ended(): VerifyResult {
    const ending = this.walker!.ending!;
    if (ending.kind === "unsupported") {
      this.printStats();
      return {
        verdict: "unsupported",
        message: ending.what,
        insn: ending.insn,
        log: this.log.toString(),
        stats: this.stats,
        trace: null,
      };
    }
    return this.reject(ending.failure);
  }

  private reject(failure: PassFailure): VerifyResult {
    const walker = this.walker;
    const walking = walker !== null && walker.insnsProcessed > 0 && walker.ending !== null;
    const path = walking ? pathTo(walker) : [];
    const register = failure.register ?? null;
    const rejection: Rejection = {
      errno: failure.errno,
      message: failure.message,
      insn: failure.insn,
      rule: failure.rule,
      register,
      path,
      origin: register === null || !walking ? null : originOf(this.program, path, register),
    };
    this.printStats();
    return {
      verdict: "reject",
      rejection,
      log: this.log.toString(),
      stats: this.stats,
      trace: walker?.trace?.finish() ?? null,
    };
  }

  private accept(walker: Walker, maps: ResolvedMaps): VerifyResult {
    this.printStats();
    const { program } = this;
    const functions: VerifiedFunction[] = this.subprograms.map((s) => ({
      name: s.name,
      start: s.start,
      end: s.end,
      stackDepth: s.stackDepth,
      role:
        s.index === 0
          ? "main"
          : s.linkage === "global"
            ? "global"
            : s.isAsyncCallback
              ? "async-callback"
              : s.isCallback
                ? "sync-callback"
                : "static",
    }));
    const verified = {
      program,
      functions,
      maps: maps.used.map((m) => m.id),
      reached: walker.facts.map((f) => f.reached),
      stats: this.stats,
      xlated: () => xlatedOf({ program, subprograms: this.subprograms, facts: walker.facts, maps: maps.bySlot }),
    } as unknown as VerifiedProgram;
    return {
      verdict: "accept",
      program: verified,
      log: this.log.toString(),
      stats: this.stats,
      trace: walker.trace?.finish() ?? null,
    };
  }

  private get stats(): VerifierStats {
    return this.walker?.result ?? NO_STATS;
  }

  private printStats(): void {
    if (this.options.logLevel === 0) return;
    if ((this.options.logLevel & LOG_STATISTICS) !== 0) {
      this.log.write("verification time 0 usec\n");
      this.log.write(`stack depth ${this.subprograms.map((s) => s.stackDepth).join("+")}\n`);
    }
    const s = this.stats;
    this.log.write(
      `processed ${s.insnsProcessed} insns (limit ${MAX_INSNS}) max_states_per_insn ${s.maxStatesPerInsn} ` +
        `total_states ${s.totalStates} peak_states ${s.peakStates} mark_read 0\n`,
    );
  }
}

function subprogramFrom(program: VerifierProgram, starts: readonly number[], start: number, index: number): Subprogram {
  const record = program.functions?.find((f) => f.insn === start);
  const type = record && program.btf ? typeAt(program.btf, record.type) : null;
  const isGlobal = type?.kind === "func" && type.linkage === "global";
  return {
    index,
    start,
    end: starts[index + 1] ?? program.insns.length,
    name: type?.kind === "func" ? type.name : (record?.name ?? (index === 0 ? program.name : `func#${index}`)),
    linkage: isGlobal ? "global" : "static",
    btfId: record?.type ?? 0,
    stackDepth: 0,
    isCallback: false,
    isAsyncCallback: false,
    hasTailCall: false,
    hasLdAbs: false,
    unreliable: false,
    changesPacketData: false,
    mightSleep: false,
    mightThrow: false,
    called: false,
    verified: false,
    fastcallStackOff: 0,
    keepFastcallStack: false,
  };
}
