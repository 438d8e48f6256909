// The agent as a file in the plugin directory, started by containerd itself: it has no stdio, next to no environment,
// and containerd 1.7 never reports to it which containers run.
import assert from "node:assert/strict";
import { assertKeepsOff, assertRunsOn, comesToRunOn, writesDuring } from "./checks.ts";
import {
  handOver,
  installExecutable,
  installMisconfigured,
  installPlugin,
  type LaunchedAgent,
} from "./launched.ts";
import { eventually } from "./eventually.ts";
import { allowedCpus, cpuset, findHierarchy, memoryNodes, online, without } from "./machine.ts";
import type { TestNode } from "./node.ts";
import { exclusive, pinned, shared } from "./pods.ts";
import { onBareNode } from "./suite.ts";
import { cgroupOf } from "./sweep.ts";

const all = online();
const last = all.slice(-1);
const rest = without(all, last);

const SYNCHRONIZED = /msg="?synchronized/;

onBareNode(
  "started by containerd, the executable alone places each kind of pod, as conf.d says",
  async (node) => {
    const agent = installExecutable(node.dir);
    const free = all.slice(0, 1); // the last choice otherwise
    handOver(node.dir, `systemReserved: "${without(all, free)}"`);
    await node.startContainerd({ apart: true });
    await agent.says(SYNCHRONIZED);
    assertBare(agent);

    const other = await node.run(shared());
    assertRunsOn(other, all);
    const pin = await node.run(pinned(`${last}`));
    assertRunsOn(pin, last);
    assert.deepEqual(cpuset(pin.pid).mems, memoryNodes(last));
    await comesToRunOn(other, rest);
    await node.end(pin);
    await comesToRunOn(other, all);

    const owner = await node.run(exclusive(1));
    assertRunsOn(owner, free);
    await comesToRunOn(other, without(all, free));
    Deno.kill(owner.pid, "SIGKILL"); // it ends by itself, nobody asked the runtime to stop it
    await eventually(() => node.end(owner)); // until then its CPUs are its pod's; its shim may be ending
    await comesToRunOn(other, all);
  },
);

for (const [kind, pod] of [["pinned", pinned(`${last}`)], ["exclusive", exclusive(1)]] as const) {
  onBareNode(`after containerd was killed, a running ${kind} pod's CPUs are still its own`, async (node) => {
    const agent = installPlugin(node.dir);
    await node.startContainerd();
    await agent.says(SYNCHRONIZED);
    const other = await node.run(shared());
    const owner = await node.run(pod);
    const own = allowedCpus(owner.pid);
    await comesToRunOn(other, without(all, own));

    const written = await writesDuring(node, [owner, other], () => restart(node, agent));
    assert.deepEqual(written, []);
    await assertKeepsOff(node, exclusive(1), own);
    assertRunsOn(await node.run(shared()), without(all, own));
    assertRunsOn(owner, own);
    assertRunsOn(other, without(all, own));
  });
}

onBareNode(
  "what a pod had before containerd was killed is its own until it ends, and then free",
  async (node) => {
    const agent = installPlugin(node.dir);
    await node.startContainerd();
    await agent.says(SYNCHRONIZED);
    const owner = await node.run(exclusive(1));
    const own = allowedCpus(owner.pid);
    const other = await node.run(shared());
    assertRunsOn(other, without(all, own));

    await node.killContainerd();
    await agent.ends();
    await node.startContainerd();
    await assertKeepsOff(node, exclusive(1), own); // at once, when the agent may not know yet what runs
    await node.end(owner);
    await comesToRunOn(other, all);
    await node.run(exclusive(1));
  },
);

