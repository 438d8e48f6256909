import assert from "node:assert/strict";
import { assertRunsOn, comesToRunOn } from "./checks.ts";
import { CriError } from "./cri.ts";
import { online } from "./machine.ts";
import type { Running, TestNode } from "./node.ts";
import { exclusive, resources, shared } from "./pods.ts";
import { onContainerd } from "./suite.ts";

const all = online();
const [first, ...rest] = all;

/** What kubelet sends when a container's CPU request and limit are changed in place. */
function resize(node: TestNode, { id }: Running, cpus: number): Promise<unknown> {
  const { cpuShares, cpuPeriod, cpuQuota } = resources(exclusive(cpus));
  return node.cri.updateContainerResources({ containerId: id, linux: { cpuShares, cpuPeriod, cpuQuota } });
}

onContainerd(
  "a container that is resized goes to the pool and back, and the others make room",
  async (node) => {
    await node.startAgent();
    const other = await node.run(shared());
    const pod = await node.run(exclusive(rest.length));
    assertRunsOn(pod, rest);
    await comesToRunOn(other, [first ?? 0]);
    await resize(node, pod, 0.5);
    await comesToRunOn(pod, all);
    await comesToRunOn(other, all);
    await resize(node, pod, rest.length);
    await comesToRunOn(pod, rest);
    await comesToRunOn(other, [first ?? 0]);
  },
);

onContainerd(
  "a resize without room fails with the numbers, and the container keeps what it has",
  async (node) => {
    await node.startAgent();
    const pod = await node.run(exclusive(rest.length));
    await assert.rejects(resize(node, pod, all.length), (error) => {
      assert(error instanceof CriError, `${error}`);
      assert.match(error.message, /needs \d+ exclusive CPUs, \d+ (is|are) free \(/);
      return true;
    });
    assertRunsOn(pod, rest);
    await resize(node, pod, rest.length);
    assertRunsOn(pod, rest);
  },
);
