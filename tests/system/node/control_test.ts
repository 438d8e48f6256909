// The control experiment: without the agent nothing is confined and writes are seen, so the other files' checks can fail.
import assert from "node:assert/strict";
import { assertRunsOn, writesDuring } from "./checks.ts";
import { online } from "./machine.ts";
import { exclusive, pinned, shared } from "./pods.ts";
import { onContainerd } from "./suite.ts";

onContainerd(
  "without the agent every container may use every CPU, whatever its pod asks for",
  async (node) => {
    for (const pod of [shared(), pinned("0"), exclusive(1)]) {
      const container = await node.run(pod);
      assertRunsOn(container, online());
      const { cpus, mems } = await node.recorded(container);
      assert.deepEqual({ cpus, mems }, { cpus: "", mems: "" });
    }
  },
);

onContainerd("a write to a container's cpuset is detected, also one that changes nothing", async (node) => {
  const container = await node.run(shared());
  const update = async () => {
    await node.cri.updateContainerResources({ containerId: container.id, linux: { cpusetCpus: "0" } });
  };
  await update();
  assertRunsOn(container, [0]);
  assert.equal((await writesDuring(node, [container], update)).length, 1);
  assert.deepEqual(await writesDuring(node, [container], async () => {}), []);
});
