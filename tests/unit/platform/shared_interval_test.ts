import assert from "node:assert/strict";
import { atInterval } from "../../../src/platform/shared_interval.ts";

/** Resolves at its third call. */
function third(name: string, calls: string[]) {
  const { promise, resolve } = Promise.withResolvers<void>();
  let count = 0;
  const call = () => {
    calls.push(name);
    if (++count === 3) resolve();
  };
  return { promise, call };
}

// Deno's leak check finds a timer that isn't cleared.
Deno.test("those of one period are called together, in their order, until each is closed", async () => {
  const calls: string[] = [];
  const [a, b] = [third("a", calls), third("b", calls)];
  const [first, second] = [a, b].map(({ call }) => atInterval(1, call));
  await Promise.all([a.promise, b.promise]);
  assert.deepEqual(calls.slice(0, 6), ["a", "b", "a", "b", "a", "b"]);
  first?.close();
  first?.close();
  calls.length = 0;
  const c = third("c", calls);
  const last = atInterval(1, c.call);
  await c.promise;
  assert(!calls.includes("a"));
  assert.deepEqual(calls.slice(0, 4), ["b", "c", "b", "c"]);
  for (const each of [second, last]) each?.close();
});

Deno.test("the same function may be called at two periods, and twice at one", async () => {
  const calls: string[] = [];
  const { promise, call } = third("x", calls);
  const all = [atInterval(1, call), atInterval(1, call), atInterval(3_600_000, call)];
  await promise;
  for (const each of all) each.close();
  assert(calls.length >= 3);
});
