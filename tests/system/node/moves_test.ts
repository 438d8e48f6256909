// What happens to an exclusive container that is in the way of a pinned one.
import assert from "node:assert/strict";
import { assertRefused, assertRunsOn, comesToRunOn } from "./checks.ts";
import { CriError } from "./cri.ts";
import { eventually } from "./eventually.ts";
import { allowedCpus, numbers, online, without } from "./machine.ts";
import { runExclusive, startAgentWithRoom } from "./movable.ts";
import type { Running, TestNode } from "./node.ts";
import { pinned } from "./pods.ts";
import { onContainerd } from "./suite.ts";

const all = online();

onContainerd("a pinned pod moves an exclusive one out of its way, in kernel and record", async (node) => {
  await startAgentWithRoom(node);
  const { pod, own } = await runExclusive(node);
  const pin = await node.run(pinned(`${own}`));
  assertRunsOn(pin, own);
  const place = allowedCpus(pod.pid);
  assert.equal(place.length, 1);
  assert.deepEqual(without(place, own), place);
  assertRunsOn(pod, place);
  assert.deepEqual(await recordedCpus(node, pod), place);

  // Where it is now is its own as the first place was, and nobody brings it back.
  await assertRefused(
    node,
    pinned(`${all}`),
    /held exclusively by default\/p1 container main; cannot reallocate it: moving it needs/,
  );
  await node.end(pin);
  assertRunsOn(pod, place);
});

onContainerd("an exclusive pod that must not be moved isn't, and the refusal names it", async (node) => {
  await startAgentWithRoom(node);
  const { pod, own } = await runExclusive(node, { "weka.io/movable": "false" });
  await assertRefused(node, pinned(`${own}`), /held exclusively by default\/p1 .*may not be moved/);
  assertRunsOn(pod, own);
  const others = without(all, own);
  assertRunsOn(await node.run(pinned(`${others}`)), others);
  assertRunsOn(pod, own);
});

onContainerd(
  "when the pod for which another was moved can't start, that one gets its place back",
  async (node) => {
    await startAgentWithRoom(node);
    const { pod, own } = await runExclusive(node);
    const failing = await node.create({ ...pinned(`${own}`), command: ["/no-such-program"] });
    assert(!allowedCpus(pod.pid).some((cpu) => own.includes(cpu)), "it was moved");
    await assert.rejects(
      node.start(failing),
      (error) => error instanceof CriError && error.message.includes("no-such-program"),
    );
    await node.end(failing);
    await comesToRunOn(pod, own);
    // The record follows when the runtime is idle.
    await eventually(async () => assert.deepEqual(await recordedCpus(node, pod), own));
  },
);

async function recordedCpus(node: TestNode, pod: Running): Promise<number[]> {
  return numbers((await node.recorded(pod)).cpus ?? "");
}
