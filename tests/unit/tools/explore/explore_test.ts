/** The exploration: no problem within a few events, planted faults, and which nodes count as one. */
import assert from "node:assert/strict";
import { keyOf } from "../../../../tools/explore/canonical.ts";
import { eventsOf, parseEvent } from "../../../../tools/explore/events.ts";
import { explore } from "../../../../tools/explore/explore.ts";
import { KeySet } from "../../../../tools/explore/key_set.ts";
import { MODES, type Node } from "../../../../tools/explore/node.ts";
import { PLANTED } from "../../../../tools/explore/planted.ts";
import { Player } from "../../../../tools/explore/player.ts";
import { parsePath, pathText, replay } from "../../../../tools/explore/replay.ts";

for (const mode of MODES) {
  Deno.test(`${mode}: no sequence of three events breaks an invariant`, () => {
    const { depth, states, found } = explore(mode, { depth: 3, ms: Infinity });
    assert.deepEqual(found, []);
    assert.equal(depth, 3);
    assert(states > 1000, `${states} states`);
  });
}

Deno.test("a planted fault is found by the shortest path, which shows it again when it is replayed", () => {
  const planted = PLANTED.find(({ breaks }) => breaks.startsWith("a refused call changes nothing"));
  assert(planted !== undefined);
  const { mode, doubles } = planted;
  const [first] = explore(mode, { depth: 3, ms: Infinity, doubles }).found;
  assert(first !== undefined);
  assert.equal(first.path.length, 3);
  assert.equal(replay(mode, first.path, doubles).problem, first.problem);
  assert.equal(replay(mode, first.path).problem, undefined);
});

Deno.test("there is a planted fault in each of thirteen rules", () => {
  assert.equal(new Set(PLANTED.map(({ breaks }) => breaks.split(":")[0])).size, 13);
});

function reach(path: string): Node {
  const player = new Player("kernel");
  return path.split("; ").reduce((node, event) => player.play(node, parseEvent(event)).node, player.empty);
}

Deno.test("nodes that differ in ids, places or times alone count as one", () => {
  const key = keyOf(reach("run pinned"));
  assert.equal(keyOf(reach("run shared; run pinned; stopPod 0")), key);
  assert.equal(keyOf(reach("create pinned; start 0a; posted 0a")), key);
  assert.equal(keyOf(reach("run pinned; stop 0a; rerun 0")), key);
  assert.notEqual(keyOf(reach("run shared")), key);
  assert.notEqual(keyOf(reach("run pinned; tamper 0a")), key);
  assert.notEqual(keyOf(reach("create pinned")), key);
});

Deno.test("a path is printed as it is read", () => {
  const text = "runtime: run exclusive; resize 0a to 2; cpuOff 1; wait; stopPod 0";
  const { mode, path } = parsePath(text);
  assert.equal(pathText(mode, path), text);
  assert.throws(() => parsePath("blind: wait"), /no mode: blind/);
  assert.throws(() => parsePath("kernel: explode 0a"), /no event: explode 0a/);
});

Deno.test("what can happen is what can be parsed", () => {
  const node = reach("run exclusive; create pinned; cpuOff 2");
  for (const event of eventsOf(node)) {
    assert.deepEqual(parsePath(pathText("kernel", [event])).path, [event]);
  }
});

Deno.test("a set of keys grows, and tells what is new", () => {
  const keys = new KeySet();
  for (let i = 0; i < 100_000; i++) assert(keys.add(`key ${i}`));
  assert.equal(keys.size, 100_000);
  assert(!keys.add("key 99999"));
  assert(keys.has("key 0") && !keys.has("key 100000"));
});
