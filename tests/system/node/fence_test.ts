// The fence on this machine's cgroup version; tests/system/vm has the one of cgroup v2 under a real kubelet.
import assert from "node:assert/strict";
import { runExecutable } from "./agent.ts";
import { assertRunsOn, comesToRunOn } from "./checks.ts";
import { online, without } from "./machine.ts";
import { exclusive, pinned, type Pod, shared } from "./pods.ts";
import { onContainerd } from "./suite.ts";

const all = online();
const last = all.slice(-1);
const rest = without(all, last);

const burstable: Pod = { ...shared(), qos: "burstable", request: 0.1 };
const ON = { env: { WEKA_CPUSET_FENCE: "on" } };

onContainerd(
  "a pod that starts while no agent runs stays off exclusive CPUs, and gets them when they are free",
  async (node) => {
    const agent = await node.startAgent(ON);
    const early = await node.run(shared());
    // kubelet makes the cgroups of both classes when it starts.
    await node.end(await node.run(burstable));
    const owner = await node.run(exclusive(1));
    assertRunsOn(owner, last);
    assertRunsOn(early, rest);

    await agent.end("SIGKILL");
    const late = await node.run(shared());
    const burst = await node.run(burstable);
    for (const pod of [early, late, burst]) assertRunsOn(pod, rest);
    assertRunsOn(owner, last);

    await node.startAgent(ON);
    await node.end(owner);
    for (const pod of [early, late, burst]) await comesToRunOn(pod, all);
  },
);

onContainerd("without the fence it starts on them", async (node) => {
  const agent = await node.startAgent({ env: { WEKA_CPUSET_FENCE: "off" } });
  assertRunsOn(await node.run(exclusive(1)), last);
  await agent.end("SIGKILL");
  assertRunsOn(await node.run(shared()), all);
});

onContainerd(
  "a pinned pod of a fenced class gets its CPUs, and leaves them to the others at its end",
  async (node) => {
    await node.startAgent(ON);
    const other = await node.run(shared());
    const pin = await node.run(pinned(`${last}`));
    assertRunsOn(pin, last);
    assertRunsOn(other, rest);
    await node.end(pin);
    await comesToRunOn(other, all);
  },
);

onContainerd(
  "what a removed agent leaves is released, and an agent without a fence does the same",
  async (node) => {
    const agent = await node.startAgent(ON);
    const pod = await node.run(shared());
    await node.run(exclusive(1));
    await agent.end("SIGKILL");
    const args = ["--run-dir", node.runDir, "release", "--yes"];
    const { code, stdout } = await runExecutable({ args });
    assert.equal(code, 0, stdout);
    assert.match(stdout, /besteffort: all CPUs$/m);
    const again = await node.startAgent(ON);
    await comesToRunOn(pod, rest);
    await again.end("SIGKILL");
    await node.startAgent({ env: { WEKA_CPUSET_FENCE: "off" } });
    const { stdout: nothing } = await runExecutable({ args: [...args, "--wait", "0"] });
    assert.equal(nothing, "");
    assertRunsOn(pod, rest);
  },
);
