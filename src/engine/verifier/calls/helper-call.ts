import type { Helper } from "../../abi/helpers.ts";
import { helperForProgram, isHelperOffered, LAST_HELPER, RFC_TIMER_INIT } from "../../abi/helpers.ts";
import { BPF_F_RDONLY_PROG, MAP_TYPES, PROG_TYPES } from "../../abi/types.ts";
import type { Instruction } from "../../isa/instruction.ts";
import { PTR_TO_MAP_VALUE } from "../register.ts";
import type { Walk } from "../state.ts";
import type { VerifierMap, VerifierProgram } from "../types.ts";
import {
  pushElementCallback,
  pushFindVma,
  pushForEach,
  pushLoop,
  pushRfcCallback,
  pushRingbufDrain,
} from "./callbacks.ts";
import { constantString } from "./constant-strings.ts";
import { isValidFormat } from "./format-strings.ts";
import type { HelperCall } from "./helper-arguments.ts";
import { checkHelperArgument, newHelperCall } from "./helper-arguments.ts";
import { isGplCompatible } from "./licenses.ts";
import { checkMapCompatibility } from "./map-compat.ts";
import { checkResourceLeaks, refuseUnderLock } from "./references.ts";
import { typeOf } from "./reg-kinds.ts";
import type { SliceOwner } from "./results.ts";
import { setHelperResult } from "./results.ts";
import { dynptrOf, isPacketDynptr, releaseDynptr } from "./stack-objects.ts";

/** Calls whose map the passes after the walk want to know. */
const NOTES_MAP: ReadonlySet<string> = new Set([
  "bpf_tail_call",
  "bpf_map_lookup_elem",
  "bpf_map_update_elem",
  "bpf_map_delete_elem",
  "bpf_map_push_elem",
  "bpf_map_pop_elem",
  "bpf_map_peek_elem",
  "bpf_for_each_map_elem",
  "bpf_redirect_map",
  "bpf_map_lookup_percpu_elem",
]);
const CHANGES_MAP: ReadonlySet<string> = new Set([
  "bpf_map_update_elem",
  "bpf_map_delete_elem",
  "bpf_map_push_elem",
  "bpf_map_pop_elem",
]);
/** Helpers that look at the program before they allow themselves. */
const NOT_IN_PROBES: ReadonlySet<string> = new Set(["bpf_sk_storage_get", "bpf_sk_storage_delete", "bpf_d_path"]);

/** Program types that have a function to name the address of. */
const HAS_FUNCTION_ADDRESS: ReadonlySet<number> = new Set([PROG_TYPES.kprobe, PROG_TYPES.tracing]);

/** Timers of Linux exist in the dialect `linux` only, those of the RFC in `rfc`. */
function isInDialect(program: VerifierProgram, id: number): boolean {
  if (id >= RFC_TIMER_INIT) return program.dialect === "rfc";
  const linuxTimer = id >= 169 && id <= 172;
  return !(linuxTimer && program.dialect === "rfc");
}

/** The whole of a helper call, in the order of Linux 6.18 (linux-verifier-calls, "order of checks of one helper call"). */
export function checkHelperCall(walk: Walk, insn: Instruction, at: number): boolean {
  const id = insn.imm;
  const helper = helperForProgram(id, walk.program.type);
  if (walk.state.activeLocks > 0 && helper?.name !== "bpf_spin_unlock") return refuseUnderLock(walk);
  if (helper === undefined || (id > LAST_HELPER && walk.program.dialect !== "rfc")) {
    if (id === 0) {
      return walk.reject("EINVAL", "program of this type cannot use helper bpf_unspec#0", "helper-not-offered");
    }
    return walk.reject("EINVAL", `invalid func unknown#${id}`, "helper-unknown");
  }
  if (!isAllowed(walk, helper)) return false;
  const call = newHelperCall(helper, at);
  for (let i = 0; i < helper.args.length; i++) {
    if (!checkHelperArgument(walk, call, i)) return false;
  }
  if (!noteMapOfCall(walk, call)) return false;
  if (call.raw.written > 0 && !walk.writeStackMisc(call.raw.regno, 0, call.raw.written)) return false;
  if (!releaseArgument(walk, call)) return false;
  const particular = checkParticulars(walk, call);
  if (particular === null) return false;
  walk.clobberCallerSaved();
  if (!setHelperResult(walk, call, particular.slice)) return false;
  if (!checkMapCompatibility(walk, call.map, helper)) return false;
  if (helper.name === "bpf_get_func_ip" && !HAS_FUNCTION_ADDRESS.has(walk.program.type)) {
    return walk.reject(
      "ENOTSUPP",
      `func ${helper.name}#${id} not supported for program type ${walk.program.type}`,
      "helper-no-function-address",
    );
  }
  if (helper.changesPacket || particular.changesPacket) walk.clearPacketPointers();
  return true;
}

/** Program type, licence, and where the program may sleep. */
function isAllowed(walk: Walk, helper: Helper): boolean {
  const { program, state } = walk;
  const label = `${helper.name}#${helper.id}`;
  if (!isHelperOffered(helper, program.type) || !isInDialect(program, helper.id)) {
    return walk.reject("EINVAL", `program of this type cannot use helper ${label}`, "helper-not-offered");
  }
  if (helper.gplOnly && !isGplCompatible(program.license)) {
    return walk.reject(
      "EINVAL",
      "cannot call GPL-restricted function from non-GPL compatible program",
      "helper-gpl-only",
    );
  }
  if (NOT_IN_PROBES.has(helper.name) && program.type === PROG_TYPES.syscall) {
    return walk.reject("EINVAL", "helper call is not allowed in probe", "helper-in-probe");
  }
  if (!helper.sleeps) return true;
  if (!state.inSleepable) {
    return walk.reject("EINVAL", "helper call might sleep in a non-sleepable prog", "helper-sleeps");
  }
  const region = state.activeRcuLock
    ? "rcu_read_lock region"
    : state.activePreemptLocks > 0
      ? "non-preemptible region"
      : state.activeIrqId !== 0
        ? "IRQ-disabled region"
        : null;
  return region === null || walk.reject("EINVAL", `sleepable helper ${label} in ${region}`, "helper-sleeps-in-region");
}

