// A real pod is explained; then the agent is released and resumed, by what the kernel has.
import assert from "node:assert/strict";
import { runExecutable } from "./agent.ts";
import { assertRunsOn, comesToRunOn } from "./checks.ts";
import { online, without } from "./machine.ts";
import { installPlugin } from "./launched.ts";
import type { TestNode } from "./node.ts";
import { exclusive, pinned, type Pod, shared } from "./pods.ts";
import { onBareNode, onContainerd } from "./suite.ts";

const all = online();
const last = all.slice(-1);
const rest = without(all, last);

const burstable: Pod = { ...shared(), qos: "burstable", request: 0.1 };

/** What a command prints that succeeds. */
async function command(node: TestNode, ...args: string[]): Promise<string> {
  const { code, stdout } = await runExecutable({ args: ["--run-dir", node.runDir, ...args] });
  assert.equal(code, 0, stdout);
  return stdout;
}

for (const fence of ["on", "off"]) {
  onContainerd(
    `with fence ${fence} a released agent gives every container all CPUs, and takes them again once resumed`,
    async (node) => {
      const agent = await node.startAgent({ env: { WEKA_CPUSET_FENCE: fence } });
      const others = [await node.run(shared()), await node.run(burstable)];
      const owner = await node.run(exclusive(1));
      for (const pod of others) await comesToRunOn(pod, rest);
      assertRunsOn(owner, last);

      const explained = await command(node, "explain", "p3");
      assert.match(explained, new RegExp(`^default/p3/main: exclusive, CPU ${last}, NUMA node \\d+\\n`));
      assert.match(
        explained,
        /from +Guaranteed pod, and its CPU limit of 1(, which is that of its pod,)? is whole/,
      );
      assert.match(
        explained,
        new RegExp(`decided +1 CPU of ${all.length} that were free, placement packed\\n`),
      );
      assert.match(explained, /state +confirmed\n/);
      assert.match(
        await command(node, "explain", `${last}`),
        /owner +default\/p3\/main\n +may run +default\/p3\/main\n/,
      );

      await command(node, "release", "--yes");
      for (const pod of [owner, ...others]) assertRunsOn(pod, all);
      assert.match(await command(node, "status"), /, passive, /);
      // A new one is placed by nobody, and the runtime's record of an old one doesn't come back.
      const unplaced = await node.run(exclusive(1));
      assertRunsOn(unplaced, all);
      await node.cri.updateContainerResources({
        containerId: owner.id,
        linux: { memoryLimitInBytes: 128n << 20n },
      });
      await comesToRunOn(owner, all);
      await node.end(unplaced);
      await agent.says(/released: all containers get all CPUs/);

      assert.match(await command(node, "resume"), /the agent places again/);
      await comesToRunOn(owner, last);
      for (const pod of others) await comesToRunOn(pod, rest);
      assert.match(await command(node, "status"), /, serving, /);
      const moved = await command(node, "explain", "p3");
      assert.match(moved, /before this agent started, or by a restart/);
    },
  );
}

onContainerd(
  "a pod that is moved for a pinned one says for whom, and a refused one who is in the way",
  async (node) => {
    await node.startAgent();
    const owner = await node.run(exclusive(1));
    await assert.rejects(node.run(exclusive(all.length)));
    assert.match(
      await command(node, "explain", "p2"),
      /refused\n +why +cpuset: pod default\/p2 .*needs \d+ exclusive CPUs/,
    );
    if (all.length < 3) return;
    await node.run(pinned(`${last}`));
    await comesToRunOn(owner, without(all, last).slice(-1));
    assert.match(await command(node, "explain", "p1"), /moves .* for default\/p3\/main\n/);
  },
);

onBareNode(
  "an agent that containerd has started is released and resumed too, until containerd starts anew",
  async (node) => {
    const agent = installPlugin(node.dir);
    await node.startContainerd();
    await agent.says(/msg="?synchronized/);
    const other = await node.run(shared());
    const owner = await node.run(exclusive(1));
    await comesToRunOn(other, rest);
    for (const end of [() => command(node, "resume"), () => restarted(node)]) {
      await command(node, "release", "--yes");
      for (const pod of [owner, other]) assertRunsOn(pod, all);
      await end();
      await comesToRunOn(owner, last);
      await comesToRunOn(other, rest);
    }
  },
);

async function restarted(node: TestNode): Promise<void> {
  await node.killContainerd();
  await node.startContainerd();
}
