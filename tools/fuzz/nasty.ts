/** Texts, numbers and bytes that parsers have stumbled over, and small changes to what they take. */
import type { Random } from "../random.ts";

/** Characters that mean something to a terminal, a log, a file name, a number, YAML or JSON, or to JavaScript. */
const CHARACTERS: readonly string[] = [
  ..." \t\n\r\0\x1b\x7f\x80\x85\x9b\xa0\xad",
  ..."\u2028\u2029\u200b\u202e\u2066\ufeff\ufffd\uffff\ud800\udfff",
  ..."0123456789-,.:;/\\'\"`=+*&!?#%@|<>()[]{}~^$_abcexnulABC",
  "é",
  "٣", // a digit, but not to a kernel
  "𝟘",
  "🂡",
];

/** Whole words and worse. */
const WORDS: readonly string[] = [
  "",
  "null",
  "undefined",
  "NaN",
  "Infinity",
  "true",
  "0x10",
  "1e3",
  "-0",
  "007",
  "__proto__",
  "constructor",
  "toString",
  "hasOwnProperty",
  "../../../../etc/passwd",
  "/",
  "//",
  ".",
  "..",
  "\x1b[2J\x1b[H",
  "\x1b]0;title\x07",
  "\x9b31m",
  "\r\nlevel=error msg=forged",
  "${HOME} $(id) `id` %s %n {0}",
  "a".repeat(300),
  "0-16383",
  "16384",
  "4294967295",
  "4294967296",
  "9007199254740993",
  "18446744073709551616",
  "99999999999999999999",
];

export const NUMBERS: readonly number[] = [
  0,
  -0,
  1,
  -1,
  2,
  3,
  7,
  127,
  128,
  255,
  256,
  1023,
  4095,
  4096,
  8191,
  16383,
  16384,
  65535,
  2 ** 31 - 1,
  2 ** 31,
  2 ** 32 - 1,
  2 ** 32,
  2 ** 53,
  1.5,
  NaN,
  Infinity,
  -Infinity,
];

const BIG = [0n, 1n, 2n, 1024n, 2048n, 100_000n, 200_000n, 262_144n, 1n << 31n, (1n << 53n) + 1n];

export function nastyNumber(random: Random): number {
  return random.chance(0.5) ? random.below(300) : random.pick(NUMBERS) ?? 0;
}

/** Within the range of the type that it is written as. */
export function nastyBigint(random: Random, signed: boolean): bigint {
  if (random.chance(0.1)) return signed ? random.oneOf(-(1n << 63n), (1n << 63n) - 1n) : (1n << 64n) - 1n;
  const value = (random.pick(BIG) ?? 0n) + BigInt(random.below(3));
  return signed && random.chance(0.2) ? -value : value;
}

export function nastyWord(random: Random): string {
  return random.pick(WORDS) ?? "";
}

/** A few characters, most of them odd. */
export function nastyText(random: Random, longest = 12): string {
  if (random.chance(0.4)) return nastyWord(random);
  return Array.from({ length: random.below(longest + 1) }, () => random.pick(CHARACTERS)).join("");
}

/** `text` with up to three changes: pieces cut out, doubled, replaced or moved, and rarely one repeated without end. */
export function mutatedText(random: Random, text: string): string {
  let result = text;
  for (let changes = random.between(1, 3); changes > 0; changes--) {
    const from = random.below(result.length + 1);
    const to = Math.min(result.length, from + random.below(random.chance(0.8) ? 4 : result.length + 1));
    const [before, piece, after] = [result.slice(0, from), result.slice(from, to), result.slice(to)];
    const kind = random.weighted({ cut: 4, insert: 6, double: 2, swap: 2, end: 1, endless: 0.02 });
    if (kind === "cut") result = before + after;
    if (kind === "insert") result = before + nastyText(random, 3) + after;
    if (kind === "double") result = before + piece + piece + after;
    if (kind === "swap") result = after + piece + before;
    if (kind === "end") result = before;
    if (kind === "endless") {
      result = before + (piece || nastyText(random, 3)).slice(0, 8).repeat(random.between(1, 9000)) + after;
    }
  }
  return result;
}

/** One of `valid`, mostly changed a little, or nothing like it. */
export function textLike(random: Random, valid: readonly string[]): string {
  const base = random.pick(valid) ?? "";
  const kind = random.weighted({ valid: 2, mutated: 6, nasty: 2 });
  return kind === "valid" ? base : kind === "mutated" ? mutatedText(random, base) : nastyText(random);
}

export function randomBytes(random: Random, length: number): Uint8Array {
  return Uint8Array.from({ length }, () => random.below(256));
}

const BYTES = [0, 1, 2, 3, 8, 10, 0x12, 0x1a, 0x7f, 0x80, 0xff];

/** `bytes` with up to four changes. */
export function mutatedBytes(random: Random, bytes: Uint8Array): Uint8Array {
  let result = bytes;
  for (let changes = random.between(1, 4); changes > 0; changes--) {
    const at = random.below(result.length + 1);
    const to = Math.min(result.length, at + random.below(9));
    const [before, piece, after] = [result.subarray(0, at), result.subarray(at, to), result.subarray(to)];
    const kind = random.weighted({ set: 5, flip: 4, cut: 2, double: 2, insert: 2, end: 1 });
    if (kind === "set" || kind === "flip") {
      result = result.slice();
      const old = result[at] ?? 0;
      if (at < result.length) {
        result[at] = kind === "set" ? random.pick(BYTES) ?? 0 : old ^ (1 << random.below(8));
      }
    }
    if (kind === "cut") result = joined(before, after);
    if (kind === "double") result = joined(before, piece, piece, after);
    if (kind === "insert") result = joined(before, randomBytes(random, random.between(1, 6)), after);
    if (kind === "end") result = before.slice();
  }
  return result;
}

export function joined(...parts: readonly Uint8Array[]): Uint8Array {
  const all = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    all.set(part, at);
    at += part.length;
  }
  return all;
}
