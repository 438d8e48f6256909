/** A longer word is no typing error. */
const MAX_WORD_LETTERS = 60;
const MAX_DISTANCE = 2;

/**
 * The one of `words` that is closest to `given`: at most two letters inserted, deleted, replaced or swapped with the next,
 * ignoring case.
 */
export function nearMiss(given: string, words: readonly string[]): string | undefined {
  if (given.length > MAX_WORD_LETTERS) return undefined;
  const found = words
    .filter((word) => Math.abs(word.length - given.length) <= MAX_DISTANCE)
    .map((word) => ({ word, typos: distance(given.toLowerCase(), word.toLowerCase()) }))
    .filter(({ word, typos }) => typos <= MAX_DISTANCE && typos < word.length / 2)
    .sort((a, b) => a.typos - b.typos);
  return found[0]?.word;
}

/** The Levenshtein distance with swapped neighbours as one step, one row of the table at a time. */
function distance(a: string, b: string): number {
  let [before, row]: number[][] = [[], Array.from({ length: b.length + 1 }, (_, i) => i)];
  for (let i = 0; i < a.length; i++) {
    const next = [i + 1];
    for (let j = 0; j < b.length; j++) {
      const at = (cells: readonly number[] | undefined, column: number) => cells?.[column] ?? Infinity;
      const replaced = at(row, j) + (a[i] === b[j] ? 0 : 1);
      const isSwap = i > 0 && j > 0 && a[i] === b[j - 1] && a[i - 1] === b[j];
      const swapped = isSwap ? at(before, j - 1) + 1 : Infinity;
      next.push(Math.min(replaced, swapped, at(row, j + 1) + 1, at(next, j) + 1));
    }
    [before, row] = [row ?? [], next];
  }
  return row?.at(-1) ?? 0;
}