function noteMapOfCall(walk: Walk, call: HelperCall): boolean {
  const { helper, map } = call;
  if (!NOTES_MAP.has(helper.name)) return true;
  if (map !== null && CHANGES_MAP.has(helper.name) && isReadOnly(map)) {
    return walk.reject("EACCES", "write into map forbidden", "map-read-only");
  }
  const fact = walk.facts[call.at]!;
  if (map !== null) fact.map = fact.map === null || sameMap(fact.map, map) ? map : "many";
  return helper.name !== "bpf_tail_call" || noteTailCallKey(walk, call);
}

/** Device maps hand out pointers into the kernel, so they are read-only for programs without having been asked. */
function isReadOnly(map: VerifierMap): boolean {
  return (map.flags & BPF_F_RDONLY_PROG) !== 0 || map.type === MAP_TYPES.devmap || map.type === MAP_TYPES.devmap_hash;
}

function sameMap(noted: VerifierMap | "many", map: VerifierMap): boolean {
  return noted !== "many" && noted.id === map.id;
}

function noteTailCallKey(walk: Walk, call: HelperCall): boolean {
  const { map } = call;
  if (map === null || map.type !== MAP_TYPES.prog_array) {
    return walk.rejectUnended("EINVAL", "expected prog array map for tail call", "tail-call-map-type");
  }
  const fact = walk.facts[call.at]!;
  const key = walk.reg(3);
  const known = key.type > 0 && !key.isPointer && key.scalar.isConst && key.scalar.umax < map.maxEntries;
  if (!known) {
    fact.mapKey = "many";
    return true;
  }
  if (!walk.markPrecise(3)) return false;
  const value = key.scalar.umax;
  fact.mapKey = fact.mapKey === null || fact.mapKey === value ? value : "many";
  return true;
}

function releaseArgument(walk: Walk, call: HelperCall): boolean {
  const regno = call.releaseRegno;
  if (regno === 0) return true;
  const { helper } = call;
  let released: boolean;
  if (helper.args[regno - 1]!.arg.kind === "dynptr") released = releaseDynptr(walk, regno);
  else if (call.refObjId !== 0) released = walk.releaseReference(call.refObjId);
  else released = walk.reg(regno).isNullConstant;
  return (
    released ||
    walk.reject(
      "EINVAL",
      `func ${helper.name}#${helper.id} reference has not been acquired before`,
      "release-not-acquired",
      regno,
    )
  );
}

interface Particulars {
  readonly slice: SliceOwner | null;
  readonly changesPacket: boolean;
}
const NOTHING: Particulars = { slice: null, changesPacket: false };

/** What only this helper asks for, after all its arguments were fine; null when rejected. */
function checkParticulars(walk: Walk, call: HelperCall): Particulars | null {
  const { helper, at } = call;
  const outcome = (ok: boolean): Particulars | null => (ok ? NOTHING : null);
  switch (helper.name) {
    case "bpf_tail_call":
      return outcome(checkResourceLeaks(walk, "tail_call"));
    case "bpf_get_local_storage":
      return outcome(
        walk.reg(2).isNullConstant ||
          walk.reject("EINVAL", "get_local_storage() doesn't support non-zero flags", "local-storage-flags", 2),
      );
    case "bpf_for_each_map_elem":
      return outcome(pushForEach(walk, call));
    case "bpf_timer_set_callback":
      return outcome(pushElementCallback(walk, call.callback, at, false));
    case "bpf_timer_init":
      return outcome(helper.id !== RFC_TIMER_INIT || pushRfcCallback(walk, call.callback, at));
    case "bpf_find_vma":
      return outcome(pushFindVma(walk, call));
    case "bpf_user_ringbuf_drain":
      return outcome(pushRingbufDrain(walk, call));
    case "bpf_loop":
      return outcome(pushLoop(walk, call));
    case "bpf_snprintf":
      return outcome(checkFormat(walk));
    case "bpf_dynptr_from_mem": {
      const data = walk.reg(1);
      return outcome(
        (data.type === PTR_TO_MAP_VALUE && !data.mayBeNull) ||
          walk.reject(
            "EACCES",
            `Unsupported reg type ${typeOf(data)} for bpf_dynptr_from_mem data`,
            "dynptr-from-stack",
            1,
          ),
      );
    }
    case "bpf_dynptr_data": {
      const facts = dynptrOf(walk, walk.reg(1))!;
      return { slice: { id: facts.id, refId: facts.refId }, changesPacket: false };
    }
    case "bpf_dynptr_write": {
      const facts = dynptrOf(walk, walk.reg(1))!;
      return { slice: null, changesPacket: isPacketDynptr(facts.kind) };
    }
    default:
      return NOTHING;
  }
}

/** The format of bpf_snprintf is read when the program is loaded. */
function checkFormat(walk: Walk): boolean {
  const length = walk.reg(5).scalar;
  const WORD = 8;
  // Lengths that are no multiple of a word are refused without a word.
  if (length.value % WORD !== 0) return walk.reject("EINVAL", "", "snprintf-length", 5);
  const format = constantString(walk, 3);
  if (format === null || !isValidFormat(format, length.value / WORD)) {
    return walk.reject("EINVAL", "Invalid format string", "snprintf-format", 3);
  }
  return true;
}
