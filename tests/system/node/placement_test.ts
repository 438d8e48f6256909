// Which CPUs containers run on while the agent is there. Every machine with two CPUs or more will do: what is pinned is
// the last CPU, and at least one CPU always stays shared.
import assert from "node:assert/strict";
import { assertRefused, assertRunsOn, comesToRunOn } from "./checks.ts";
import { eventually } from "./eventually.ts";
import { allowedCpus, cpuset, memoryNodes, numbers, online, without } from "./machine.ts";
import { exclusive, pinned, shared } from "./pods.ts";
import { onContainerd } from "./suite.ts";

const all = online();
const last = all.slice(-1);
const rest = without(all, last);

onContainerd(
  "a pinned pod gets its CPUs and their memory nodes; shared pods make room until it ends",
  async (node) => {
    await node.startAgent();
    const before = await node.run(shared());
    assertRunsOn(before, all);

    const pod = await node.run(pinned(`${last}`));
    assertRunsOn(pod, last);
    assert.deepEqual(cpuset(pod.pid).mems, memoryNodes(last));
    assert.deepEqual(numbers((await node.recorded(pod)).mems ?? ""), memoryNodes(last));
    await comesToRunOn(before, rest);

    const after = await node.run(shared());
    assertRunsOn(after, rest);
    assert.equal((await node.recorded(after)).mems, "");

    await node.end(pod);
    await comesToRunOn(before, all);
    await comesToRunOn(after, all);
  },
);

onContainerd("an exclusive pod gets a CPU that no shared pod may use until the pod ends", async (node) => {
  const agent = await node.startAgent();
  const before = await node.run(shared());
  const pod = await node.run(exclusive(1));
  const own = allowedCpus(pod.pid);
  assert.equal(own.length, 1);
  assertRunsOn(pod, own);
  await comesToRunOn(before, without(all, own));
  const after = await node.run(shared());
  assertRunsOn(after, without(all, own));

  Deno.kill(pod.pid, "SIGKILL"); // it ends by itself, nobody asked the runtime to stop it
  // Its process may still be counted in its cgroup when its end is reported: then that is followed first.
  await agent.says(
    /its CPUs are held for its pod|processes left in the cgroup of an ended container have ended/,
  );
  assertRunsOn(after, without(all, own));
  await eventually(() => node.end(pod)); // its shim may be ending
  await comesToRunOn(before, all);
  await comesToRunOn(after, all);
});

onContainerd("a CPU that two pods are pinned to is shared again when both have ended", async (node) => {
  await node.startAgent();
  const other = await node.run(shared());
  const one = await node.run(pinned(`${last}`));
  const two = await node.run(pinned(` ${last} `));
  assertRunsOn(two, last);
  await node.end(one);
  assertRunsOn(two, last);
  await comesToRunOn(other, rest);
  // Had the first end given the CPU back, this one would start with it.
  assertRunsOn(await node.run(shared()), rest);
  await node.end(two);
  await comesToRunOn(other, all);
});

onContainerd("a shared pod keeps off the CPUs that it forbids, as long as others are left", async (node) => {
  await node.startAgent();
  const pod = await node.run(shared({ "weka.io/forbid-core-ids": `${last}` }));
  assertRunsOn(pod, rest);
  const inTheWay = await node.run(pinned(`${rest}`));
  await comesToRunOn(pod, last);
  await node.end(inTheWay);
  await comesToRunOn(pod, rest);
  await assertRefused(node, shared({ "weka.io/forbid-core-ids": `${all}` }), /forbid/);
});

onContainerd("an exclusive pod keeps off the CPUs that it forbids, a pinned one does not", async (node) => {
  await node.startAgent();
  const free = all.slice(0, 1);
  const pod = await node.run(exclusive(1, { "weka.io/forbid-core-ids": `${without(all, free)}` }));
  assertRunsOn(pod, free);
  await node.end(pod);
  const { annotations, ...like } = pinned(`${last}`);
  const both = { ...like, annotations: { ...annotations, "weka.io/forbid-core-ids": `${last}` } };
  assertRunsOn(await node.run(both), last);
});

onContainerd(
  "an update that asks for other CPUs, or for none, leaves a pod on those that it has",
  async (node) => {
    await node.startAgent();
    const pod = await node.run(pinned(`${last}`));
    const other = await node.run(shared());
    const [elsewhere] = rest;
    for (const linux of [{ cpusetCpus: `${elsewhere}` }, { memoryLimitInBytes: 96n << 20n }]) {
      await node.cri.updateContainerResources({ containerId: pod.id, linux });
      assertRunsOn(pod, last);
    }
    await node.cri.updateContainerResources({ containerId: other.id, linux: { cpusetCpus: `${all}` } });
    assertRunsOn(other, rest);
  },
);