onBareNode(
  "when it is killed, containerd goes on; what ran keeps its CPUs, and the next puts the rest right",
  async (node) => {
    const agent = installPlugin(node.dir);
    await node.startContainerd();
    await agent.says(SYNCHRONIZED);
    const other = await node.run(shared());
    const owner = await node.run(pinned(`${last}`));
    await comesToRunOn(other, rest);

    const written = await writesDuring(node, [owner, other], async () => {
      await agent.kill();
      assertRunsOn(await node.run(shared()), all);
    });
    assert.deepEqual(written, []);
    assertRunsOn(owner, last);
    assertRunsOn(other, rest);
    await node.end(owner);
    const alone = await node.run(pinned(`${last}`));
    const beside = await node.run(shared());
    assertRunsOn(alone, all);

    await node.killContainerd();
    await node.startContainerd();
    await comesToRunOn(alone, last);
    await comesToRunOn(beside, rest);
    assertRunsOn(other, rest);
  },
);

const broken = {
  "that is no YAML": ["dryRun: true\nlog: [", /log: \[|YAML/],
  "with an unknown key": ["dryRun: true\nminShard: 2", /minShard/],
} as const;
for (const [what, [text, naming]] of Object.entries(broken)) {
  onBareNode(
    `a configuration file ${what} leaves containerd alive and the agent with its defaults`,
    async (node) => {
      const agent = installMisconfigured(node.dir, text);
      await node.startContainerd({ apart: true });
      await assertWorksDespite(node, agent, naming);
    },
  );

  onBareNode(
    `a text in conf.d ${what} leaves containerd alive and the agent with its configuration`,
    async (node) => {
      const agent = installPlugin(node.dir);
      handOver(node.dir, text);
      await node.startContainerd();
      await assertWorksDespite(node, agent, naming);
    },
  );
}

async function assertWorksDespite(node: TestNode, agent: LaunchedAgent, naming: RegExp): Promise<void> {
  await agent.says(SYNCHRONIZED);
  const complaints = agent.lines.filter((line) => line.includes("level=error"));
  assert.equal(complaints.length, 1);
  assert.match(`${complaints}`, naming);
  assert.match(`${complaints}`, /invalid configuration; its source is ignored/);
  assertRunsOn(await node.run(pinned(`${last}`)), last); // had the rest of the text been taken, it would not
}

onBareNode(
  "without Synchronize and CRI no container is given a CPU that another seems to have",
  async (node) => {
    const agent = installPlugin(node.dir);
    await node.startContainerd();
    await agent.says(SYNCHRONIZED);
    const other = await node.run(shared());
    const owner = await node.run(exclusive(1));
    const own = allowedCpus(owner.pid);
    await comesToRunOn(other, without(all, own));

    installPlugin(node.dir, {
      criSockets: [`${node.dir}/none.sock`],
      cgroupRoot: findHierarchy().root + cgroupOf(node.dir), // other tests may run on this machine
    });
    const synchronizes = !/^1\.7\.(1[6-9]|2[0-5])$/.test(node.install.version); // NRI from 0.8 on
    await restart(node, agent, synchronizes ? SYNCHRONIZED : /degraded: running containers unknown/);
    await assertKeepsOff(node, exclusive(1), own);
    assertRunsOn(await node.run(shared()), without(all, own));
    assertRunsOn(owner, own);
    assertRunsOn(other, without(all, own));
  },
);

/** Kills containerd, and starts it again with an agent that says that it is `ready`. */
async function restart(node: TestNode, agent: LaunchedAgent, ready = SYNCHRONIZED): Promise<void> {
  await node.killContainerd();
  await agent.ends();
  const said = agent.lines.length;
  await node.startContainerd();
  await agent.says(ready, said);
}

/** What containerd gives to a plugin, and nothing else. */
function assertBare(agent: LaunchedAgent): void {
  const [pid] = agent.processes;
  const environment = Deno.readTextFileSync(`/proc/${pid}/environ`).split("\0").filter((line) => line !== "");
  assert.deepEqual(environment.toSorted(), [
    "NRI_PLUGIN_IDX=99",
    "NRI_PLUGIN_NAME=weka-cpuset",
    "NRI_PLUGIN_SOCKET=3",
  ]);
  for (const stream of [0, 1, 2]) assert.equal(Deno.readLinkSync(`/proc/${pid}/fd/${stream}`), "/dev/null");
}
