import assert from "node:assert/strict";
import { misplacement } from "../../../e2e/harness/check.ts";
import type { Seen } from "../../../e2e/harness/node_cgroups.ts";
import {
  claimed,
  isUnplaced,
  listText,
  overlapsOf,
  overlapText,
  withRest,
} from "../../../e2e/harness/overlaps.ts";
import type { Wish } from "../../../e2e/harness/wish.ts";

const seen = (name: string, wish: Wish, ...cpus: number[]): Seen => ({
  id: name,
  name,
  wish,
  cpus,
  mems: [0],
});
const exclusive = (count: number, forbidden: number[] = []): Wish => ({
  kind: "exclusive",
  count,
  forbidden,
});
const pinned = (...cpus: number[]): Wish => ({ kind: "pinned", cpus });
const shared = (...forbidden: number[]): Wish => ({ kind: "shared", forbidden });
const view = { cpus: [0, 1, 2, 3], memsOf: () => [0] };

Deno.test("an exclusive CPU is nobody else's, and pinned containers share among themselves", () => {
  const own = seen("own", exclusive(2), 1, 2);
  const pairs = (...all: Seen[]) =>
    overlapsOf(all).map(({ one, other, cpus }) => `${one.name} ${other.name} ${cpus}`);
  assert.deepEqual(pairs(own, seen("also", exclusive(1), 2)), ["own also 2"]);
  assert.deepEqual(pairs(seen("pool", shared(), 0, 1), own), ["own pool 1"]);
  assert.deepEqual(pairs(own, seen("pin", pinned(1), 1)), ["own pin 1"]);
  assert.deepEqual(pairs(seen("pin", pinned(3), 3), seen("pool", shared(), 3)), ["pin pool 3"]);
  assert.deepEqual(pairs(seen("a", pinned(3), 3), seen("b", pinned(3), 3)), []);
  assert.deepEqual(pairs(seen("a", shared(), 3), seen("b", shared(), 3), own), []);
  const [overlap] = overlapsOf([own, seen("pin", pinned(1), 1)]);
  assert(overlap !== undefined);
  assert.equal(overlapText(overlap), "CPUs 1: own (exclusive, 1-2) and pin (pinned, 1)");
});

Deno.test("a container is unplaced when it has other CPUs than it asked for", () => {
  assert(!isUnplaced(seen("a", pinned(3, 1), 1, 3)));
  assert(isUnplaced(seen("a", pinned(1), 1, 2)));
  assert(!isUnplaced(seen("a", exclusive(2), 1, 2)));
  assert(isUnplaced(seen("a", exclusive(2), 0, 1, 2, 3)));
  assert(!isUnplaced(seen("a", shared(), 0)));
});

Deno.test("what is wrong with a container's sets is said with both sets", () => {
  const own = seen("own", exclusive(1), 1);
  const wrong = (each: Seen, held = 0) =>
    misplacement(view, each, [own, each], held).map(({ message }) => message);
  assert.deepEqual(wrong(seen("pool", shared(), 0, 2, 3)), []);
  assert.deepEqual(wrong(seen("pool", shared(), 0, 2)), ["pool (shared): expected 0,2-3, seen 0,2"]);
  assert.deepEqual(wrong(seen("pool", shared(), 0, 2), 1), []);
  assert.deepEqual(wrong(seen("pool", shared(), 0, 1, 2, 3), 4), ["pool (shared): expected 0,2-3, seen 0-3"]);
  assert.deepEqual(wrong(seen("pool", shared(2), 0, 3)), []);
  assert.deepEqual(wrong(seen("pool", shared(0, 2, 3), 0, 2, 3)), []);
  assert.deepEqual(wrong(seen("more", exclusive(1, [2]), 2)), [
    "more: forbidden CPUs: expected none of them, seen 2",
  ]);
  assert.deepEqual(wrong(seen("pin", pinned(2), 3)), ["pin (pinned): expected 2, seen 3"]);
  assert.deepEqual(wrong({ ...seen("pool", shared(), 0, 2, 3), mems: [1] }), [
    "pool (memory nodes): expected 0, seen 1",
  ]);
});

Deno.test("lists are written as the kernel writes them", () => {
  assert.equal(listText([5, 0, 1, 2]), "0-2,5");
  assert.equal(listText([]), "");
  assert.deepEqual([...claimed([seen("a", pinned(1), 1), seen("b", shared(), 2)])], [1]);
});

Deno.test("a container with its pod's figures has what the others of the pod leave of them", () => {
  const rest = seen("n/p/rest", exclusive(4), 3, 4);
  const count = (...others: Seen[]) => {
    const { wish } = withRest(rest, others);
    return wish.kind === "exclusive" ? wish.count : wish.kind;
  };
  assert.equal(count(), 4);
  assert.equal(count(seen("n/p/own", exclusive(1), 1), seen("n/p/more", exclusive(2), 5, 6)), 1);
  assert.equal(count(seen("n/other/own", exclusive(1), 1), seen("n/p/pool", shared(), 0)), 4);
  const pool = seen("n/p/pool", shared(), 0);
  assert.equal(withRest(pool, [rest]), pool);
});
