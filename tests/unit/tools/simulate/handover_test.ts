/** Two agents: what the one on standby receives, and that a hand-over which moves or invents something is found. */
import assert from "node:assert/strict";
import { setOf } from "../../../../tools/simulate/cpus.ts";
import { promotedProblem, steadyIn } from "../../../../tools/simulate/invariants_handover.ts";
import type { Scenario } from "../../../../tools/simulate/scenario.ts";
import { exclusive, Stage } from "../../../../tools/simulate/stage.ts";
import { viewOf } from "../../../../tools/simulate/view.ts";

/** With one container that has two CPUs of its own. */
function pair(standby: Scenario["standby"], way: Scenario["way"] = "launched"): Stage {
  const stage = Stage.serving({ standby, way, mode: "kernel", reconcileEvery: 10_000 });
  assert.equal(stage.run("e", exclusive(2)), undefined);
  return stage;
}

const heldBy = (stage: Stage) => [...viewOf(stage.agent).placed.keys()];

Deno.test("an agent on standby receives a creation that the active one refuses only if it is asked before", () => {
  for (const [standby, received] of [["first", ["e", "big"]], ["last", ["e"]]] as const) {
    const stage = pair(standby);
    stage.create("big", exclusive(4));
    assert.equal(stage.life("big"), "exited");
    assert.equal(stage.play({ kind: "promote" }), undefined);
    assert.deepEqual(heldBy(stage), received);
  }
});

Deno.test("plugins after one that refuses a start aren't asked", () => {
  const stage = pair("last");
  stage.run("late", exclusive(1), "runc");
  const asked: string[] = [];
  for (const [at, instance] of stage.world.instances.entries()) {
    const call = (method: string) => {
      asked.push(`${at} ${method}`);
      return { kind: "refusal", message: "no" };
    };
    Object.assign(instance, { call });
  }
  stage.play({ kind: "start", id: "late" });
  assert.equal(asked[0], "0 StartContainer");
  assert(!asked.includes("1 StartContainer"), asked.join());
});

Deno.test("an agent that is started from outside is followed by its standby, and comes back as the next one", () => {
  const stage = pair("first", "external");
  const [heir] = stage.world.instances;
  assert.equal(stage.play({ kind: "restartAgent" }), undefined);
  assert.equal(stage.world.owner, heir);
  assert.deepEqual(stage.world.instances.map(({ dead, connected }) => [dead, connected]), [
    [false, true],
    [false, false],
  ]);
  assert.equal(stage.play({ kind: "quiet" }), undefined);
});

Deno.test("a hand-over that moves a container is found, and one that counts what was refused long ago", () => {
  const stage = pair("last");
  const { world } = stage;
  const [{ owner }, steady] = [world, steadyIn(world)];
  assert(owner);
  assert.deepEqual([...steady].map(([id, cpus]) => `${id} ${cpus}`), ["e 1-2"]);
  assert.equal(promotedProblem(world, owner, steady), undefined);
  assert.match(promotedProblem(world, owner, new Map([["e", setOf("3")]])) ?? "", /e had 3 and has 1-2/);
  world.runtime.containers.delete("e");
  world.refusals.set("e", world.now - 10_000);
  assert.equal(promotedProblem(world, owner, new Map()), undefined);
  world.refusals.set("e", world.now - 10_001);
  assert.match(promotedProblem(world, owner, new Map()) ?? "", /e, whose creation was refused, counts/);
});
