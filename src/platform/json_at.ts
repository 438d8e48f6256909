/** Reading JSON of other programs: what is missing or of another type is undefined, and nothing here throws. */

/** The value of a JSON text; undefined when it is none. */
export function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** What stands at `path`, one key after the other. */
export function at(value: unknown, ...path: readonly string[]): unknown {
  let here = value;
  for (const key of path) {
    if (typeof here !== "object" || here === null || !Object.hasOwn(here, key)) return undefined;
    here = (here as Readonly<Record<string, unknown>>)[key];
  }
  return here;
}

/** The text at `path`; empty when there is none. */
export function textAt(value: unknown, ...path: readonly string[]): string {
  const found = at(value, ...path);
  return typeof found === "string" ? found : "";
}

/** The least and the greatest value of an integer type. */
type Range = readonly [min: bigint, max: bigint];
export const INT64: Range = [-(1n << 63n), (1n << 63n) - 1n];
export const UINT64: Range = [0n, (1n << 64n) - 1n];
export const UINT32: Range = [0n, (1n << 32n) - 1n];

/**
 * The whole number at `path`, brought into `range`: JSON's numbers are rounded above 2^53, so that the largest
 * of an integer type comes out one too large.
 */
export function wholeAt(value: unknown, [min, max]: Range, ...path: readonly string[]): bigint | undefined {
  const found = at(value, ...path);
  if (typeof found !== "number" || !Number.isInteger(found)) return undefined;
  const whole = BigInt(found);
  return whole < min ? min : whole > max ? max : whole;
}
