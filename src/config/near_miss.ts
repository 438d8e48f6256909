/** A longer word is no typing error. */
const MAX_WORD_LETTERS = 60;
const MAX_DISTANCE = 2;

/** The one of `words` that is closest to `given`: at most two letters inserted, deleted or replaced, ignoring case. */
export function nearMiss(given: string, words: readonly string[]): string | undefined {
  if (given.length > MAX_WORD_LETTERS) return undefined;
  const found = words
    .map((word) => ({ word, typos: distance(given.toLowerCase(), word.toLowerCase()) }))
    .filter(({ word, typos }) => typos <= MAX_DISTANCE && typos < word.length / 2)
    .sort((a, b) => a.typos - b.typos);
  return found[0]?.word;
}

/** The Levenshtein distance, one row of the table at a time. */
function distance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, i) => i);
  for (const [i, letter] of [...a].entries()) {
    const next = [i + 1];
    for (let j = 0; j < b.length; j++) {
      const replaced = (row[j] ?? 0) + (letter === b[j] ? 0 : 1);
      next.push(Math.min(replaced, (row[j + 1] ?? 0) + 1, (next[j] ?? 0) + 1));
    }
    row = next;
  }
  return row.at(-1) ?? 0;
}
