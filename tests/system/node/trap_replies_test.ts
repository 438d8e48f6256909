// What containerd does with the updates in a plugin's reply, and reports of it: shown with a plugin that relies on it, and
// then that the agent doesn't.
import assert from "node:assert/strict";
import { fromBinary, toBinary } from "@bufbuild/protobuf";
import { create } from "@bufbuild/protobuf";
import {
  UpdateContainersRequestSchema,
  UpdateContainersResponseSchema,
} from "../../../src/nri/gen/nri_pb.ts";
import { cpusUpdate, ScriptedPlugin, type UpdateInit } from "../../kit/runtime/scripted_plugin.ts";
import { assertRunsOn, comesToRunOn } from "./checks.ts";
import { CriError } from "./cri.ts";
import { FaultyRunc } from "./faulty_runc.ts";
import { comesRight } from "./final_check.ts";
import { online, without } from "./machine.ts";
import type { Running, TestNode } from "./node.ts";
import { exclusive, shared } from "./pods.ts";
import { onBareNode } from "./suite.ts";

const all = online();
const last = all.slice(-1);
const rest = without(all, last);

/** Its reply gives the next container the last CPU, and takes that from those of `losers`. */
async function reliant(node: TestNode, losers: Running[]): Promise<ScriptedPlugin> {
  return await ScriptedPlugin.register(node.nriSocket, {
    create: () =>
      losers.length === 0
        ? { cpus: `${all}` }
        : { cpus: `${last}`, update: losers.map(({ id }) => cpusUpdate(id, `${rest}`)) },
  });
}

onBareNode(
  "the failure of an update in a reply isn't reported, and two containers have one CPU; with the agent none do",
  async (node) => {
    const runc = await FaultyRunc.onto(node);
    const losers: Running[] = [];
    const plugin = await reliant(node, losers);
    const loser = await node.run(shared());
    losers.push(loser);
    runc.fail("update", loser.id);
    const winner = await node.run(exclusive(1));
    assertRunsOn(winner, last);
    assertRunsOn(loser, all);
    assert(runc.calls.some(({ id, status }) => id === loser.id && status === 1));
    await plugin.close();
    await node.end(winner);

    for (const apply of ["kernel-first", "runtime"]) {
      const agent = await node.startAgent({ args: ["--apply", apply] });
      const created = await node.create(exclusive(1));
      const container = await node.start(created).catch((error) => {
        assert(error instanceof CriError, `${error}`);
        assert.match(error.message, /\bp1\b/, "it names who has the CPU");
      });
      assert.equal(container !== undefined, apply === "kernel-first", apply);
      await comesRight(node, agent);
      if (container !== undefined) assertRunsOn(container, last);
      await node.end(created);
      await agent.end("SIGTERM");
    }
  },
);

/** What the runtime answers to updates that nobody asked for: who failed, as it says. */
async function failedOf(plugin: ScriptedPlugin, update: UpdateInit[]): Promise<string[]> {
  const request = toBinary(UpdateContainersRequestSchema, create(UpdateContainersRequestSchema, { update }));
  const answer = fromBinary(UpdateContainersResponseSchema, await plugin.call("UpdateContainers", request));
  return answer.failed.map(({ containerId }) => containerId);
}

onBareNode(
  "of unsolicited updates the runtime doesn't report which failed, or not even that one did",
  async (node) => {
    const runc = await FaultyRunc.onto(node);
    const plugin = await reliant(node, []);
    const [bad, good] = [await node.run(shared()), await node.run(shared())];
    runc.fail("update", bad.id);
    const updates = [bad, good].map(({ id }) => cpusUpdate(id, `${rest}`));
    await assert.rejects(failedOf(plugin, updates), (error) => {
      assert(error instanceof Error);
      assert(!error.message.includes(good.id));
      return true;
    });
    assertRunsOn(bad, all);
    assertRunsOn(good, rest);

    assert.deepEqual(await failedOf(plugin, updates.map((each) => ({ ...each, ignoreFailure: true }))), []);
    assertRunsOn(bad, all);
    assert.deepEqual(await failedOf(plugin, [cpusUpdate("no-such-container", `${rest}`)]), []);
    await plugin.close();
  },
);

onBareNode(
  "an update in a reply that takes its time delays an unrelated pod; with the agent there is none",
  async (node) => {
    const runc = await FaultyRunc.onto(node);
    const losers: Running[] = [];
    const plugin = await reliant(node, losers);
    const loser = await node.run(shared());
    losers.push(loser);
    runc.delay("update", loser.id, 2);
    const winning = node.run(exclusive(1));
    await runc.reached("update", loser.id);
    losers.length = 0;
    const unrelated = await node.run(shared());
    assert(runc.calls.some(({ call, status }) => call === "update" && status === 0), "it had to wait");
    await plugin.close();
    for (const pod of [await winning, unrelated]) await node.end(pod);

    const agent = await node.startAgent({ args: ["--apply", "kernel-first"] });
    await comesToRunOn(loser, all);
    const before = runc.count("update", loser.id);
    runc.fail("update", loser.id);
    assertRunsOn(await node.run(exclusive(1)), last);
    assertRunsOn(await node.run(shared()), rest);
    await comesRight(node, agent);
    assert.equal(runc.count("update", loser.id), before);
  },
);
