// CFS quotas of containers with CPUs of their own, in the kernel's files: by default those of their limits, or none.
import assert from "node:assert/strict";
import { eventually } from "./eventually.ts";
import { cgroupMounts } from "./machine.ts";
import type { TestNode } from "./node.ts";
import { exclusive, pinned, type Pod, resources } from "./pods.ts";
import { onContainerd } from "./suite.ts";

/** The directory with the CFS quota of a process' cgroup, of v1's cpu controller or of v2. */
function cpuDirectory(pid: number): string {
  const mount = cgroupMounts().find(({ version, options }) => version === 1 && options.includes("cpu"));
  const lines = Deno.readTextFileSync(`/proc/${pid}/cgroup`).trim().split("\n").map((line) =>
    line.split(":")
  );
  const own = lines.find(([, names = ""]) =>
    mount === undefined ? names === "" : names.split(",").includes("cpu")
  );
  const root = mount?.root ?? cgroupMounts().find(({ version }) => version === 2)?.root ?? "";
  return root + (own?.slice(2).join(":") ?? "");
}

const isV1 = cgroupMounts().some(({ version, options }) => version === 1 && options.includes("cpu"));
const FILE = isV1 ? "cpu.cfs_quota_us" : "cpu.max";

/** Microseconds; `max` for none. */
function quotaIn(directory: string): string {
  const [quota = ""] = Deno.readTextFileSync(`${directory}/${FILE}`).trim().split(" ");
  return quota === "-1" ? "max" : quota;
}

/** What kubelet gives a pod's cgroup. */
function limitPod(directory: string, quota: number): string {
  const pod = directory.slice(0, directory.lastIndexOf("/"));
  Deno.writeTextFileSync(`${pod}/${FILE}`, isV1 ? `${quota}` : `${quota} 100000`);
  return pod;
}

const half: Pod = { annotations: {}, qos: "guaranteed", request: 0.5, limit: 0.5 };
const off = { env: { WEKA_CPUSET_EXCLUSIVE_QUOTA: "off", WEKA_CPUSET_RECONCILE_SECONDS: "1" } };

async function start(node: TestNode, pod: Pod, podQuota: number): Promise<{ own: string; pod: string }> {
  const { pid } = await node.run(pod);
  const own = cpuDirectory(pid);
  return { own, pod: limitPod(own, podQuota) };
}

onContainerd(
  "exclusive and pinned containers and their pods have no CFS quota where that is off",
  async (node) => {
    await node.startAgent(off);
    const shared = await start(node, half, 50_000);
    const running = await node.run(exclusive(1));
    const own = cpuDirectory(running.pid);
    assert.equal(quotaIn(own), "max", "the runtime has passed on what the creation was answered");
    const pod = limitPod(own, 100_000);
    const lifted = (directory: string) => eventually(() => assert.equal(quotaIn(directory), "max"));
    await lifted(pod);
    const { cpuShares, cpuPeriod, cpuQuota } = resources(exclusive(1));
    const linux = { cpuShares, cpuPeriod, cpuQuota, memoryLimitInBytes: 128n << 20n };
    await node.cri.updateContainerResources({ containerId: running.id, linux });
    assert.equal(quotaIn(own), "max", "an update of kubelet's doesn't bring it back");
    limitPod(own, 100_000);
    await lifted(pod);
    await node.end(running);
    const limited = await start(node, { ...pinned("0"), limit: 0.1 }, 10_000);
    assert.equal(quotaIn(limited.own), "max");
    await lifted(limited.pod);
    assert.deepEqual([quotaIn(shared.own), quotaIn(shared.pod)], ["50000", "50000"]);
  },
);

onContainerd(
  "by default they keep the quota of their limits, and an agent with another setting lifts it",
  async (node) => {
    const agent = await node.startAgent();
    const { own, pod } = await start(node, exclusive(1), 100_000);
    assert.deepEqual([quotaIn(own), quotaIn(pod)], ["100000", "100000"]);
    await agent.end("SIGTERM");
    await node.startAgent(off);
    await eventually(() => assert.deepEqual([quotaIn(own), quotaIn(pod)], ["max", "max"]));
  },
);
