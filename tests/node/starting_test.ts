// What containerd loses while a container starts: between its creation and its first moment of running an update
// is ignored, or changes only the record. And what it never tells: the end of a container whose start failed.
import assert from "node:assert/strict";
import { assertRunsOn, comesToRunOn } from "./checks.ts";
import { CriError } from "./cri.ts";
import { online, without } from "./machine.ts";
import { exclusive, pinned, shared } from "./pods.ts";
import { onContainerd } from "./suite.ts";

const all = online();
const last = all.slice(-1);
const rest = without(all, last);

/** Shared pods that are being started at every stage of it, in several rounds: the moment can't be chosen. */
const ROUNDS = 4;
const STARTING = 5;

onContainerd("shared pods that start while a pinned one is created leave its CPUs too", async (node) => {
  await node.startAgent();
  for (let round = 0; round < ROUNDS; round++) {
    const starting = Array.from({ length: STARTING }, () => node.run(shared()));
    for (let others = 0; others < round; others++) await node.end(await node.run(shared()));
    const pod = await node.run(pinned(`${last}`));
    assertRunsOn(pod, last);
    const started = await Promise.all(starting);
    for (const container of started) await comesToRunOn(container, rest);
    for (const container of [...started, pod]) await node.end(container);
  }
});

onContainerd("a container whose start failed gives its CPU back with its sandbox", async (node) => {
  await node.startAgent();
  const failing = await node.create({ ...exclusive(1), command: ["/there/is/no/such/program"] });
  await assert.rejects(node.start(failing), CriError);
  await node.cri.stopPodSandbox({ podSandboxId: failing.sandbox });
  const next = await node.run(exclusive(1));
  await node.end(next);
});
