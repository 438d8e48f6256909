/**
 * Bit words: a set of small non-negative integers as 32-bit words, where id `n` is bit `n % 32` of word `n / 32`.
 * Words beyond the end count as zero. {@link trimmed} words never end in a zero word, so that equal sets have
 * equal words.
 *
 * An array of signed integers, and not a Uint32Array: those take ten times as long to make.
 */
export type Words = number[];

/** The word at `index`; zero beyond the end. */
export function wordAt(words: readonly number[], index: number): number {
  return words[index] ?? 0;
}

/** How many words hold the ids up to and including `lastId`. */
export function wordsFor(lastId: number): Words {
  return new Array<number>((lastId >>> 5) + 1).fill(0);
}

/** Adds the ids `first` to `last` to `words`, in place. The words must be there. */
export function addRange(words: Words, first: number, last: number): void {
  const firstWord = first >>> 5;
  const lastWord = last >>> 5;
  for (let index = firstWord; index <= lastWord; index++) {
    const low = index === firstWord ? -1 << (first & 31) : -1;
    const high = index === lastWord ? -1 >>> (31 - (last & 31)) : -1;
    words[index] = wordAt(words, index) | (low & high);
  }
}

/** `words` without the zero words at its end; may be the same array. */
export function trimmed(words: Words): Words {
  let length = words.length;
  while (length > 0 && words[length - 1] === 0) length--;
  return length === words.length ? words : words.slice(0, length);
}

/** The ids that are in `a` and in `b`. */
export function both(a: Words, b: Words): Words {
  const words: Words = [];
  const length = Math.min(a.length, b.length);
  for (let i = 0; i < length; i++) words.push(wordAt(a, i) & wordAt(b, i));
  return words;
}

/** Adds what is in `more` to `words`, in place. */
export function addAll(words: Words, more: Words): void {
  for (let i = 0; i < more.length; i++) words[i] = wordAt(words, i) | wordAt(more, i);
}

/** The ids that are in `a` and not in `b`. */
export function without(a: Words, b: Words): Words {
  const words = a.slice();
  const length = Math.min(a.length, b.length);
  for (let i = 0; i < length; i++) words[i] = wordAt(words, i) & ~wordAt(b, i);
  return words;
}

/** The number of ids in `words`. */
export function countBits(words: Words): number {
  let count = 0;
  for (let i = 0; i < words.length; i++) {
    const word = wordAt(words, i);
    const pairs = word - ((word >>> 1) & 0x55555555);
    const nibbles = (pairs & 0x33333333) + ((pairs >>> 2) & 0x33333333);
    count += Math.imul((nibbles + (nibbles >>> 4)) & 0x0f0f0f0f, 0x01010101) >>> 24;
  }
  return count;
}

/** The ids in `words`, ascending. */
export function idsIn(words: Words): number[] {
  const ids: number[] = [];
  for (let i = 0; i < words.length; i++) {
    for (let bits = wordAt(words, i); bits !== 0; bits &= bits - 1) ids.push(i * 32 + lowestBit(bits));
  }
  return ids;
}

/** The lowest id in `words` that is at least `from`, or -1. */
export function nextIn(words: Words, from: number): number {
  let index = from >>> 5;
  let bits = wordAt(words, index) & (-1 << (from & 31));
  while (bits === 0) {
    if (++index >= words.length) return -1;
    bits = wordAt(words, index);
  }
  return index * 32 + lowestBit(bits);
}

/** The lowest id not in `words` that is at least `from`. */
export function nextOutside(words: Words, from: number): number {
  let index = from >>> 5;
  let bits = ~wordAt(words, index) & (-1 << (from & 31));
  while (bits === 0) bits = ~wordAt(words, ++index);
  return index * 32 + lowestBit(bits);
}

function lowestBit(bits: number): number {
  return 31 - Math.clz32(bits & -bits);
}
