import assert from "node:assert/strict";
import { eventually } from "../../node/eventually.ts";
import { pinned } from "../../node/pods.ts";
import { assertHas, plug, unplug } from "./kernel.ts";
import type { Scene } from "./scene.ts";
import type { Check } from "./story.ts";

/** CPUs go offline and come back. */
export async function hotplug(scene: Scene, check: Check): Promise<void> {
  await check("an exclusive pod whose CPU goes offline is placed anew, and shared ones follow", async () => {
    const [gone = -1] = scene.of("exclusive");
    await unplug(gone);
    // For a moment runc 1.1.5 has systemd put it on other CPUs, as many: the bytes of AllowedCPUs are in the wrong order.
    await eventually(() => {
      const own = scene.claims("exclusive");
      assert.equal(own.length, 4);
      assert(!own.includes(gone));
      scene.assertSettled();
    });
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
