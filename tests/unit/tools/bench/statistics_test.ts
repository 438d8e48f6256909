import assert from "node:assert/strict";
import { interval, ratios, summarize } from "../../../../tools/bench/statistics.ts";

Deno.test("a single measurement is its own median, extremes and percentiles", () => {
  assert.deepEqual(summarize([7]), { n: 1, min: 7, median: 7, p95: 7, p99: 7, max: 7 });
});

Deno.test("the order of the measurements doesn't matter, and they stay as they were", () => {
  const samples = [30, 4, 100];
  assert.deepEqual(summarize(samples), { n: 3, min: 4, median: 30, p95: 100, p99: 100, max: 100 });
  assert.deepEqual(samples, [30, 4, 100]);
});

Deno.test("the median of an even number of measurements is between the two in the middle", () => {
  assert.equal(summarize([1, 2, 4, 100]).median, 3);
});

Deno.test("percentiles are measurements: the smallest that is not exceeded by that share", () => {
  const hundred = Array.from({ length: 100 }, (_, i) => i + 1);
  const { p95, p99, max } = summarize(hundred);
  assert.deepEqual({ p95, p99, max }, { p95: 95, p99: 99, max: 100 });
  assert.equal(summarize([...hundred, 101]).p99, 100);
});

Deno.test("no measurements are an error, not a zero", () => {
  assert.throws(() => summarize([]), /nothing was measured/);
});

Deno.test("measurements that were taken in pairs are compared pair by pair", () => {
  assert.deepEqual(ratios([1, 20, 9], [4, 10, 3]), [0.25, 2, 3]);
  assert.throws(() => ratios([1], [1, 2]), /1 measurements can't be paired with 2/);
});

Deno.test("an interval holds the median, is the same each time, and narrows with more measurements", () => {
  const few = Array.from({ length: 10 }, (_, i) => 1 + i / 10);
  const many = Array.from({ length: 100 }, (_, i) => 1 + i / 100);
  const width = ([low, high]: readonly [number, number]) => high - low;
  const [low, high] = interval(few);
  assert(low < summarize(few).median && summarize(few).median < high, `${low} – ${high}`);
  assert.deepEqual(interval(few), [low, high]);
  assert(width(interval(many)) < width(interval(few)) / 2);
  assert.deepEqual(interval([3]), [3, 3]);
});
