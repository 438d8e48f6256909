import assert from "node:assert/strict";
import { cpuset, memoryNodes, numbers, online } from "../../node/machine.ts";
import { exclusive, pinned, type Pod, shared } from "../../node/pods.ts";
import { assertHas, assertWhole, cpusetFile } from "./kernel.ts";
import type { Scene } from "./scene.ts";
import type { Check } from "./story.ts";
import { assertInScope } from "./systemd.ts";

/** Of both nodes, and with half a core. */
const PINNED = [2, 3, 12];

const PODS: Record<string, Pod> = {
  before: shared(),
  after: shared(),
  pinned: pinned(`${PINNED}`),
  exclusive: exclusive(4),
  tooBig: exclusive(16),
};

/** The pods come, and stay: `before` and `after` are shared, and come before and after the agent. */
export async function arrivals(scene: Scene, check: Check): Promise<void> {
  const { setting } = scene;

  await check("without an agent a container inherits its CPUs: its cpuset is empty", async () => {
    await scene.prepare(PODS);
    await scene.share("before");
    assert.equal(cpusetFile(scene.the("before"), "cpuset.cpus"), "");
    assertHas(scene.the("before"), online());
  });

  await check("an agent that can leave it as it is does so", async () => {
    await scene.startAgent();
    await scene.share("after");
    assert.equal(cpusetFile(scene.the("before"), "cpuset.cpus"), "");
    scene.assertSettled();
  });

  await check("a pinned pod gets its CPUs and their memory nodes, and shared ones leave them", async () => {
    await scene.claim("pinned");
    if (setting.apply === "runtime") await scene.settles();
    assertHas(scene.the("pinned"), PINNED);
    scene.assertSettled();
    assert.deepEqual(memoryNodes(PINNED), [0, 1]);
    assert.deepEqual(cpuset(scene.the("pinned").pid).mems, [0, 1]);
    assert.equal(cpusetFile(scene.the("after"), "cpuset.mems"), "");
  });

  await check("a process that is run in a container later has the container's CPUs", async () => {
    for (const [name, cpus] of Object.entries({ pinned: PINNED, after: scene.pool })) {
      const said = await scene.exec(name, "grep", "Cpus_allowed_list", "/proc/self/status");
      assert.deepEqual(numbers(/^Cpus_allowed_list:\s*(\S+)/.exec(said)?.[1] ?? ""), cpus, said);
    }
  });

  await check("an exclusive pod gets whole cores of one node, and shared ones leave them", async () => {
    await scene.claim("exclusive");
    assertWhole(scene.of("exclusive"), 4);
    await scene.settles();
    assert.equal(cpusetFile(scene.the("exclusive"), "cpuset.mems"), "");
  });

  if (setting.driver === "systemd") {
    await check("their cgroups are systemd's, and found by the paths that the runtime names", async () => {
      for (const container of scene.everybody) await assertInScope(scene, container);
    });
  }

  await check("a claim that can't be served is refused, and every container keeps its CPUs", async () => {
    await scene.assertRefused("tooBig", /needs 16 exclusive CPUs, \d+ are free/);
    scene.assertSettled();
  });
}
