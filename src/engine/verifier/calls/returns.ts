import { progTypeName } from "../../abi/types.ts";
import type { Reg } from "../register.ts";
import { SCALAR_VALUE } from "../register.ts";
import type { Scalar } from "../scalar.ts";
import type { Frame, ReturnRange, Walk } from "../state.ts";
import type { VerifierProgram } from "../types.ts";
import { typeOf } from "./reg-kinds.ts";

const ZERO_OR_ONE: ReturnRange = { min: 0, max: 1 };
const ONE: ReturnRange = { min: 1, max: 1 };
const TWO_BITS: ReturnRange = { min: 0, max: 3 };

/** Values of expected_attach_type. */
const CGROUP_INET_EGRESS = 1;
const BINDS: ReadonlySet<number> = new Set([8, 9]);
const RECEIVES_AND_NAMES: ReadonlySet<number> = new Set([19, 20, 29, 30, 31, 32]);
const KPROBE_SESSION = 56;

/** Range of r0 at exit of main; null: anything, pointers too. */
function programRange(program: VerifierProgram): ReturnRange | null {
  switch (progTypeName(program.type)) {
    case "cgroup_skb":
      return program.expectedAttachType === CGROUP_INET_EGRESS ? TWO_BITS : ZERO_OR_ONE;
    case "cgroup_sock":
    case "sock_ops":
    case "cgroup_device":
    case "cgroup_sysctl":
    case "cgroup_sockopt":
    case "sk_lookup":
    case "netfilter":
      return ZERO_OR_ONE;
    case "cgroup_sock_addr":
      if (BINDS.has(program.expectedAttachType)) return TWO_BITS;
      return RECEIVES_AND_NAMES.has(program.expectedAttachType) ? ONE : ZERO_OR_ONE;
    case "kprobe":
      return program.expectedAttachType === KPROBE_SESSION ? ZERO_OR_ONE : null;
    default:
      return null;
  }
}

const S64_MAX = 0x7fff_ffff_ffff_ffffn;
const S64_MIN = -0x8000_0000_0000_0000n;

function isWithin(s: Scalar, range: ReturnRange): boolean {
  return s.bigSmin >= BigInt(range.min) && s.bigSmax <= BigInt(range.max);
}

/** `At callback return the register R0 has smin=2 smax=2 should have been in [0, 1]` */
function rangeMessage(where: string, regno: number, s: Scalar, range: ReturnRange): string {
  let has = "";
  if (s.bigSmin > S64_MIN) has += ` smin=${s.bigSmin}`;
  if (s.bigSmax < S64_MAX) has += ` smax=${s.bigSmax}`;
  if (has === "") has = " unknown scalar value";
  return `${where} the register R${regno} has${has} should have been in [${range.min}, ${range.max}]`;
}

function enforce(walk: Walk, reg: Reg, regno: number, where: string, range: ReturnRange, rule: string): boolean {
  if (reg.type !== SCALAR_VALUE) {
    return walk.reject(
      "EINVAL",
      `${where} the register R${regno} is not a known value (${typeOf(reg)})`,
      `${rule}-pointer`,
      regno,
    );
  }
  if (!walk.markPrecise(regno)) return false;
  if (isWithin(reg.scalar, range)) return true;
  return walk.reject("EINVAL", rangeMessage(where, regno, reg.scalar, range), `${rule}-range`, regno);
}

/** Exit of the outermost frame with the result in `regno` (r1 for bpf_throw). */
export function checkReturnRegister(walk: Walk, regno: number): boolean {
  const { frame, program } = walk;
  if (frame.inAsyncCallback && frame.callbackRange === null) return true;
  if (!walk.checkReadable(regno)) return false;
  const reg = walk.reg(regno);
  if (frame.inAsyncCallback) {
    return enforce(walk, reg, regno, "At async callback return", frame.callbackRange!, "async-callback-return");
  }
  if (frame.subprog !== 0) {
    if (reg.type === SCALAR_VALUE) return true;
    return walk.reject(
      "EINVAL",
      `At subprogram exit the register R${regno} is not a scalar value (${typeOf(reg)})`,
      "global-return-pointer",
      regno,
    );
  }
  const range = programRange(program);
  return range === null || enforce(walk, reg, regno, "At program exit", range, "program-return");
}

export function checkProgramReturn(walk: Walk): boolean {
  return checkReturnRegister(walk, 0);
}

/** Exit of a callback that a helper runs: r0 becomes precise, since the path goes on by it. */
export function checkCallbackReturn(walk: Walk, callee: Frame): boolean {
  const reg = walk.reg(0);
  if (reg.type !== SCALAR_VALUE) {
    return walk.reject("EACCES", "R0 not a scalar value", "callback-return-pointer", 0);
  }
  if (!walk.markPrecise(0)) return false;
  const range = callee.callbackRange ?? ZERO_OR_ONE;
  if (isWithin(reg.scalar, range)) return true;
  return walk.reject("EINVAL", rangeMessage("At callback return", 0, reg.scalar, range), "callback-return-range", 0);
}
