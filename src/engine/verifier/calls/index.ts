export { canWritePacket, checkContextAccess } from "./context-access.ts";
export {
  helperArgCount,
  helperCallsBack,
  helperChangesPacket,
  helperMightSleep,
  helperName,
  isFastcallHelper,
  isFastcallKfunc,
  isIteratorNext,
  kfuncArgCount,
  kfuncCallsBack,
  kfuncChangesPacket,
  kfuncMightSleep,
} from "./facts.ts";
export { checkGlobalCallArgs, enterGlobal, noteMainSignature, noteStaticCallArgs } from "./global-functions.ts";
export { checkHelperCall } from "./helper-call.ts";
export { checkKfuncCall } from "./kfunc-call.ts";
export { kfuncId } from "./kfuncs.ts";
export { afterNullCheck } from "./null-checks.ts";
export { checkAttach, checkMapForProgram } from "./program-rules.ts";
export { checkResourceLeaks } from "./references.ts";
export { checkCallbackReturn, checkProgramReturn } from "./returns.ts";
export { hasSpinLock, needsMapUid, specialFieldIn } from "./special-fields.ts";
export { destroyStackObject } from "./stack-objects.ts";
export { checkTypedAccess } from "./typed-access.ts";
