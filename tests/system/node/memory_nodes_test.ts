// Memory nodes of pinned containers that were created before the agent. This machine may have one node only, so the agent is
// shown two: what it has already isn't written, and the other one is the kernel's refusal, which is reported and costs no CPUs.
import assert from "node:assert/strict";
import { type MachineSpec, sysfsTree, writeTree } from "../../kit/sysfs.ts";
import { comesToRunOn } from "./checks.ts";
import { cpuset, memoryNodes, online } from "./machine.ts";
import type { TestNode } from "./node.ts";
import { pinned, shared } from "./pods.ts";
import { onContainerd } from "./suite.ts";

const all = online();
const [first = 0, last = 0] = [all.at(0), all.at(-1)];
const MESSAGE = /memory nodes not set to 1, recreate the pod/;

/** A node for each CPU. */
const split: MachineSpec = { sockets: 1, nodesPerSocket: all.length, coresPerNode: 1, threads: 1 };

async function startAgent(node: TestNode, correctMems: string) {
  writeTree(`${node.dir}/sys`, sysfsTree(split));
  return await node.startAgent({
    args: ["--sysfs-root", `${node.dir}/sys`],
    env: { WEKA_CPUSET_CORRECT_MEMS: correctMems, WEKA_CPUSET_RECONCILE_SECONDS: "1" },
  });
}

for (
  const [correctMems, reason] of [
    ["young", /they can't be written: .* \(E[A-Z]+\)|the kernel has 0 after the write/],
    ["never", /it has 0 and uses \d+ MiB \(correctMems: never\)/],
  ] as const
) {
  onContainerd(
    `${correctMems}: memory nodes that a pinned container can't be given are reported once, and it has its CPUs`,
    async (node) => {
      assert.deepEqual(memoryNodes(all), [0], "what is tested needs a machine with one node");
      const wrong = await node.run(pinned(`${last}`));
      const before = cpuset(wrong.pid).mems;
      const agent = await startAgent(node, correctMems);
      await comesToRunOn(wrong, [last]);
      await agent.says(MESSAGE);
      // Some comparisons later it is still one line.
      for (let n = 0; n < 3; n++) await node.run(shared());
      const said = agent.lines.filter((line) => MESSAGE.test(line));
      assert.equal(said.length, 1, said.join("\n"));
      assert.match(said[0] ?? "", reason);
      assert.deepEqual(cpuset(wrong.pid).mems, before);
      await node.end(wrong);
      assert.deepEqual(cpuset((await node.run(pinned(`${first}`))).pid), { cpus: [first], mems: [0] });
    },
  );
}
