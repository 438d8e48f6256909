/**
 * How many times longer than on a usual machine everything takes here: what the variable SLOWNESS says, as in a machine that
 * is emulated; else 1. Time-outs and the pauses between two looks are as much longer.
 */
export function slowness(): number {
  return Number(Deno.env.get("SLOWNESS") || 1);
}

/** Milliseconds of a usual machine, here. */
export function hereMs(usualMs: number): number {
  return usualMs * slowness();
}

/** The same as an option of kubectl's. */
export function timeoutOption(usualSeconds: number): string {
  return `--timeout=${Math.ceil(usualSeconds * slowness())}s`;
}
