/** That the simulated runtime really has the traps which a real one has. */
import assert from "node:assert/strict";
import { viewOf } from "../../../../tools/simulate/view.ts";
import { exclusive, pinned, SHARED, Stage, STEPS } from "../../../../tools/simulate/stage.ts";

Deno.test("an update of a container that runs is in its record and in the kernel", () => {
  const stage = Stage.serving();
  stage.run("s", SHARED);
  stage.create("e", exclusive(1));
  assert.deepEqual([stage.record("s"), stage.kernel("s")], ["0,2-3", "0,2-3"]);
});

Deno.test("between runc's create and running an update changes the record alone, and is repaired once it runs", () => {
  const stage = Stage.serving();
  stage.run("s", SHARED, "runc");
  stage.create("e", exclusive(1));
  assert.deepEqual([stage.record("s"), stage.kernel("s")], ["0,2-3", ""]);
  stage.play(...(["start", "run", "posted"] as const).map((kind) => ({ kind, id: "s" })));
  assert.equal(stage.kernel("s"), "", "nothing else was written yet");
  stage.play({ kind: "apply", sequence: 0, reachable: true }, { kind: "applied", id: "s" });
  assert.equal(stage.kernel("s"), "0,2-3");
});

Deno.test("an update of a container that isn't noted yet is lost, and counts as success", () => {
  const stage = Stage.serving();
  stage.create("s", SHARED);
  stage.create("e", exclusive(1));
  assert.equal(stage.record("s"), undefined);
  assert.equal(stage.life("e"), "asked");
});

Deno.test("an update that fails changes nothing, and isn't reported", () => {
  const stage = Stage.serving();
  stage.run("s", SHARED);
  stage.play({ kind: "fault", after: 0, effect: "fail" });
  stage.create("e", exclusive(1));
  assert.deepEqual([stage.record("s"), stage.kernel("s")], [undefined, ""]);
  assert.equal(stage.world.exemptions.cause("s"), "failed");
  assert.equal(`${stage.world.inCharge?.placed.get("s")?.record}`, "0,2-3", "the agent takes it for done");
});

Deno.test("an update that is lost is in the record and not in the kernel", () => {
  const stage = Stage.serving();
  stage.run("s", SHARED);
  stage.play({ kind: "fault", after: 0, effect: "lose" });
  stage.create("e", exclusive(1));
  assert.deepEqual([stage.record("s"), stage.kernel("s")], ["0,2-3", ""]);
});

Deno.test("an update that was agreed to is applied later than a newer one, with its old value", () => {
  const stage = Stage.serving();
  stage.run("s", SHARED);
  stage.run("p", pinned("3"));
  stage.play({ kind: "update", id: "s", resources: { memory: 1 } });
  stage.create("e", exclusive(1));
  assert.equal(stage.record("s"), "0,2");
  stage.play({ kind: "applied", id: "s" });
  assert.equal(stage.record("s"), "0-2");
  assert.equal(stage.world.exemptions.cause("s"), "overtaken");
});

Deno.test("a creation that failed is reported as Stop and Remove without a start, at any later time", () => {
  const stage = Stage.serving();
  stage.create("e", exclusive(3));
  stage.play({ kind: "abort", id: "e" });
  assert.equal(`${stage.world.inCharge?.claimed}`, "1-3");
  stage.play({ kind: "undo", id: "e" });
  assert.deepEqual(stage.world.inCharge?.held.map(({ name, grant }) => `${name} ${grant}`), ["a 1-3"]);
});

Deno.test("when runc can't create it nothing is reported before the sandbox stops", () => {
  const stage = Stage.serving();
  stage.run("e", exclusive(3), "note");
  stage.play({ kind: "runcFails", id: "e" }, { kind: "remove", id: "e" });
  assert.equal(`${stage.world.inCharge?.claimed}`, "1-3");
  stage.play({ kind: "stopPod", pod: 1 });
  assert.equal(`${stage.world.inCharge?.claimed}`, "");
});

Deno.test("a restart creates before the old container's end is reported", () => {
  const stage = Stage.serving();
  stage.run("e", exclusive(1));
  stage.play({ kind: "exit", id: "e" }, { kind: "create", pod: 1, slot: 0, id: "e2" });
  assert.equal(stage.record("e2"), "1");
  stage.play({ kind: "stopTold", id: "e" });
  assert.equal(`${stage.world.inCharge?.claimed}`, "1");
});

