import assert from "node:assert/strict";
import { eventually } from "../../node/eventually.ts";
import { without } from "../../node/machine.ts";
import { exclusive } from "../../node/pods.ts";
import { assertHas } from "./kernel.ts";
import type { Scene } from "./scene.ts";
import type { Check } from "./story.ts";

/** Of the pod as a whole; a container without figures of its own is sent these. */
const POD = exclusive(4);
const OWN = exclusive(3);

/** Pods with resources of their own: containers without any share what the others leave. */
export async function podLimits(scene: Scene, check: Check): Promise<void> {
  await check(
    "what a container with figures of its own leaves of its pod's is the others', in any order",
    async () => {
      await scene.prepare({ late: POD, early: POD });
      await scene.claim("late");
      assert.equal(scene.of("late").length, 4);
      await scene.add("late", "own", OWN);
      await scene.add("early", "own", OWN);
      await scene.claim("early");
      for (const name of ["late", "early"]) {
        await eventually(() => {
          assert.equal(scene.claims(name).length, 1);
          assert.equal(scene.claims(`${name}/own`).length, 3);
          assert.deepEqual(without(scene.of(name), scene.of(`${name}/own`)), scene.of(name));
        });
      }
      await scene.settles();
    },
  );

  await check("another one without figures shares these, and nobody else has them", async () => {
    await scene.add("late", "beside", POD);
    assertHas(scene.the("late/beside"), scene.of("late"));
    await scene.settles();
    for (const name of ["late", "early"]) await scene.end(name);
    await scene.settles();
  });
}
