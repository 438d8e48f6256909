import assert from "node:assert/strict";
import { eventually } from "../../node/eventually.ts";
import { allowedCpus } from "../../node/machine.ts";
import { pinned } from "../../node/pods.ts";
import { assertHas, plug, unplug } from "./kernel.ts";
import type { Scene } from "./scene.ts";
import type { Check } from "./story.ts";

/** CPUs go offline and come back. */
export async function hotplug(scene: Scene, check: Check): Promise<void> {
  await check("an exclusive pod whose CPU goes offline is placed anew, and shared ones follow", async () => {
    const [gone = -1] = scene.of("exclusive");
    await unplug(gone);
    const { pid } = scene.the("exclusive");
    await eventually(() => assert.equal(allowedCpus(pid).length, 4));
    assert(!scene.claims("exclusive").includes(gone));
    await scene.settles();
    await plug(gone);
    assert(scene.pool.includes(gone));
    await scene.settles();
  });

  await check("a pinned pod whose CPU goes offline keeps the others, until it is back", async () => {
    const { agent } = scene;
    const said = agent.lines.length;
    const own = scene.of("pinned");
    const gone = own.at(-1) ?? -1;
    await unplug(gone);
    await agent.says(new RegExp(`container degraded.*names CPU ${gone}, not online`), said);
    await scene.settles();
    assertHas(scene.the("pinned"), own.slice(0, -1));
    await scene.prepare({ offline: pinned(`${gone}`) });
    await scene.assertRefused("offline", new RegExp(`names CPU ${gone}, not online`));
    await plug(gone);
    await agent.says(/no longer degraded/, said);
    await scene.settles();
    assertHas(scene.the("pinned"), own);
  });
}
