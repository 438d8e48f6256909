/** Pods whose runtime keeps no process in the cgroups of their containers. */
import assert from "node:assert/strict";
import type { PodSpec } from "../../../../tools/simulate/pods.ts";
import { exclusive, Stage, STEPS } from "../../../../tools/simulate/stage.ts";

const TWO: PodSpec = {
  ...exclusive(1),
  containers: ["a", "b"].flatMap((name) => exclusive(1).containers.map((each) => ({ ...each, name }))),
};

for (const handler of ["gvisor", "unknown"] as const) {
  Deno.test(`nobody lives in the cgroups of containers of the handler ${handler}, and they have their CPUs`, () => {
    const stage = Stage.serving({ mode: "kernel", reconcileEvery: 1000 });
    stage.run("e", { ...TWO, handler });
    assert.deepEqual([stage.life("e"), stage.world.kernel.isEmpty("e")], ["running", true]);
    const steps = STEPS.map((kind) => ({ kind, id: "f" }));
    assert.equal(stage.play({ kind: "create", pod: 1, slot: 1, id: "f" }, ...steps), undefined);
    assert.equal(stage.play({ kind: "quiet" }), undefined);
    assert.deepEqual([stage.kernel("e"), stage.kernel("f")], ["1", "2"]);
  });
}

Deno.test("what is about processes doesn't happen to them", () => {
  const stage = Stage.serving({ mode: "kernel" });
  stage.run("e", { ...exclusive(2), handler: "unknown" });
  stage.play({ kind: "pin", id: "e", cpus: "1" }, { kind: "hold", id: "e", cpus: "1" });
  stage.play({ kind: "forget", id: "e" }, { kind: "desert", id: "e" }, { kind: "linger", id: "e" });
  const { kernel, runtime } = stage.world;
  assert(kernel.held("e").isEmpty && !kernel.masks.pinsItself("e", kernel.online));
  assert.deepEqual([stage.life("e"), runtime.lingering.size], ["running", 0]);
});
