// The mask of its runtime, which a container inherits. On two CPUs only a shared pod has both, so it is seen while it runs.
import assert from "node:assert/strict";
import { allowedCpus, online } from "./machine.ts";
import { MASKS_LAST, withRuntimeOn } from "./masks.ts";
import type { Running } from "./node.ts";
import { shared } from "./pods.ts";
import { onContainerd } from "./suite.ts";

onContainerd("what a container inherits from its runtime's mask is seen", async (node) => {
  const agent = await node.startAgent({ env: { WEKA_CPUSET_RECONCILE_SECONDS: "1" } });
  const all = online();
  const half = all.slice(1);
  const pods: Running[] = [];
  await withRuntimeOn(node.dir, half, async () => void pods.push(await node.run(shared())));
  const [pod] = pods;
  assert(pod !== undefined);
  assert.deepEqual(allowedCpus(pod.pid), MASKS_LAST ? half : all);
  if (MASKS_LAST) await agent.says(/container narrowed: its threads may use a part of its CPUs.*CPUAffinity/);
});
