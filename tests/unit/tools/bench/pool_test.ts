import assert from "node:assert/strict";
import { cellsOf } from "../../../../tools/bench/pool.ts";

Deno.test("all numbers of shared containers are measured, or those that are asked for; one that isn't there is an error", () => {
  const rounds = { 100: 5, 400: 3 };
  const [few, many] = [{ shared: 100, rounds: 5 }, { shared: 400, rounds: 3 }];
  assert.deepEqual(cellsOf("", rounds), [few, many]);
  assert.deepEqual(cellsOf("400", rounds), [many]);
  assert.throws(() => cellsOf("100,50", rounds), /^Error: CELLS names 50; there are 100, 400$/);
});
