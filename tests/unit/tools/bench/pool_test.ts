import assert from "node:assert/strict";
import { cellsOf } from "../../../../tools/bench/pool.ts";

Deno.test("all numbers of shared containers are measured, or those that are asked for; one that isn't there is an error", () => {
  const [few, many] = [{ shared: 100, rounds: 5, slowRounds: 5 }, { shared: 400, rounds: 8, slowRounds: 2 }];
  assert.deepEqual(cellsOf("", [few, many]), [few, many]);
  assert.deepEqual(cellsOf("400", [few, many]), [many]);
  assert.throws(() => cellsOf("100,50", [few, many]), /^Error: CELLS names 50; there are 100, 400$/);
});
