// The DaemonSet's pod and the plugin that containerd launches, on one node: whichever comes first, one of them decides, the other is
// ready to, and no container is unplaced or moved when it does. And the DaemonSet's roll-out, in which the two are pods.
import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { allowedCpus, online, without } from "../node/machine.ts";
import { assertKeepsOff, assertRunsOn, comesToRunOn, writesDuring } from "../node/checks.ts";
import { type AgentPod, runDaemonSet } from "../node/daemonset.ts";
import { eventually } from "../node/eventually.ts";
import { installPlugin } from "../node/launched.ts";
import type { TestNode } from "../node/node.ts";
import { exclusive, shared } from "../node/pods.ts";
import { repository } from "../node/requirements.ts";
import { onBareNode, onContainerd } from "../node/suite.ts";
import { CreationLoad } from "./creation_load.ts";

const all = online();

/** Where the DaemonSet's pods of a node have the leader lock. */
function sharedRunDir(node: TestNode) {
  return { runDir: `${node.dir}/weka-cpuset` };
}

/** A container with a CPU of its own, and another one on the rest. */
async function population(node: TestNode) {
  const other = await node.run(shared());
  const owner = await node.run(exclusive(1));
  const own = allowedCpus(owner.pid);
  assert.equal(own.length, 1);
  await comesToRunOn(other, without(all, own));
  return { other, owner, own };
}

async function ready(agent: AgentPod): Promise<void> {
  await eventually(async () => assert.match(await agent.exec("ready"), /^0 ready: /));
}

onBareNode(
  "the plugin is there first: the DaemonSet stands by, is ready, and takes over when it is killed",
  async (node) => {
    const plugin = installPlugin(node.dir, sharedRunDir(node));
    await node.startContainerd();
    await plugin.says(/synchronized/i);
    const { other, owner, own } = await population(node);

    const daemonSet = await runDaemonSet(node);
    await daemonSet.says(/standby: another agent is active.*launched/);
    assert.match(
      await daemonSet.exec("ready"),
      /^0 ready: standing by: the active agent \(.*launched.*\) is serving$/,
    );
    await assertKeepsOff(node, exclusive(1), own);

    // containerd doesn't launch it again.
    const changed = await writesDuring(node, [owner, other], async () => {
      await plugin.kill();
      await daemonSet.says(/synchronized/i);
    });
    assert.deepEqual(changed, []);
    assert.match(await daemonSet.exec("ready"), /^0 ready: synchronized with the runtime and serving$/);
    await assertKeepsOff(node, exclusive(1), own);
    assertRunsOn(await node.run(shared()), without(all, own));
    assertRunsOn(owner, own);
  },
);

onBareNode(
  "the DaemonSet is there first: a plugin that is launched stands by, and takes over when the pod ends",
  async (node) => {
    await node.startContainerd();
    const daemonSet = await runDaemonSet(node);
    await daemonSet.says(/synchronized/i);
    const { other, owner, own } = await population(node);

    const plugin = installPlugin(node.dir, sharedRunDir(node));
    const restarted = await writesDuring(node, [owner, other], async () => {
      await node.killContainerd();
      await node.startContainerd();
      await plugin.says(/standby: another agent is active.*external/);
      await ready(daemonSet);
    });
    assert.deepEqual(restarted, []);
    await assertKeepsOff(node, exclusive(1), own);

    const said = plugin.lines.length;
    const ended = await writesDuring(node, [owner, other], async () => {
      assert.equal(await daemonSet.stop(), 0);
      await plugin.says(/synchronized/i, said);
    });
    assert.deepEqual(ended, []);
    await assertKeepsOff(node, exclusive(1), own);
    assertRunsOn(owner, own);
    assertRunsOn(other, without(all, own));
  },
);

onBareNode(
  "where NRI is off the DaemonSet's pod runs, isn't ready, and says why; once it is on it is",
  async (node) => {
    const off = (text: string) =>
      text.replace("disable = false\n  disable_connections", "disable = true\n  disable_connections");
    await node.startContainerd({ change: off });
    const agent = await runDaemonSet(node);
    await agent.says(/there is no NRI socket/);
    assert.match(
      await agent.exec("ready"),
      /^1 .*not ready: no connection to the runtime: is it running, with NRI enabled\?/,
    );
    await node.killContainerd();
    await node.startContainerd();
    await agent.says(/synchronized/i);
    await ready(agent);
  },
);

const ROUNDS = 10;

/** Roll-outs while containers are created all the time, with the default configuration or a fence. */
async function rolledOut(node: TestNode, fence: "auto" | "on"): Promise<CreationLoad> {
  const variables = { WEKA_CPUSET_FENCE: fence };
  let agent = await runDaemonSet(node, "round-0", variables);
  await agent.says(/synchronized/i);
  const { other, owner, own } = await population(node);
  const load = new CreationLoad(node, own);
  const gaps: number[] = [];
  for (let round = 1; round <= ROUNDS; round++) {
    const next = await runDaemonSet(node, `round-${round}`, variables);
    await next.says(/standby: another agent is active/);
    await ready(next);
    const before = load.created;
    await eventually(() => assert(load.created > before + 2, "nothing is created"));
    assert.equal(await agent.stop(), 0);
    await next.says(/synchronized/i);
    gaps.push(timeOf(next, /synchronized/) - timeOf(agent, /stopped/));
    agent = next;
  }
  await load.end();
  gaps.sort((one, next) => one - next);
  const [medianGapMs, slowestGapMs] = [gaps.at(ROUNDS / 2), gaps.at(-1)];
  const { created, unplaced } = load;
  report(node, `fence ${fence}`, { rollOuts: ROUNDS, medianGapMs, slowestGapMs, created, unplaced });
  assertRunsOn(owner, own);
  await comesToRunOn(other, without(all, own));
  return load;
}

onContainerd("rolled out under a load of creations, every container ends up with its CPUs", async (node) => {
  await rolledOut(node, "auto");
});

onContainerd(
  "rolled out under the same load behind a fence, no container is ever on another's CPUs",
  async (node) => {
    assert.equal((await rolledOut(node, "on")).unplaced, 0);
  },
);

const REPORT = `${repository}/.test-reports/handover.json`;

/** Keeps the figures for docs/guarantees.md. */
function report({ install }: TestNode, what: string, figures: unknown): void {
  const known = existsSync(REPORT) ? JSON.parse(Deno.readTextFileSync(REPORT)) : {};
  const version = `containerd ${install.version}, ${what}`;
  Deno.mkdirSync(`${repository}/.test-reports`, { recursive: true });
  Deno.writeTextFileSync(REPORT, JSON.stringify({ ...known, [version]: figures }, null, 2));
}

/** Of a line of the pod's log, in milliseconds. */
function timeOf({ log }: AgentPod, pattern: RegExp): number {
  const line = log.split("\n").find((each) => pattern.test(each)) ?? "";
  const [, time = ""] = /time=(\S+)/.exec(line) ?? [];
  return Date.parse(time);
}
