/** A word longer than this is no slip of the finger. */
const MAX_WORD = 60;
const MAX_SLIPS = 2;

/** The one of `words` that was probably meant by `given`: at most two letters too many, missing or wrong, whatever the case. */
export function nearMiss(given: string, words: readonly string[]): string | undefined {
  if (given.length > MAX_WORD) return undefined;
  const found = words
    .map((word) => ({ word, slips: distance(given.toLowerCase(), word.toLowerCase()) }))
    .filter(({ word, slips }) => slips <= MAX_SLIPS && slips < word.length / 2)
    .sort((a, b) => a.slips - b.slips);
  return found[0]?.word;
}

/** Levenshtein's edit distance, a row of the table at a time. */
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
