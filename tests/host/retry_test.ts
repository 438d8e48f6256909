import assert from "node:assert/strict";
import { backoff } from "../../src/host/backoff.ts";
import { pause } from "../../src/host/pause.ts";
import { Repeats } from "../../src/host/repeats.ts";

Deno.test("delays double up to the cap", () => {
  const delays = backoff(100, 1000, () => 0.5);
  assert.deepEqual([1, 2, 3, 4, 5, 6].map(() => delays.next()), [100, 200, 400, 800, 1000, 1000]);
  delays.reset();
  assert.equal(delays.next(), 100);
});

Deno.test("each delay is moved by up to a quarter either way", () => {
  assert.equal(backoff(1000, 1000, () => 0).next(), 750);
  assert.equal(backoff(1000, 1000, () => 1).next(), 1250);
});

Deno.test("a pause ends at once when it is told to stop, also before it began", async () => {
  const stop = new AbortController();
  const paused = pause(1e9, stop.signal);
  stop.abort();
  await paused;
  await pause(1e9, stop.signal);
});

Deno.test("a text is news once, and again after a while", () => {
  const said = new Repeats(1000);
  const heard = [0, 1, 999, 1000, 1500, 2000].map((now) => said.isNews("no socket", now));
  assert.deepEqual(heard, [true, false, false, true, false, true]);
  assert(said.isNews("another", 1500));
});

Deno.test("texts that are remembered are bounded: the oldest is forgotten", () => {
  const said = new Repeats(1e9);
  for (let i = 0; i < 101; i++) said.isNews(`text ${i}`, 0);
  assert(said.isNews("text 0", 1));
  assert(!said.isNews("text 100", 1));
});
