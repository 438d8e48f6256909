/** A broken invariant: a bug in this program, never bad input. */
export class AssertionError extends Error {
  override name = "AssertionError";
}

/** Throws {@link AssertionError} unless `condition` holds. For what the code itself guarantees; input is checked elsewhere. */
export function assert(condition: unknown, message: string): asserts condition {
  if (!condition) throw new AssertionError(message);
}
