import { contextLayout } from "../../abi/contexts.ts";
import type { Errno } from "../../abi/errno.ts";
import { progTypeName } from "../../abi/types.ts";
import { sizeOfType, skipModifiers, skipModifiersAndTypedefs, typeAt } from "../../btf/layout.ts";
import type { Btf, BtfId, BtfType } from "../../btf/types.ts";
import type { Reg } from "../register.ts";
import {
  btfReg,
  CONST_PTR_TO_DYNPTR,
  memReg,
  PTR_MAYBE_NULL,
  PTR_TO_ARENA,
  PTR_TO_BTF_ID,
  PTR_TO_CTX,
  PTR_TRUSTED,
  PTR_UNTRUSTED,
  pointerReg,
  REG_UNKNOWN,
  SCALAR_VALUE,
} from "../register.ts";
import type { Frame, Subprogram, Walk } from "../state.ts";
import { checkReadWriteMemory } from "./memory.ts";
import { expectedTypes, KERNEL_STRUCT, matches, mayHaveOffset, typeOf } from "./reg-kinds.ts";
import { checkDynptr } from "./stack-objects.ts";

/** A parameter of a function, as its BTF tells it to callers and to the walk of its body. */
type Parameter =
  | { readonly kind: "scalar" | "ctx" | "dynptr" | "arena" }
  | { readonly kind: "mem"; readonly size: number; readonly nullable: boolean }
  | {
      readonly kind: "struct";
      readonly name: string;
      readonly trust: "trusted" | "untrusted";
      readonly nullable: boolean;
    };

type Signature =
  | { readonly ok: true; readonly parameters: readonly Parameter[] }
  /** `message` null: refused silently, as for static functions. */
  | { readonly ok: false; readonly message: string | null };

const MAX_PARAMETERS = 5;
const silent: Signature = { ok: false, message: null };

const KIND_WORDS: Partial<Record<BtfType["kind"], string>> = {
  void: "UNKNOWN",
  fwd: "FWD",
  func_proto: "FUNC_PROTO",
  struct: "STRUCT",
  union: "UNION",
  int: "INT",
  float: "FLOAT",
  ptr: "PTR",
  array: "ARRAY",
};

const nameOf = (type: BtfType): string => ("name" in type ? type.name : "");

/** Tags `arg:…` by parameter. */
function argumentTags(btf: Btf, func: BtfId, count: number): ReadonlySet<string>[] {
  const tags = Array.from({ length: count }, () => new Set<string>());
  for (const type of btf.types) {
    if (type.kind !== "decl_tag" || type.type !== func || !type.name.startsWith("arg:")) continue;
    tags[type.componentIndex]?.add(type.name.slice("arg:".length));
  }
  return tags;
}

/** Structure names that stand for the context beside the one of the program type. */
const CONTEXT_ALIASES: Readonly<Record<string, string>> = { sk_buff: "__sk_buff", xdp_buff: "xdp_md" };

function isContext(walk: Walk, btf: Btf, pointee: BtfId): boolean {
  const { program } = walk;
  const wanted = contextLayout(program.type, program.expectedAttachType).type.replace(/^struct /, "");
  for (let id = skipModifiers(btf, pointee); ; id = skipModifiers(btf, (typeAt(btf, id) as { type: BtfId }).type)) {
    const type = typeAt(btf, id);
    if (type.kind === "typedef") {
      if (progTypeName(program.type) === "kprobe" && type.name === "bpf_user_pt_regs_t") return true;
      continue;
    }
    if (type.kind !== "struct" && type.kind !== "fwd") return false;
    return type.name !== "" && (type.name === wanted || CONTEXT_ALIASES[type.name] === wanted);
  }
}

/** A parameter that only its tag makes a context: its type must not say something else. */
function taggedContext(walk: Walk, target: BtfType, index: number): Parameter | { readonly message: string } {
  const { program } = walk;
  const wanted = contextLayout(program.type, program.expectedAttachType).type;
  if (!wanted.startsWith("struct ")) return { kind: "ctx" };
  const raw = progTypeName(program.type) === "raw_tracepoint" && target.kind === "int" && target.size === 8;
  return raw ? { kind: "ctx" } : { message: `arg#${index} should be \`${wanted} *\`` };
}

function pointerParameter(
  walk: Walk,
  btf: Btf,
  pointee: BtfId,
  tags: ReadonlySet<string>,
  index: number,
  isGlobal: boolean,
): Parameter | { readonly message: string | null } {
  const target = typeAt(btf, skipModifiersAndTypedefs(btf, pointee));
  if (isContext(walk, btf, pointee)) return { kind: "ctx" };
  if (tags.has("ctx")) return taggedContext(walk, target, index);
  if (target.kind === "struct" && target.name === "bpf_dynptr") return { kind: "dynptr" };
  if (!isGlobal) return { message: null };
  const nullable = tags.has("nullable");
  if (tags.has("trusted")) return { kind: "struct", name: nameOf(target), trust: "trusted", nullable };
  if (tags.has("untrusted") && (target.kind === "struct" || target.kind === "fwd")) {
    return { kind: "struct", name: nameOf(target), trust: "untrusted", nullable };
  }
  if (tags.has("arena")) return { kind: "arena" };
  const size = sizeOfType(btf, pointee);
  if (size === null) {
    const word = KIND_WORDS[target.kind] ?? target.kind.toUpperCase();
    return { message: `arg#${index} reference type('${word} ${nameOf(target)}') size cannot be determined: -22` };
  }
  return { kind: "mem", size, nullable: !tags.has("nonnull") };
}

