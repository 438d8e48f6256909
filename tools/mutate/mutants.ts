/** Small changes of a source, each of which some test should notice. */
import { Random } from "../random.ts";
import { type Edit, edits } from "./edits.ts";
import { partAt, partsOf } from "./parts.ts";
import { tokens } from "./tokens.ts";

/** Where a change is and what it does, whatever the text around it says. */
export interface Anchor {
  /** From the root of the checkout. */
  readonly file: string;
  /** The function, method or constant, by its name. */
  readonly part: string;
  /** Its kind, as {@link edits} names it, and behind `#` which of this kind in the part; the first needs none. */
  readonly edit: string;
}

/** One change of one file. */
export interface Mutant extends Edit, Anchor {
  /** Where it begins; the first line is 1. */
  readonly line: number;
  /** The lines that it concerns, in one, as they are and as they become. */
  readonly before: string;
  readonly after: string;
}

/** All mutants of a source, in the order of its text; no two make the same program text. */
export function mutantsOf(file: string, source: string): Mutant[] {
  const unique = new Map<string, Edit & Anchor>();
  for (const edit of anchored(file, source)) {
    const text = edited(source, edit);
    if (text !== source && !unique.has(text)) unique.set(text, edit);
  }
  return [...unique.values()].sort((a, b) => a.start - b.start).map((edit) => described(source, edit));
}

/** Every edit of a source with its anchor; they are counted before any is left out. */
function anchored(file: string, source: string): (Edit & Anchor)[] {
  const list = tokens(source);
  const parts = partsOf(list);
  const counts = new Map<string, number>();
  return edits(source, list).map((edit) => {
    const part = partAt(parts, edit.start);
    const count = (counts.get(`${part} ${edit.kind}`) ?? 0) + 1;
    counts.set(`${part} ${edit.kind}`, count);
    return { ...edit, file, part, edit: count === 1 ? edit.kind : `${edit.kind} #${count}` };
  });
}

/** The source with the change. */
export function edited(source: string, { start, end, replacement }: Omit<Edit, "kind">): string {
  return source.slice(0, start) + replacement + source.slice(end);
}

/** Tells a mutant from all others for as long as its lines stay as they are: then its result holds. */
export function keyOf({ file, before, after }: Pick<Mutant, "file" | "before" | "after">): string {
  return `${file}\n${before}\n${after}`;
}

function described(source: string, edit: Edit & Anchor): Mutant {
  const from = source.lastIndexOf("\n", edit.start - 1) + 1;
  const newline = source.indexOf("\n", edit.end);
  const to = newline < 0 ? source.length : newline;
  const after = source.slice(from, edit.start) + edit.replacement + source.slice(edit.end, to);
  return {
    ...edit,
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
  const random = new Random(seed);
  const piles = [...Map.groupBy(mutants, ({ file }) => file).values()].map((pile) => random.shuffled(pile));
  const longest = piles.reduce((most, pile) => Math.max(most, pile.length), 0);
  const rounds = Array.from({ length: longest }, (_, round) => piles.flatMap((pile) => pile[round] ?? []));
  return rounds.flat().slice(0, count);
}
