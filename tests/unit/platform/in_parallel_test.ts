import assert from "node:assert/strict";
import { inParallel } from "../../../src/platform/in_parallel.ts";
import { turn } from "../../kit/turn.ts";

Deno.test("results come in the order of the items, without the undefined ones", async () => {
  const gates = [1, 2, 3, 4].map(() => Promise.withResolvers<void>());
  const results = inParallel([0, 1, 2, 3], 4, async (item) => {
    await gates[item]?.promise;
    gates[item - 1]?.resolve(); // the last one ends first
    return item === 2 ? undefined : `result ${item}`;
  });
  gates[3]?.resolve();
  assert.deepEqual(await results, ["result 0", "result 1", "result 3"]);
  assert.deepEqual(await inParallel([], 4, () => Promise.reject(new Error("never asked"))), []);
});

Deno.test("no more are started than the limit allows, nor any after one has failed", async () => {
  const begun: number[] = [];
  const gate = Promise.withResolvers<void>();
  const results = inParallel([0, 1, 2, 3, 4], 2, async (item) => {
    begun.push(item);
    if (item === 1) throw new Error("one failed");
    await gate.promise;
    return item;
  });
  await assert.rejects(results, /one failed/);
  gate.resolve();
  await turn();
  assert.deepEqual(begun, [0, 1]);
});
