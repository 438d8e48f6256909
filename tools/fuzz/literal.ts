/** Inputs written down, and made smaller. */
import type { Value } from "./target.ts";

/** JavaScript that gives `value` again; everything that a terminal might take for something else is escaped. */
export function literal(value: Value): string {
  if (typeof value === "string") return textLiteral(value);
  if (typeof value === "bigint") return `${value}n`;
  if (typeof value === "number") return Object.is(value, -0) ? "-0" : String(value);
  if (value instanceof Uint8Array) return `Uint8Array.of(${[...value].join(", ")})`;
  if (Array.isArray(value)) return `[${value.map(literal).join(", ")}]`;
  if (typeof value !== "object" || value === null) return String(value);
  const fields = Object.entries(value).map(([key, item]) => `${keyLiteral(key)}: ${literal(item)}`);
  return `{ ${fields.join(", ")} }`;
}

function textLiteral(text: string): string {
  return JSON.stringify(text).replace(
    /[^\x20-\x7e]/g,
    (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, "0")}`,
  );
}

/** In brackets, since a plain `__proto__:` would set a prototype. */
function keyLiteral(key: string): string {
  return /^[a-z]\w*$/i.test(key) ? key : `[${textLiteral(key)}]`;
}

/** Values of the same shape with less in them, the smallest first. Endless for no value. */
export function* smaller(value: Value): Generator<Value> {
  if (typeof value === "string") yield* smallerText(value);
  else if (value instanceof Uint8Array) yield* smallerParts(value, (parts) => Uint8Array.from(parts));
  else if (Array.isArray(value)) yield* smallerList(value);
  else if (typeof value === "object" && value !== null) yield* smallerRecord(value as Fields);
  else if (typeof value === "number" && value !== 0) {
    yield* [0, Math.trunc(value / 2)].filter((n) => n !== value);
  } else if (typeof value === "bigint" && value !== 0n) yield* [0n, value / 2n];
}

function* smallerText(text: string): Generator<string> {
  yield* smallerParts([...text], (parts) => parts.join(""));
  // The plainest text that still does it.
  for (let at = 0; at < Math.min(text.length, 40); at++) {
    if (!/[a0]/.test(text[at] ?? "")) {
      yield* ["a", "0"].map((c) => text.slice(0, at) + c + text.slice(at + 1));
    }
  }
}

/** Leaves out ever smaller parts of a sequence. */
function* smallerParts<T, R>(parts: ArrayLike<T>, make: (parts: readonly T[]) => R): Generator<R> {
  const all = Array.from(parts);
  for (let size = all.length; size >= 1; size = Math.floor(size / 2)) {
    for (let from = 0; from < all.length; from += size) {
      yield make([...all.slice(0, from), ...all.slice(from + size)]);
    }
  }
}

function* smallerList(list: readonly Value[]): Generator<Value> {
  yield* smallerParts(list, (parts) => parts);
  for (const [at, item] of list.entries()) {
    for (const less of smaller(item)) yield list.with(at, less);
  }
}

type Fields = Readonly<Record<string, Value>>;

/** A list or a dictionary may lose its items; what has a shape of its own keeps its keys, see {@link isDictionary}. */
function* smallerRecord(record: Fields): Generator<Value> {
  if (isDictionary(record)) {
    yield* smallerParts(Object.entries(record), (parts) => Object.fromEntries(parts));
  }
  for (const [key, item] of Object.entries(record)) {
    for (const less of smaller(item)) yield { ...record, [key]: less };
  }
}

/** Records whose values are all texts are dictionaries of whatever keys, as annotations and variables are. */
function isDictionary(record: Fields): boolean {
  return Object.values(record).every((item) => typeof item === "string");
}