function readSignature(walk: Walk, subprog: Subprogram): Signature {
  const { btf } = walk.program;
  const isGlobal = subprog.linkage === "global";
  const refuse = (message: string): Signature => (isGlobal ? { ok: false, message } : silent);
  if (btf === null || subprog.btfId === 0) return silent;
  const func = typeAt(btf, subprog.btfId);
  if (func.kind !== "func") return silent;
  const proto = typeAt(btf, func.type);
  if (proto.kind !== "func_proto") return silent;
  if (proto.params.length > MAX_PARAMETERS) {
    return refuse(
      `Global function ${func.name}() with ${proto.params.length} > ${MAX_PARAMETERS} args. Buggy compiler.`,
    );
  }
  const result = typeAt(btf, skipModifiersAndTypedefs(btf, proto.returnType));
  if (result.kind !== "int" && result.kind !== "enum") {
    return refuse(`Global function ${func.name}() doesn't return scalar. Only those are supported.`);
  }
  const tags = argumentTags(btf, subprog.btfId, proto.params.length);
  const parameters: Parameter[] = [];
  for (const [index, param] of proto.params.entries()) {
    const type = typeAt(btf, skipModifiersAndTypedefs(btf, param.type));
    if (type.kind === "ptr") {
      const parameter = pointerParameter(walk, btf, type.type, tags[index]!, index, isGlobal);
      if ("message" in parameter) return { ok: false, message: parameter.message };
      parameters.push(parameter);
    } else if (type.kind === "int" || type.kind === "enum") {
      parameters.push({ kind: "scalar" });
    } else {
      const word = KIND_WORDS[type.kind] ?? type.kind.toUpperCase();
      return refuse(`Arg#${index} type ${word} in ${func.name}() is not supported yet.`);
    }
  }
  return { ok: true, parameters };
}

/** One argument at a call of a global function; "memory": refused by the check of the memory itself. */
function checkArgument(walk: Walk, parameter: Parameter, regno: number): boolean | "memory" {
  const reg = walk.reg(regno);
  const index = regno - 1;
  const unmodified = (): boolean =>
    mayHaveOffset(reg) || walk.checkUnmodifiedPointer(reg, regno, reg.type === PTR_TO_BTF_ID);
  const mismatch = (message: string, rule: string): boolean => walk.reject("EINVAL", message, rule, regno);
  switch (parameter.kind) {
    case "scalar":
      return reg.type === SCALAR_VALUE || mismatch(`R${regno} is not a scalar`, "global-argument-scalar");
    case "ctx":
      if (!unmodified()) return false;
      return reg.type === PTR_TO_CTX || mismatch(`arg#${index} expects pointer to ctx`, "global-argument-ctx");
    case "mem":
      if (!unmodified()) return false;
      if (!checkReadWriteMemory(walk, regno, parameter.size)) return "memory";
      if (!parameter.nullable && reg.mayBeNull) {
        return mismatch(`arg#${index} is expected to be non-NULL`, "global-argument-null");
      }
      return true;
    case "arena":
      return (
        reg.type === PTR_TO_ARENA ||
        reg.type === SCALAR_VALUE ||
        mismatch(`R${regno} is not a pointer to arena or scalar.`, "global-argument-arena")
      );
    case "dynptr":
      return unmodified() && checkDynptr(walk, regno, index, { role: "use", kind: "any", mutates: false }, -1);
    case "struct":
      return parameter.trust === "untrusted" || checkStruct(walk, parameter, reg, regno);
  }
}

function checkStruct(walk: Walk, parameter: Parameter & { kind: "struct" }, reg: Reg, regno: number): boolean {
  if (reg.isNullConstant && parameter.nullable) return true;
  const lenient = { rdonly: false, nullable: parameter.nullable, slices: false };
  if (!matches(reg, KERNEL_STRUCT, lenient)) {
    return walk.reject(
      "EACCES",
      `R${regno} type=${typeOf(reg)} expected=${expectedTypes(KERNEL_STRUCT)}`,
      "argument-type",
      regno,
    );
  }
  if (reg.btfName !== parameter.name || reg.off !== 0) {
    return walk.reject(
      "EACCES",
      `R${regno} is of type ${reg.btfName} but ${parameter.name} is expected`,
      "argument-other-struct",
      regno,
    );
  }
  return walk.checkUnmodifiedPointer(reg, regno, true);
}

