/** Masks of threads in the simulation: the kernel's rules, and that an agent is found that moves who pins itself. */
import assert from "node:assert/strict";
import { step } from "../../../../src/agent/step.ts";
import { CpuSet } from "../../../../src/cpu/cpu_set.ts";
import { setOf } from "../../../../tools/simulate/cpus.ts";
import type { Step } from "../../../../tools/simulate/instance.ts";
import { Masks } from "../../../../tools/simulate/masks.ts";
import type { Scenario } from "../../../../tools/simulate/scenario.ts";
import { exclusive, pinned, SHARED, Stage } from "../../../../tools/simulate/stage.ts";

/** An agent that has never seen anything of its containers' threads when the next call comes. */
const forgetful: Step = (agent, input) => {
  const ledger = agent.state.ledger.assignments.values().reduce(
    (next, { container: { id } }) => next.update(id, ({ affinity: _, ...rest }) => rest),
    agent.state.ledger,
  );
  const { cpusets, ...state } = agent.state;
  const next = step({ ...agent, state: { ...state, ledger } }, input);
  return cpusets === undefined
    ? next
    : { ...next, agent: { ...next.agent, state: { ...next.agent.state, cpusets } } };
};

function stageWith(change: Step = step, scenario: Partial<Scenario> = {}): Stage {
  return Stage.serving({ mode: "runtime", reconcileEvery: 60_000, ...scenario }, { step: change });
}

function seen(stage: Stage): void {
  stage.run("s", SHARED);
  stage.run("e", exclusive(2));
  stage.play({ kind: "pin", id: "e", cpus: "1" }, { kind: "pin", id: "s", cpus: "3" });
  for (let n = 0; n < 3; n++) stage.play({ kind: "tick", ms: 72_000 });
}

Deno.test("a mask is intersected with the set; where nothing is left the set counts; before Linux 6.2 a write ends it", () => {
  const read = (masks: Masks, cpus: string) => {
    const { masks: less, hasWhole } = masks.read("c", setOf(cpus), "threads");
    return `${less.join(" ")}${hasWhole ? " whole" : ""}`;
  };
  for (const version of [1, 2] as const) {
    const masks = new Masks(version, setOf("0-1"));
    masks.create("c");
    masks.pin("c", setOf("3"));
    assert.deepEqual(
      [read(masks, "0,3-5"), read(masks, "4-5")],
      version === 2 ? ["0 3", " whole"] : ["3 whole", " whole"],
    );
    assert.deepEqual([masks.pinsItself("c", setOf("0,3-5")), masks.pinsItself("c", setOf("3"))], [
      true,
      false,
    ]);
    masks.written("c");
    assert.equal(read(masks, "0,3-5"), version === 2 ? "0 3" : " whole");
    masks.pin("c", CpuSet.empty);
    assert.equal(masks.pinsItself("c", setOf("0,3-5")), false);
  }
});

Deno.test("what a container inherits is seen at its start, and one that pins itself isn't moved", () => {
  const stage = stageWith(step, { mode: "kernel", runtimeMask: "0-1" });
  stage.run("s", SHARED);
  assert.equal(stage.run("e", exclusive(2)), undefined);
  assert.equal(stage.world.inCharge?.placed.get("e")?.affinity, "narrowed");
  const other = stageWith();
  other.run("e", exclusive(2));
  other.play({ kind: "pin", id: "e", cpus: "1" });
  other.create("p", pinned("1"));
  assert.equal(other.world.seen.refused, 1);
  assert.equal(`${other.world.inCharge?.placed.get("e")?.grant}`, "1-2");
});

Deno.test("an agent that moves a container which it has seen pin itself is found", () => {
  const right = stageWith();
  seen(right);
  assert.equal(right.create("p", pinned("1")), undefined);
  let isForgetful = false;
  const stage = stageWith((agent, input) => (isForgetful ? forgetful : step)(agent, input));
  seen(stage);
  isForgetful = true;
  assert.match(stage.create("p", pinned("1")) ?? "", /e pins its own threads, and is moved from 1-2 to 2-3/);
});

Deno.test("an agent that takes a program's own mask for one of the runtime's is found", () => {
  const lying: Step = (agent, input) => {
    const next = step(agent, input);
    const ledger = next.agent.state.ledger.update(
      "e",
      (own) => ({ ...own, affinity: { inherited: setOf("1") } }),
    );
    return { ...next, agent: { ...next.agent, state: { ...next.agent.state, ledger } } };
  };
  const stage = stageWith(lying, { mode: "kernel" });
  assert.match(stage.run("e", exclusive(2)) ?? "", /said to be narrowed only where its first process is: e/);
});
