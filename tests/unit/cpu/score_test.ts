/** The order of the ladder, rung by rung; what take, retake and the others make of it is tested with them. */
import assert from "node:assert/strict";
import { best, compare, type Score, scoreOfPart, scoreOfSet } from "../../../src/cpu/score.ts";
import { bigNode, topologyOf } from "../../kit/sysfs.ts";
import { listed } from "./oracle.ts";

const NEW_CLAIM = ["level", "sockets", "nodes", "penalty", "loose", "broken", "unorphaned", "free"] as const;
const RUNNING_CLAIM = [
  ...["avoided", "unpreferred", "level", "sockets", "nodes", "penalty", "loose", "unorphaned"] as const,
  ...["moved", "foreign"] as const,
];
const NODE_TO_SPREAD_OVER = ["share", "moved", "scarcity"] as const;

Deno.test("each rung decides before all that follow it, however much better these are", () => {
  for (const rungs of [NEW_CLAIM, RUNNING_CLAIM, NODE_TO_SPREAD_OVER]) {
    for (const [i, rung] of rungs.entries()) {
      const others: Score = Object.fromEntries(rungs.slice(i + 1).map((other) => [other, 9]));
      assert(compare({ [rung]: 1 }, { [rung]: 0, ...others }) > 0, rung);
      assert(compare(others, { ...others, [rung]: 1 }) < 0, rung);
    }
  }
  assert.equal(compare({ level: 1 }, { level: 1, penalty: 0 }), 0);
});

Deno.test("of equal scores the first is best; what has no score never is", () => {
  assert.equal(best(["b", "a", "c"], (item) => item === "b" ? undefined : { free: 1 }), "a");
  assert.equal(best(["a"], () => undefined), undefined);
});

Deno.test("a part of the machine breaks a core only where its orphans and strays are too few", () => {
  const part = { free: 9, orphans: 1, strays: 1, whole: [0, 1, 3] };
  const of = (count: number, more = {}) => scoreOfPart({ ...part, ...more }, count);
  assert.deepEqual(of(6), { loose: 0, broken: 0, unorphaned: 0, free: 9 }, "three cores of two");
  assert.deepEqual(of(7), { loose: 0, broken: 0, unorphaned: 0, free: 9 }, "and the core of one");
  assert.deepEqual(of(9), { loose: 2, broken: 0, unorphaned: 1, free: 9 });
  assert.deepEqual(of(1, { whole: [0, 0, 3], orphans: 0 }), { loose: 1, broken: 0, unorphaned: 1, free: 9 });
  assert.deepEqual(of(1, { whole: [0, 0, 3], orphans: 0, strays: 0 }).broken, 1);
});

Deno.test("a set is scored by what it keeps from others, how far it spreads, what it breaks and what it moves", () => {
  const claim = {
    topology: topologyOf(bigNode),
    claimed: listed("48"),
    own: listed("9,41"),
    nearby: listed("8-15,40-47"),
    preferred: listed("0-15,32-47"),
    penalized: listed("17"),
    avoid: listed("42"),
    placement: "packed" as const,
  };
  const none = { avoided: 0, unpreferred: 0, penalty: 0, loose: 0, unorphaned: 0, moved: 0, foreign: 0 };
  assert.deepEqual(scoreOfSet(claim, claim.own), { ...none, level: 0, sockets: 1, nodes: 1 });
  assert.deepEqual(scoreOfSet(claim, listed("0,10,16-17")), {
    ...{ avoided: 0, unpreferred: 2, level: 3, sockets: 2, nodes: 3, penalty: 3 },
    ...{ loose: 4, unorphaned: 3, moved: 4, foreign: 3 },
  });
  const { avoided, loose } = scoreOfSet({ ...claim, placement: "single-thread" }, listed("9-10"));
  assert.deepEqual({ avoided, loose }, { avoided: 1, loose: 0 }, "the idle sibling is kept from others too");
});