/** A call of a global function: arguments by BTF, and where it may be called. */
export function checkGlobalCallArgs(walk: Walk, subprog: Subprogram): boolean {
  const signature = subprog.unreliable ? silent : readSignature(walk, subprog);
  let fits = signature.ok;
  // Memory that does not fit is an invalid argument; other checks keep their own error.
  let errno: Errno | null = "EINVAL";
  if (signature.ok) {
    for (const [index, parameter] of signature.parameters.entries()) {
      const outcome = checkArgument(walk, parameter, index + 1);
      if (outcome === true) continue;
      fits = false;
      if (outcome !== "memory") errno = null;
      break;
    }
  }
  const rejected = signature.ok && !fits;
  if (!signature.ok && signature.message !== null) walk.line(signature.message);
  if (walk.state.activeLocks > 0) {
    const note = "global function calls are not allowed while holding a lock,";
    if (!rejected) walk.line(note);
    else walk.rejectFurther("EINVAL", note, "global-call-under-lock");
    return end(walk, rejected, "use static function instead", "global-call-under-lock");
  }
  if (subprog.mightSleep && isAtomic(walk)) {
    for (const note of [
      "global functions that may sleep are not allowed in non-sleepable context,",
      "i.e., in a RCU/IRQ/preempt-disabled section, or in",
    ]) {
      if (!rejected) walk.line(note);
      else walk.rejectFurther("EINVAL", note, "global-call-sleeps");
    }
    return end(walk, rejected, "a non-sleepable BPF program context", "global-call-sleeps");
  }
  if (fits) return true;
  subprog.unreliable = true;
  const message = `Caller passes invalid args into func#${subprog.index} ('${subprog.name}')`;
  return rejected
    ? walk.rejectFurther(errno, message, "global-call-arguments")
    : walk.reject("EINVAL", message, "global-call-arguments");
}

function end(walk: Walk, alreadyRejected: boolean, message: string, rule: string): false {
  return alreadyRejected ? walk.rejectFurther("EINVAL", message, rule) : walk.reject("EINVAL", message, rule);
}

function isAtomic(walk: Walk): boolean {
  const { state } = walk;
  return state.activeRcuLock || state.activePreemptLocks > 0 || state.activeIrqId !== 0 || !state.inSleepable;
}

/** A static function that is called otherwise than its BTF says is noted once, and its BTF counts no more. */
export function noteStaticCallArgs(walk: Walk, subprog: Subprogram): void {
  if (subprog.unreliable || subprog.btfId === 0) return;
  const signature = readSignature(walk, subprog);
  if (!signature.ok) {
    subprog.unreliable = true;
    return;
  }
  for (const [index, parameter] of signature.parameters.entries()) {
    const { type } = walk.reg(index + 1);
    if (parameter.kind === "scalar" && type !== SCALAR_VALUE) walk.line(`R${index + 1} is not a scalar`);
    else if (parameter.kind === "ctx" && type !== PTR_TO_CTX) walk.line(`arg#${index} expects pointer to ctx`);
    else continue;
    subprog.unreliable = true;
    return;
  }
}

/** Main is called by the kernel with a context; a signature that says otherwise is noted, and not held against it. */
export function noteMainSignature(walk: Walk): void {
  const main = walk.subprograms[0]!;
  if (main.btfId === 0) return;
  const signature = readSignature(walk, main);
  if (!signature.ok && signature.message !== null) walk.line(signature.message);
  const takesContext = signature.ok && signature.parameters.length === 1 && signature.parameters[0]!.kind === "ctx";
  if (!takesContext) main.unreliable = true;
}

function entryRegister(walk: Walk, parameter: Parameter): Reg {
  switch (parameter.kind) {
    case "scalar":
      return REG_UNKNOWN;
    case "ctx":
      return pointerReg(PTR_TO_CTX);
    case "arena":
      return pointerReg(PTR_TO_ARENA);
    case "dynptr": {
      const reg = pointerReg(CONST_PTR_TO_DYNPTR);
      reg.btfName = "local";
      reg.id = walk.newId();
      return reg;
    }
    case "mem": {
      const reg = memReg(parameter.nullable ? PTR_MAYBE_NULL : 0, parameter.size);
      if (parameter.nullable) reg.id = walk.newId();
      return reg;
    }
    case "struct": {
      const trust = parameter.trust === "trusted" ? PTR_TRUSTED : PTR_UNTRUSTED;
      const reg = btfReg(trust | (parameter.nullable ? PTR_MAYBE_NULL : 0), parameter.name);
      reg.id = walk.newId();
      return reg;
    }
  }
}

/** r1..r5 of a global function that is walked by itself: whatever its prototype allows. */
export function enterGlobal(walk: Walk, frame: Frame, subprog: Subprogram): boolean {
  const signature = readSignature(walk, subprog);
  if (!signature.ok) {
    return walk.reject("EINVAL", signature.message ?? "", "global-signature");
  }
  for (const [index, parameter] of signature.parameters.entries()) {
    frame.regs[index + 1] = entryRegister(walk, parameter);
  }
  return true;
}
