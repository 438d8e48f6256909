/**
 * Finds the place of a change by file, function and kind of edit. Lines may move and other things get other names; when
 * the function itself has another name, or other edits of the same kind stand before this one, the anchor is brought in
 * line by hand, and a unit test says which.
 */
import { type Anchor, edited, mutantsOf } from "./mutants.ts";
import { type Part, partsOf } from "./parts.ts";
import { tokens } from "./tokens.ts";

/** A change by its anchor, or by the only match of a pattern in its part and what comes there instead. */
export interface Anchored extends Pick<Anchor, "file" | "part"> {
  readonly edit: string | readonly [pattern: RegExp, replacement: string];
}

/** The text of the file with the change in it. Throws where the anchor doesn't match exactly once. */
export function applied({ file, part, edit }: Anchored, source: string): string {
  const parts = partsOf(tokens(source));
  const named = parts.filter(({ name }) => name === part);
  if (named.length === 0) throw new Error(`${file} has no ${part}; it has ${namesOf(parts)}`);
  return typeof edit === "string"
    ? edited(source, mutantAt({ file, part, edit }, source))
    : replaced(`${file}, ${part}`, edit, source, named);
}

function mutantAt(anchor: Anchor, source: string) {
  const here = mutantsOf(anchor.file, source).filter(({ part }) => part === anchor.part);
  const found = here.find(({ edit }) => edit === anchor.edit);
  if (found !== undefined) return found;
  const others = here.map(({ edit }) => edit).join(", ") || "nothing";
  throw new Error(`${anchor.file}, ${anchor.part}: no edit "${anchor.edit}"; there is ${others}`);
}

function replaced(
  place: string,
  [pattern, replacement]: readonly [RegExp, string],
  source: string,
  parts: readonly Part[],
): string {
  const texts = parts.map((part) => ({ ...part, text: source.slice(part.start, part.end) }));
  const every = new RegExp(pattern, "g");
  const matches = texts.flatMap((part) => [...part.text.matchAll(every)].map(() => part));
  const [only] = matches;
  if (only === undefined || matches.length > 1) {
    throw new Error(`${place}: ${pattern} matches ${matches.length} times, not once`);
  }
  const { start, end, text } = only;
  return source.slice(0, start) + text.replace(pattern, replacement) + source.slice(end);
}

function namesOf(parts: readonly Part[]): string {
  return [...new Set(parts.map(({ name }) => name))].join(", ");
}
