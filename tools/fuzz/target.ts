/** What is fuzzed: a way to draw inputs, and what must hold for each of them. */
import type { Random } from "../random.ts";

/** An input is a value that can be written down: texts, numbers, bytes, lists and records of these. */
export type Value =
  | undefined
  | null
  | boolean
  | number
  | bigint
  | string
  | Uint8Array
  | readonly Value[]
  | { readonly [key: string]: Value };

/** One parser, or a few that are of no use without each other. */
export interface Target<I extends Value> {
  readonly name: string;
  /** How many of the inputs are for this one, relative to the others; those that are slow have few. */
  readonly share: number;
  draw(random: Random): I;
  /** Throws where something that must hold for every input doesn't. */
  check(input: I): void | Promise<void>;
}

/** A target whose inputs are its own business. */
export type AnyTarget = Pick<Target<Value>, "name" | "share"> & {
  draw(random: Random): Value;
  check(input: never): void | Promise<void>;
};

/** Text that may go to a log or a terminal: nothing that moves, ends a line, turns the reading direction or is unseen. */
export const PRINTABLE = /^[^\p{Cc}\p{Cf}\p{Zl}\p{Zp}]*$/u;

/** Throws unless `text` is a sentence for people: printable, not empty and not endless. */
export function requireSentence(text: string, longest = 1000): void {
  if (!PRINTABLE.test(text)) throw new Error(`not printable: ${JSON.stringify(text)}`);
  if (text.length < 5 || text.length > longest) throw new Error(`no sentence: ${JSON.stringify(text)}`);
}

/** Throws with `message` unless `holds`. */
export function require(holds: boolean, message: () => string): asserts holds {
  if (!holds) throw new Error(message());
}
