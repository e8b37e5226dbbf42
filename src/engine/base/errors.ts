/** A fault of the playground itself. The only error that the engine throws. */
export class InternalError extends Error {
  override readonly name = "InternalError";
}

/** Ends an exhaustive switch: a new variant becomes a compile error here. */
export function assertNever(value: never): never {
  throw new InternalError(`unexpected value: ${String(value)}`);
}

/** States what must hold at this place; throws {@link InternalError} when it does not. */
export function invariant(condition: boolean, message: string): asserts condition {
  if (!condition) throw new InternalError(message);
}