Deno.test("a connection that breaks inside a call, or inside its answer, lets the container start unplaced", () => {
  for (const side of ["call", "answer"] as const) {
    const stage = Stage.serving();
    stage.play({ kind: "cut", side, at: 20 });
    stage.create("e", exclusive(1));
    assert.equal(stage.record("e"), undefined);
    assert.equal(stage.world.inCharge, undefined);
  }
});

Deno.test("Synchronize doesn't list a container that is being created", () => {
  const stage = new Stage();
  stage.run("s", SHARED);
  stage.create("t", SHARED);
  stage.play({ kind: "connect" }, { kind: "sync", parts: 2 });
  assert.deepEqual([...stage.world.inCharge?.placed.keys() ?? []], ["s"]);
});

Deno.test("NRI 0.6 has a gap between the list and the first event", () => {
  const stage = new Stage({ nri: "0.6" });
  stage.run("e", exclusive(1));
  stage.play({ kind: "connect" }, { kind: "sync", parts: 1 }, { kind: "stop", id: "e" }, { kind: "join" });
  assert.equal(`${stage.world.inCharge?.claimed}`, "1", "nobody has told of its end");
});

Deno.test("containerd 1.7.24 never synchronizes a launched plugin: it asks the CRI, whose list comes late", () => {
  const stage = new Stage({ nri: "0.6", way: "launched" });
  stage.run("e", exclusive(1));
  stage.play({ kind: "connect" }, { kind: "sync", parts: 1 }, { kind: "tick", ms: 1000 });
  assert(stage.world.inCharge === undefined);
  stage.play({ kind: "list" }, { kind: "tick", ms: 500 }, { kind: "listed" });
  assert.deepEqual([...viewOf(stage.agent).placed.keys()], ["e"]);
});

Deno.test("a launched agent's process ends with its connection, and the standby can take over", () => {
  const stage = Stage.serving({ way: "launched", standby: "last" });
  assert.equal(stage.world.instances.length, 2);
  stage.play({ kind: "drop" });
  assert.equal(stage.world.owner, undefined);
  stage.play({ kind: "promote" }, { kind: "tick", ms: 1000 }, { kind: "list" }, { kind: "listed" });
  assert(stage.world.inCharge);
});

/** An agent that has listed three containers and asks the CRI to update them. */
function asking(): Stage {
  const stage = new Stage({ nri: "0.6", way: "launched" });
  stage.run("s", SHARED);
  stage.run("t", SHARED);
  stage.run("p", pinned("3"));
  stage.play({ kind: "connect" }, { kind: "tick", ms: 1000 }, { kind: "list" }, { kind: "listed" });
  return stage;
}

Deno.test("an apply asks the CRI for one container after the other", () => {
  const stage = asking();
  const sequences = stage.world.owner?.sequences ?? [];
  assert.deepEqual(sequences.map(({ left }) => left.length), [3]);
  stage.play({ kind: "apply", sequence: 0, reachable: true });
  assert.deepEqual(sequences.map(({ left, busy }) => [left.length, busy]), [[2, true]]);
  stage.play({ kind: "apply", sequence: 0, reachable: true });
  assert.deepEqual(sequences.map(({ left }) => left.length), [2], "the first isn't applied yet");
});

Deno.test("an apply for which the CRI can't be reached is forgotten", () => {
  const stage = asking();
  stage.play({ kind: "apply", sequence: 0, reachable: false });
  assert.deepEqual(stage.world.owner?.sequences, []);
  assert.equal(stage.world.exemptions.counts.get("apply failed"), 3);
});

Deno.test("events whose subjects aren't there do nothing", () => {
  const stage = Stage.serving();
  const ids = [
    ...STEPS,
    "abort",
    "undo",
    "runcFails",
    "exit",
    "stopTold",
    "stop",
    "remove",
    "applied",
  ] as const;
  const problem = stage.play(
    ...ids.map((kind) => ({ kind, id: "nobody" })),
    { kind: "create", pod: 9, slot: 0, id: "x" },
    { kind: "stopPod", pod: 9 },
    { kind: "removePod", pod: 9 },
    { kind: "update", id: "nobody", resources: {} },
    { kind: "apply", sequence: 9, reachable: true },
    { kind: "tamper", id: "nobody", cpus: "0" },
    { kind: "promote" },
    { kind: "list" },
    { kind: "listed" },
    { kind: "counted" },
    { kind: "scanned" },
    { kind: "ground" },
  );
  assert.equal(problem, undefined);
  assert.equal(stage.world.runtime.containers.size, 0);
});
