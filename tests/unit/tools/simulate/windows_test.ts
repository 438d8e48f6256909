/** How long a container may differ in the kernel: each window opens for a reason, and is closed. */
import assert from "node:assert/strict";
import { step } from "../../../../src/agent/step.ts";
import { setOf } from "../../../../tools/simulate/cpus.ts";
import type { Step } from "../../../../tools/simulate/instance.ts";
import { exclusive, SHARED, Stage } from "../../../../tools/simulate/stage.ts";

const TAMPER = { kind: "tamper", id: "s", cpus: "0-3" } as const;

function serving(reconcileEvery: number, change: Step = step): Stage {
  const stage = Stage.serving({ mode: "kernel", reconcileEvery }, { step: change });
  assert.equal(stage.run("s", SHARED) ?? stage.run("e", exclusive(1)), undefined);
  return stage;
}

/** An agent that reads nothing by itself. */
const sleeping: Step = (agent, input) => input.kind === "tick" ? { agent, outputs: [] } : step(agent, input);

Deno.test("a set that another program wrote is exempted until a reconciliation was due", () => {
  const stage = serving(1000, sleeping);
  assert.equal(stage.play(TAMPER, { kind: "tick", ms: 1000 }), undefined);
  assert.match(
    stage.play({ kind: "tick", ms: 2000 }, { kind: "tick", ms: 1000 }) ?? "",
    /s runs on 0-3, e has 1/,
  );
});

Deno.test("an agent that reconciles has repaired it by then", () => {
  const stage = serving(1000);
  const wait = { kind: "tick", ms: 1500 } as const;
  assert.equal(stage.play(TAMPER, wait, wait, { kind: "wake" }, wait), undefined);
  assert.equal(stage.kernel("s"), "0,2-3");
  assert.equal(stage.world.windows.has("s"), false, "the window closes when all is right");
});

Deno.test("without reconciliation it is exempted for good", () => {
  const stage = serving(0, sleeping);
  assert.equal(stage.play(TAMPER, { kind: "tick", ms: 11_000 }, { kind: "tick", ms: 11_000 }), undefined);
});

Deno.test("while its cgroup can't be read no reconciliation is due", () => {
  const stage = serving(1000, sleeping);
  const wait = { kind: "tick", ms: 3000 } as const;
  assert.equal(stage.play(TAMPER, { kind: "hide", id: "s" }, wait, wait, wait), undefined);
  assert.match(stage.play({ kind: "show", id: "s" }, wait, wait, wait) ?? "", /s runs on 0-3/);
});

Deno.test("an older update is exempted until PostUpdateContainer and the tick after it", () => {
  const stage = Stage.serving({ mode: "kernel", reconcileEvery: 0 }, { step: sleeping });
  stage.run("s", SHARED);
  stage.play({ kind: "update", id: "s", resources: { cpus: "0-3" } });
  stage.run("e", exclusive(1));
  assert.equal(stage.play({ kind: "applied", id: "s" }), undefined);
  assert.equal(stage.kernel("s"), "0-3", "the old set is back");
  assert.equal(stage.play({ kind: "updated", id: "s" }), undefined);
  assert.match(stage.play({ kind: "tick", ms: 500 }) ?? "", /s runs on 0-3, e has 1/);
});

Deno.test("the CPUs that an answer gives are promised, as they are, and none of the pool", () => {
  const stage = serving(0);
  const { windows } = stage.world;
  assert.equal(windows.isPromised("e", setOf("1")), true);
  assert.equal(windows.isPromised("e", setOf("0-1")), false);
  assert.equal(windows.isPromised("s", setOf("0")), false);
});
