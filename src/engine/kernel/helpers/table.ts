import { DYNPTR_HELPERS } from "./dynptr.ts";
import type { HelperImplementation } from "./implementation.ts";
import { ITERATION_HELPERS } from "./iterate.ts";
import { LOCK_HELPERS } from "./locks.ts";
import { MAP_HELPERS } from "./maps.ts";
import { MEMORY_HELPERS } from "./memory.ts";
import { PACKET_HELPERS } from "./packet.ts";
import { PRINT_HELPERS } from "./print.ts";
import { RINGBUF_HELPERS } from "./ringbuf.ts";
import { SYSTEM_HELPERS } from "./system.ts";
import { TAIL_CALL_HELPERS } from "./tail-call.ts";
import { TIMER_HELPERS } from "./timers.ts";

/** Every modelled helper by number. */
export const HELPERS: ReadonlyMap<number, HelperImplementation> = new Map([
  ...MAP_HELPERS,
  ...TIMER_HELPERS,
  ...RINGBUF_HELPERS,
  ...ITERATION_HELPERS,
  ...LOCK_HELPERS,
  ...DYNPTR_HELPERS,
  ...MEMORY_HELPERS,
  ...PACKET_HELPERS,
  ...PRINT_HELPERS,
  ...SYSTEM_HELPERS,
  ...TAIL_CALL_HELPERS,
]);

const FEW = 256;
const BY_ID = Array.from({ length: FEW }, (_, id) => HELPERS.get(id));

export const helperOf = (id: number): HelperImplementation | undefined =>
  id >= 0 && id < FEW ? BY_ID[id] : HELPERS.get(id);
