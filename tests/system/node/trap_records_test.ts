// What containerd's record of a container does to a cpuset that was written behind its back: shown with a plugin that
// only fills in the record, and then that the agent's sets stay.
import assert from "node:assert/strict";
import { cpusUpdate, ScriptedPlugin, type UpdateInit } from "../../kit/runtime/scripted_plugin.ts";
import { assertRunsOn, comesToRunOn } from "./checks.ts";
import { FaultyRunc } from "./faulty_runc.ts";
import { comesRight } from "./final_check.ts";
import { cpusetDirectory, online, without } from "./machine.ts";
import { runExclusive, startAgentWithRoom } from "./movable.ts";
import type { Created, Running, TestNode } from "./node.ts";
import { exclusive, pinned, shared } from "./pods.ts";
import { onBareNode, onContainerd } from "./suite.ts";

const all = online();
const last = all.slice(-1);
const rest = without(all, last);

/** Both ways in which the agent can work. */
const WAYS = ["kernel-first", "runtime"];

/** Changes its memory and nothing else, as kubelet does. */
async function changeMemory(node: TestNode, { id }: Running, MiB: bigint): Promise<void> {
  await node.cri.updateContainerResources({ containerId: id, linux: { memoryLimitInBytes: MiB << 20n } });
}

/** What is seen at once mustn't be left for reconcile to find. */
const NO_RECONCILE = { WEKA_CPUSET_RECONCILE_SECONDS: "0" };

function writeCpus({ pid }: Running, cpus: readonly number[]): void {
  Deno.writeTextFileSync(`${cpusetDirectory(pid)}/cpuset.cpus`, `${cpus}`);
}

onContainerd(
  "a change of memory undoes a cpuset that isn't in the record; with the agent it changes no cpuset",
  async (node) => {
    let cpus = "";
    const plugin = await ScriptedPlugin.register(node.nriSocket, { create: () => ({ cpus }) });
    const unrecorded = await node.run(shared());
    cpus = `${all}`;
    const recorded = await node.run(shared());
    for (const container of [unrecorded, recorded]) {
      writeCpus(container, rest);
      await changeMemory(node, container, 80n);
    }
    assertRunsOn(recorded, all);
    assertRunsOn(unrecorded, rest);
    await plugin.close();

    for (const way of WAYS) {
      const agent = await node.startAgent({ args: ["--apply", way] });
      const fresh = await node.run(shared());
      const owner = await node.run(exclusive(1));
      for (const container of [recorded, unrecorded, fresh]) {
        await comesToRunOn(container, rest);
        await changeMemory(node, container, 90n);
        assertRunsOn(container, rest);
      }
      await changeMemory(node, owner, 90n);
      assertRunsOn(owner, last);
      await node.cri.updateContainerResources({ containerId: owner.id, linux: { cpusetCpus: `${all}` } });
      assertRunsOn(owner, last);
      assert.equal((await node.recorded(owner)).cpus, `${last}`);
      await comesRight(node, agent);
      for (const container of [fresh, owner]) await node.end(container);
      await agent.end("SIGTERM");
    }
  },
);

onBareNode(
  "an update under way brings an old cpuset back; with the agent none, or not for long",
  async (node) => {
    const runc = await FaultyRunc.onto(node);
    const plugin = await ScriptedPlugin.register(node.nriSocket, { create: () => ({ cpus: `${all}` }) });
    const recorded = await node.run(shared());
    const change = (container: Running) => () => changeMemory(node, container, 80n);
    await runc.during("update", recorded.id, change(recorded), () => {
      writeCpus(recorded, rest);
      assertRunsOn(recorded, rest);
    });
    assertRunsOn(recorded, all);
    await plugin.close();

    const agent = await node.startAgent({ args: ["--apply", "kernel-first"], env: NO_RECONCILE });
    const unrecorded = await node.run(shared());
    for (const container of [unrecorded, recorded]) {
      const pod = await node.sandbox(exclusive(1)); // While the update is under way none can be made.
      const [, owner] = await runc.during(
        "update",
        container.id,
        change(container),
        () => node.runIn(pod),
        () => comesToRunOn(container, rest),
      );
      assertRunsOn(owner, last);
      if (container === unrecorded) assertRunsOn(container, rest);
      else await comesToRunOn(container, rest);
      await comesRight(node, agent);
      await node.end(owner);
      await comesToRunOn(container, all);
    }
  },
);

onBareNode(
  "an update under way of a container that has to move doesn't bring it back for long",
  async (node) => {
    const runc = await FaultyRunc.onto(node);
    const agent = await startAgentWithRoom(node, ["--apply", "kernel-first"]);
    const { pod, own } = await runExclusive(node);
    const place = without(all, own);
    const sandbox = await node.sandbox(pinned(`${own}`)); // While the update is under way none can be made.
    const [, pin] = await runc.during(
      "update",
      pod.id,
      () => changeMemory(node, pod, 80n),
      () => node.runIn(sandbox), // In its reply is an update of the first, which waits for the one under way.
      () => comesToRunOn(pod, place),
    );
    assertRunsOn(pin, own);
    await comesToRunOn(pod, place);
    await comesRight(node, agent);
  },
);

onBareNode("an update while a container starts is lost; with the agent it holds", async (node) => {
  const runc = await FaultyRunc.onto(node);
  const runOwner = async () => {
    const created = await node.create(exclusive(1));
    try {
      return await node.start(created);
    } catch (error) {
      // Its claim is its pod's, for the next try.
      await node.cri.stopPodSandbox({ podSandboxId: created.sandbox });
      throw error;
    }
  };
  /** Starts a shared container; `meanwhile` happens while runc is about to start it. */
  const startBeside = async <T>(meanwhile: (starting: Created) => Promise<T>): Promise<[Running, T]> => {
    const created = await node.create(shared());
    return runc.during("start", created.id, () => node.start(created), () => meanwhile(created));
  };

  let cpus = { cpus: `${all}`, update: [] as UpdateInit[] };
  const plugin = await ScriptedPlugin.register(node.nriSocket, { create: () => cpus });
  const [started, owner] = await startBeside(({ id }) => {
    cpus = { cpus: `${last}`, update: [cpusUpdate(id, `${rest}`)] };
    return runOwner();
  });
  assertRunsOn(owner, last);
  assertRunsOn(started, all);
  await plugin.close();
  for (const container of [started, owner]) await node.end(container);

  for (const way of WAYS) {
    const agent = await node.startAgent({ args: ["--apply", way] });
    let [started, owner]: [Running, Running | undefined] = await startBeside(() =>
      way === "kernel-first"
        ? runOwner()
        : assert.rejects(runOwner(), /its CPUs \S+ are still held by default/).then(() => undefined)
    );
    if (owner !== undefined) {
      assertRunsOn(started, rest);
      assertRunsOn(owner, last);
    }
    owner ??= await runOwner();
    await comesRight(node, agent);
    for (const container of [started, owner]) await node.end(container);
    await agent.end("SIGTERM");
  }
});
