// The agent and containerd come and go, in any order; containers keep what they have.
import assert from "node:assert/strict";
import { assertRunsOn, comesToRunOn, writesDuring } from "./checks.ts";
import { allowedCpus, cpuset, online, without } from "./machine.ts";
import { exclusive, pinned, shared } from "./pods.ts";
import { onBareNode, onContainerd } from "./suite.ts";

const all = online();
const last = all.slice(-1);
const rest = without(all, last);

for (const [kind, pod] of [["a pinned", pinned(`${last}`)], ["an exclusive", exclusive(1)]] as const) {
  onContainerd(`an agent that was killed finds ${kind} pod again and rewrites nothing`, async (node) => {
    const agent = await node.startAgent();
    const other = await node.run(shared());
    const owner = await node.run(pod);
    const own = allowedCpus(owner.pid);
    await comesToRunOn(other, without(all, own));

    await agent.end("SIGKILL");
    const written = await writesDuring(node, [owner, other], async () => {
      await node.startAgent();
      // containerd lets this one in only after what the agent's answer to Synchronize asked for is done.
      assertRunsOn(await node.run(shared()), without(all, own));
    });
    assert.deepEqual(written, []);
    assert.equal(own.length, 1);
    assertRunsOn(owner, own);
    assertRunsOn(other, without(all, own));

    await node.end(owner);
    await comesToRunOn(other, all);
  });
}

onContainerd("containers that were created without an agent are corrected", async (node) => {
  const agent = await node.startAgent();
  const before = await node.run(shared());
  await agent.end("SIGKILL");
  const pod = await node.run(pinned(`${last}`));
  const after = await node.run(shared());
  assertRunsOn(pod, all);

  await node.startAgent();
  await comesToRunOn(pod, last);
  await comesToRunOn(before, rest);
  await comesToRunOn(after, rest);
});

onContainerd(
  "the agent comes back by itself after containerd was killed, and containers keep their CPUs",
  async (node) => {
    const agent = await node.startAgent();
    const other = await node.run(shared());
    const pod = await node.run(pinned(`${last}`));
    await comesToRunOn(other, rest);

    await node.killContainerd();
    const said = agent.lines.length;
    const written = await writesDuring(node, [pod, other], async () => {
      await node.startContainerd();
      await agent.says(/synchronized/i, said);
      assertRunsOn(await node.run(shared()), rest);
    });
    assert.deepEqual(written, []);
    assertRunsOn(pod, last);
    assertRunsOn(other, rest);
    await node.end(pod);
    await comesToRunOn(other, all);
  },
);

onBareNode("an agent that starts before containerd logs what it waits for, and registers", async (node) => {
  const agent = node.launchAgent();
  await agent.says(/level=warn.*nri\.sock/);
  await node.startContainerd();
  await agent.says(/synchronized/i);
  assertRunsOn(await node.run(pinned(`${last}`)), last);
});

onContainerd(
  "an agent that gets SIGTERM ends with status 0 and leaves every cpuset as it is",
  async (node) => {
    const agent = await node.startAgent();
    const pod = await node.run(pinned(`${last}`));
    const other = await node.run(shared());
    const found = [pod, other].map(({ pid }) => cpuset(pid));
    const written = await writesDuring(node, [pod, other], async () => {
      const { code, signal } = await agent.end("SIGTERM");
      assert.deepEqual({ code, signal }, { code: 0, signal: null });
    });
    assert.deepEqual(written, []);
    assert.deepEqual([pod, other].map(({ pid }) => cpuset(pid)), found);
    assertRunsOn(pod, last);
    assertRunsOn(other, rest);
  },
);
