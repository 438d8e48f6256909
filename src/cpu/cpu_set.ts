import { assert } from "../assert.ts";
import { formatCpuList, type InvalidCpuList, MAX_CPU_ID, parseCpuList } from "./cpu_list.ts";
import {
  addAll,
  addRange,
  both,
  countBits,
  idsIn,
  nextIn,
  trimmed,
  without,
  wordAt,
  type Words,
  wordsFor,
} from "./words.ts";

export { MAX_CPU_ID };

/**
 * An immutable set of small non-negative integers: CPU ids, also NUMA node ids.
 *
 * Operations that change nothing return `this`, so `===` is a cheap first test for "the same". The fields that tell
 * sets apart are ordinary ones (not `#private`), and equal sets have equal ones: structural comparison in tests
 * sees them, and doesn't see what is only remembered.
 */
export class CpuSet implements Iterable<number> {
  static readonly empty: CpuSet = new CpuSet([]);
  /** The last two texts that were read, the latest first, each of 64 KiB at most. */
  static #parsed: readonly { readonly text: string; readonly set: CpuSet }[] = [];

  /** How many ids are in the set. */
  readonly size: number;
  private readonly words: Words;
  #text: string | undefined;

  private constructor(words: Words) {
    this.words = trimmed(words);
    this.size = countBits(this.words);
  }

  static of(...ids: number[]): CpuSet {
    return CpuSet.from(ids);
  }

  /** The set of `ids`, in any order. Each is a whole number from 0 to {@link MAX_CPU_ID}; another one is a bug. */
  static from(ids: Iterable<number>): CpuSet {
    if (ids instanceof CpuSet) return ids;
    const list = Array.isArray(ids) ? ids as readonly number[] : [...ids];
    let highest = -1;
    for (const id of list) {
      assert(isCpuId(id), `${id} is not a CPU id`);
      if (id > highest) highest = id;
    }
    if (highest < 0) return CpuSet.empty;
    const words = wordsFor(highest);
    for (const id of list) words[id >>> 5] = wordAt(words, id >>> 5) | (1 << (id & 31));
    return new CpuSet(words);
  }

  /** The ids from `first` to `last`, both included. */
  static range(first: number, last: number): CpuSet {
    assert(isCpuId(first) && isCpuId(last) && first <= last, `${first}-${last} is not a range of CPU ids`);
    const words = wordsFor(last);
    addRange(words, first, last);
    return new CpuSet(words);
  }

  /**
   * The set that a cpuset(7) list such as `0,2-3,8` names. Spaces around items and a newline at the end are
   * tolerated, and so are repeated ids; no text at all is the empty set, as in sysfs. Anything else is a value that
   * names the item that is wrong and what would be right. A text that is the same as one of the last two gives the same set: all
   * shared containers have the same, and one before a write and another after it.
   */
  static parse(text: string): CpuSet | InvalidCpuList {
    if (text === "") return CpuSet.empty;
    const known = CpuSet.#parsed.find((each) => each.text === text);
    if (known !== undefined) return known.set;
    const words = parseCpuList(text);
    if ("kind" in words) return words;
    const set = new CpuSet(words);
    CpuSet.#parsed = [{ text, set }, ...CpuSet.#parsed.slice(0, 1)];
    return set;
  }

  /** Every id that is in one of `sets`. */
  static unionOf(sets: Iterable<CpuSet>): CpuSet {
    const words: Words = [];
    for (const set of sets) addAll(words, set.words);
    return new CpuSet(words);
  }

  get isEmpty(): boolean {
    return this.size === 0;
  }

  has(id: number): boolean {
    return id >>> 0 === id && (wordAt(this.words, id >>> 5) & (1 << (id & 31))) !== 0;
  }

  equals(other: CpuSet): boolean {
    return this === other || (this.size === other.size && this.isSubsetOf(other));
  }

  isSubsetOf(other: CpuSet): boolean {
    if (this.size > other.size) return false;
    const { words } = this;
    for (let i = 0; i < words.length; i++) {
      if ((wordAt(words, i) & ~wordAt(other.words, i)) !== 0) return false;
    }
    return true;
  }

  intersects(other: CpuSet): boolean {
    const length = Math.min(this.words.length, other.words.length);
    for (let i = 0; i < length; i++) {
      if ((wordAt(this.words, i) & wordAt(other.words, i)) !== 0) return true;
    }
    return false;
  }

  /** What is in either set; one of the two where it holds the other. */
  union(other: CpuSet): CpuSet {
    if (other.isSubsetOf(this)) return this;
    if (this.isSubsetOf(other)) return other;
    return CpuSet.unionOf([this, other]);
  }

  /** What is in both sets; one of the two where the other holds it. */
  intersection(other: CpuSet): CpuSet {
    if (this.isSubsetOf(other)) return this;
    if (other.isSubsetOf(this)) return other;
    return new CpuSet(both(this.words, other.words));
  }

  /** What is in this set and not in `other`; `this` where they have nothing in common. */
  difference(other: CpuSet): CpuSet {
    if (!this.intersects(other)) return this;
    return new CpuSet(without(this.words, other.words));
  }

  /** The lowest id. */
  first(): number | undefined {
    return this.isEmpty ? undefined : nextIn(this.words, 0);
  }

  /** The ids, ascending. */
  toArray(): number[] {
    return idsIn(this.words);
  }

  /** The ids, ascending. */
  [Symbol.iterator](): IterableIterator<number> {
    return this.toArray().values();
  }

  /** The canonical list, e.g. `0,2-3,8`; the empty set is the empty text. */
  toString(): string {
    return this.#text ??= formatCpuList(this.words);
  }
}

function isCpuId(id: number): boolean {
  return Number.isInteger(id) && id >= 0 && id <= MAX_CPU_ID;
}
