import assert from "node:assert/strict";
import { numbers, online, without } from "../../node/machine.ts";
import { exclusive, shared } from "../../node/pods.ts";
import { assertHas } from "./kernel.ts";
import type { Scene } from "./scene.ts";
import type { Check } from "./story.ts";

/** By `isolcpus=`: a core of each node. */
const ISOLATED = [6, 7, 14, 15];
/** Of all agents of the day. */
const QUOTA_OFF = { WEKA_CPUSET_EXCLUSIVE_QUOTA: "off" };

/** The agent starts, and keeps isolated CPUs for claims at first. */
export async function isolated(scene: Scene, check: Check): Promise<void> {
  await check("isolated CPUs aren't in the shared pool where they are kept for claims", async () => {
    assert.deepEqual(numbers(Deno.readTextFileSync("/sys/devices/system/cpu/isolated")), ISOLATED);
    await scene.prepare({ before: shared(), two: exclusive(2), six: exclusive(6) });
    await scene.startAgent({ ...QUOTA_OFF, WEKA_CPUSET_ISOLATED_CPUS: "exclusive" });
    await scene.share("before");
    assertHas(scene.the("before"), without(online(), ISOLATED));
  });

  await check("a claim has isolated CPUs only, or none", async () => {
    await scene.claim("two");
    assert.deepEqual(without(scene.of("two"), ISOLATED), []);
    await scene.claim("six");
    assert.deepEqual([scene.of("six").length, without(scene.of("six"), ISOLATED).length], [6, 6]);
    assertHas(scene.the("before"), without(without(online(), ISOLATED), scene.of("six")));
  });

  await check("without that rule they are in the pool, with the next agent", async () => {
    await scene.agent.end("SIGKILL");
    await scene.startAgent(QUOTA_OFF);
    await scene.settles();
    for (const name of ["two", "six"]) await scene.end(name);
    await scene.settles();
  });
}
