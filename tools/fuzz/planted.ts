/** Parsers that are broken on purpose, to see that fuzzing finds it. */
import { nastyText } from "./nasty.ts";
import type { AnyTarget, Target } from "./target.ts";

const kept: string[] = [];

/** Stumbles over a text with two quotes in it. */
const throws: Target<{ readonly text: string; readonly more: readonly number[] }> = {
  name: "throws",
  share: 1,
  draw: (random) => ({ text: nastyText(random, 40), more: [1, 2, 3].map(() => random.below(9)) }),
  check({ text }) {
    if (text.split('"').length > 2) throw new Error(`too many quotes: ${text}`);
  },
};

const hangs: Target<number> = {
  name: "hangs",
  share: 1,
  draw: (random) => random.below(100),
  check(number) {
    while (number === 42);
  },
};

const grows: Target<string> = {
  name: "grows",
  share: 1,
  draw: (random) => `${random.next()}`.repeat(20),
  check: (text) => void kept.push(text),
};

export const TARGETS: readonly AnyTarget[] = [throws, hangs, grows];
