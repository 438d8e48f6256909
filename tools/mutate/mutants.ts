/** Small changes of a source, each of which some test should notice. */
import { type Edit, edits } from "./edits.ts";
import { tokens } from "./tokens.ts";

/** One change of one file. */
export interface Mutant extends Edit {
  /** From the root of the checkout. */
  readonly file: string;
  /** Where it begins; the first line is 1. */
  readonly line: number;
  /** The lines that it concerns, in one, as they are and as they become. */
  readonly before: string;
  readonly after: string;
}

/** All mutants of a source, in the order of its text; no two make the same program text. */
export function mutantsOf(file: string, source: string): Mutant[] {
  const unique = new Map<string, Edit>();
  for (const edit of edits(source, tokens(source))) {
    const text = edited(source, edit);
    if (text !== source && !unique.has(text)) unique.set(text, edit);
  }
  return [...unique.values()].sort((a, b) => a.start - b.start).map((edit) => described(file, source, edit));
}

/** The source with the change. */
export function edited(source: string, { start, end, replacement }: Edit): string {
  return source.slice(0, start) + replacement + source.slice(end);
}

/** What tells a mutant from all others, for as long as its lines stay as they are. */
export function keyOf({ file, before, after }: Pick<Mutant, "file" | "before" | "after">): string {
  return `${file}\n${before}\n${after}`;
}

function described(file: string, source: string, edit: Edit): Mutant {
  const from = source.lastIndexOf("\n", edit.start - 1) + 1;
  const newline = source.indexOf("\n", edit.end);
  const to = newline < 0 ? source.length : newline;
  const after = source.slice(from, edit.start) + edit.replacement + source.slice(edit.end, to);
  return {
    ...edit,
    file,
    line: source.slice(0, edit.start).split("\n").length,
    before: inOneLine(source.slice(from, to)),
    after: inOneLine(after),
  };
}

function inOneLine(text: string): string {
  return text.replace(/\s+/g, " ").trim();
}

/** `count` of the mutants, the same for the same seed, as evenly over the files as can be. */
export function sample(mutants: readonly Mutant[], count: number, seed: number): Mutant[] {
  const random = randomNumbers(seed);
  const piles = [...Map.groupBy(mutants, ({ file }) => file).values()].map((pile) => shuffled(pile, random));
  const longest = piles.reduce((most, pile) => Math.max(most, pile.length), 0);
  const rounds = Array.from({ length: longest }, (_, round) => piles.flatMap((pile) => pile[round] ?? []));
  return rounds.flat().slice(0, count);
}

function shuffled<T>(items: readonly T[], random: () => number): T[] {
  const keyed = items.map((item) => ({ item, key: random() }));
  return keyed.sort((a, b) => a.key - b.key).map(({ item }) => item);
}

/** Numbers from 0 to 1 (mulberry32). */
function randomNumbers(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let bits = Math.imul(state ^ (state >>> 15), state | 1);
    bits ^= bits + Math.imul(bits ^ (bits >>> 7), bits | 61);
    return ((bits ^ (bits >>> 14)) >>> 0) / 2 ** 32;
  };
}
