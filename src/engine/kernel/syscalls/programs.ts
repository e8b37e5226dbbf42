import type { Errno } from "../../abi/errno.ts";
import { progTypeName } from "../../abi/types.ts";
import type { Instruction } from "../../isa/instruction.ts";
import {
  BPF_PSEUDO_MAP_FD,
  BPF_PSEUDO_MAP_IDX,
  BPF_PSEUDO_MAP_IDX_VALUE,
  BPF_PSEUDO_MAP_VALUE,
  LD_IMM64,
} from "../../isa/opcodes.ts";
import type { VerifierProgram } from "../../verifier/types.ts";
import { makeExecutable } from "../../vm/executable.ts";
import { guestAddress } from "../../vm/memory.ts";
import type { Syscall } from "../calls.ts";
import { buildContext, contextAfter, freeContext, packetAfter, setUpStart } from "../context.ts";
import type { Kernel } from "../kernel.ts";
import type { Operation } from "../operations.ts";
import { hold } from "../references.ts";
import type { BpfMap, OpFrame, Task } from "../state.ts";
import { quiescent } from "../tasks.ts";
import { tellProgEnd, tellProgStart } from "../tell.ts";
import { closeFd, done, failed, fdTarget, openFd } from "./result.ts";

/** Runs whose begin and end are told when a program is run many times over. */
const TOLD_REPEATS = 32;

function progLoad(kernel: Kernel, task: Task, frame: OpFrame): void {
  const call = frame.data as unknown as Extract<Syscall, { name: "prog-load" | "prog-load-unverified" }>;
  const verified = call.name === "prog-load";
  const program: VerifierProgram = call.name === "prog-load" ? call.program.program : call.program;
  const text = `prog load ${program.name}${verified ? "" : " (unverified)"}`;
  const maps = new Map<number, BpfMap>();
  const slots = new Map<number, bigint>();
  const problem = resolveMaps(kernel, task, program.insns, maps, slots);
  if (problem !== null) {
    failed(kernel, task, text, problem);
    return;
  }
  const { state } = kernel;
  const id = state.nextProgId;
  const image = kernel.allocate(8 * program.insns.length, "kernel", `program ${program.name}`, `prog:${id}`);
  if (image === null) {
    failed(kernel, task, text, "ENOMEM");
    return;
  }
  kernel.memory.poison(image, 8 * program.insns.length);
  state.nextProgId++;
  kernel.addExecutable(
    id,
    makeExecutable({
      name: program.name,
      insns: program.insns,
      functions: program.functions,
      lines: program.lines,
      kfuncs: program.kfuncs,
      codeBase: guestAddress(image),
      resolve: (slot) => slots.get(slot) ?? null,
    }),
  );
  state.programs.set(id, {
    id,
    name: program.name,
    section: call.section,
    type: program.type,
    dialect: program.dialect,
    expectedAttachType: program.expectedAttachType,
    holders: new Map(),
    maps: [...maps.keys()],
    image,
    verified,
    state: "live",
    freedAt: null,
    runs: 0,
  });
  kernel.emit({ kind: "prog-load", prog: id, name: program.name });
  for (const map of maps.keys()) hold(kernel, { kind: "map", id: map }, `prog:${id}`);
  done(kernel, task, text, openFd(kernel, task, { kind: "prog", id }));
}

/** Finds the maps that a program names and the addresses of its map loads. */
function resolveMaps(
  kernel: Kernel,
  task: Task,
  insns: readonly Instruction[],
  maps: Map<number, BpfMap>,
  slots: Map<number, bigint>,
): Errno | null {
  for (let i = 0; i < insns.length; i++) {
    const insn = insns[i] as Instruction;
    if (insn.opcode !== LD_IMM64) continue;
    const second = insns[i + 1];
    if (insn.src === BPF_PSEUDO_MAP_IDX || insn.src === BPF_PSEUDO_MAP_IDX_VALUE) return "EINVAL";
    if (insn.src === BPF_PSEUDO_MAP_FD || insn.src === BPF_PSEUDO_MAP_VALUE) {
      const id = fdTarget(kernel, task, insn.imm, "map");
      if (typeof id === "string") return id;
      const map = kernel.map(id);
      maps.set(id, map);
      const { storage } = map;
      if (insn.src === BPF_PSEUDO_MAP_FD) slots.set(i, guestAddress(map.address));
      else if (storage.kind !== "array" || second === undefined) return "EINVAL";
      else slots.set(i, guestAddress(storage.base + (second.imm >>> 0)));
    }
    i++;
  }
  return null;
}

