import assert from "node:assert/strict";
import { Random } from "../../../tools/random.ts";

function draws(seed: number): number[] {
  const random = new Random(seed);
  return Array.from({ length: 1000 }, () => random.below(100));
}

Deno.test("a seed gives the same numbers every time, and neighbouring seeds give others", () => {
  assert.deepEqual(draws(7), draws(7));
  assert.notDeepEqual(draws(7), draws(8));
});

Deno.test("numbers are within their bounds and all of them come", () => {
  assert.deepEqual([...new Set(draws(1))].sort((a, b) => a - b), Array.from({ length: 100 }, (_, at) => at));
  const random = new Random(3);
  const between = new Set(Array.from({ length: 200 }, () => random.between(2, 4)));
  assert.deepEqual([...between].sort(), [2, 3, 4]);
});

Deno.test("what has no weight is never drawn, what has more comes more often", () => {
  const random = new Random(5);
  const drawn = Array.from({ length: 4000 }, () => random.weighted({ never: 0, rarely: 1, often: 3 }));
  const count = (name: string) => drawn.filter((each) => each === name).length;
  assert.equal(count("never"), 0);
  assert(count("rarely") > 800 && count("rarely") < 1200, `${count("rarely")}`);
});

Deno.test("some of a list are different ones, in its order", () => {
  const random = new Random(9);
  for (let round = 0; round < 50; round++) {
    const some = random.some([1, 2, 3, 4, 5], 3);
    assert.equal(new Set(some).size, 3);
    assert.deepEqual(some, [...some].sort());
  }
  assert.deepEqual(random.some([1, 2], 5), [1, 2]);
});
