import assert from "node:assert/strict";
import { backoff } from "../../../src/platform/backoff.ts";
import { pause } from "../../../src/platform/pause.ts";

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

Deno.test("a pause ends at once when it is aborted, also before it began", async () => {
  const stop = new AbortController();
  const paused = pause(1e9, stop.signal);
  stop.abort();
  await paused;
  await pause(1e9, stop.signal);
});