function progRun(kernel: Kernel, task: Task, frame: OpFrame): void {
  const { fd, data, context, repeat } = frame.data as unknown as Extract<Syscall, { name: "prog-run" }>;
  const id = fdTarget(kernel, task, fd, "prog");
  const state = frame.data;
  if (frame.step === 0) {
    if (typeof id === "string") {
      failed(kernel, task, "prog run", id);
      return;
    }
    const program = kernel.program(id);
    const problem = buildContext(kernel, task, program, data, context);
    if (problem !== null) {
      failed(kernel, task, `prog run ${program.name}`, problem);
      return;
    }
    state["prog"] = id;
    state["left"] = Math.max(1, repeat);
    // The program is found within the section in which it runs.
    task.rcu++;
    frame.step = 1;
    return;
  }
  const program = kernel.program(state["prog"]);
  const told = (state["runs"] ?? 0) < TOLD_REPEATS;
  if (frame.step === 1) {
    task.runId = kernel.state.nextRun++;
    task.label = `prog ${program.name}`;
    task.writer = -1;
    task.told = told ? 0 : Number.MAX_SAFE_INTEGER;
    task.tailCalls = 0;
    program.runs++;
    if (told) tellProgStart(kernel, program.id, task.runId, "test-run");
    frame.step = 2;
    kernel.startProgram(task, program, (vm) => setUpStart(task, vm));
    return;
  }
  task.rcu--;
  quiescent(kernel, task);
  const retval = (state["lo"] as number) >>> 0;
  if (told) tellProgEnd(kernel, program.id, task.runId, retval);
  state["runs"] = (state["runs"] ?? 0) + 1;
  // Between two runs it may have lost its last reference: then it is not found again.
  if (--state["left"] > 0 && program.state === "live") {
    task.rcu++;
    frame.step = 1;
    return;
  }
  const run = { retval, data: packetAfter(kernel, task), context: contextAfter(kernel, task) };
  freeContext(kernel, task);
  done(kernel, task, `prog run ${program.name}`, 0, { run });
}

function progAttach(kernel: Kernel, task: Task, frame: OpFrame): void {
  const program = fdTarget(kernel, task, frame.data["fd"], "prog");
  if (typeof program === "string") return failed(kernel, task, "prog attach", program);
  const text = `prog attach ${kernel.program(program).name}`;
  if (progTypeName(kernel.program(program).type) === "syscall") return failed(kernel, task, text, "EINVAL");
  const id = kernel.state.nextLinkId++;
  kernel.state.links.set(id, { id, program, holders: new Map(), gone: false });
  hold(kernel, { kind: "prog", id: program }, `link:${id}`);
  done(kernel, task, text, openFd(kernel, task, { kind: "link", id }));
}

function progDetach(kernel: Kernel, task: Task, frame: OpFrame): void {
  const program = fdTarget(kernel, task, frame.data["fd"], "prog");
  if (typeof program === "string") return failed(kernel, task, "prog detach", program);
  const text = `prog detach ${kernel.program(program).name}`;
  if (frame.step === 1) return done(kernel, task, text, 0);
  let newest = -1;
  for (const [fd, target] of kernel.process(task.process).fds) {
    if (target.kind === "link" && kernel.state.links.get(target.id)?.program === program) newest = Math.max(newest, fd);
  }
  if (newest < 0) return failed(kernel, task, text, "ENOENT");
  frame.step = 1;
  closeFd(kernel, task, newest);
}

export const PROGRAM_SYSCALLS: Readonly<Record<string, Operation>> = {
  "sys:prog-load": progLoad,
  "sys:prog-load-unverified": progLoad,
  "sys:prog-run": progRun,
  "sys:prog-attach": progAttach,
  "sys:prog-detach": progDetach,
};
