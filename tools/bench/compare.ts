import type { Figure } from "./report.ts";
import { interval, ratios, summarize } from "./statistics.ts";

/** Of fewer pairs no interval is given. */
const SURE = 5;

/** How many times as much the one takes as the other, by measurements of the same rounds. */
export function comparison(
  labels: readonly string[],
  these: readonly number[],
  those: readonly number[],
): Figure {
  const pairs = ratios(these, those);
  const sure = pairs.length < SURE ? {} : { interval: interval(pairs) };
  return { labels, unit: "×", summary: summarize(pairs), ...sure };
}
