// What containerd loses while a container starts: between its creation and its first moment of running an update
// is ignored, or changes only the record. And what it never reports: the end of a container whose start failed.
import assert from "node:assert/strict";
import { assertRunsOn, comesToRunOn } from "./checks.ts";
import { CriError } from "./cri.ts";
import { online, without } from "./machine.ts";
import { exclusive, pinned, shared } from "./pods.ts";
import { onContainerd } from "./suite.ts";

const all = online();
const last = all.slice(-1);
const rest = without(all, last);

/** While a pinned pod is created, shared ones start one after the other: one of them is in the middle of it. */
const ROUNDS = 4;
const STARTING = 6;

onContainerd("shared pods that start while a pinned one is created leave its CPUs too", async (node) => {
  await node.startAgent();
  for (let round = 0; round < ROUNDS; round++) {
    const created = [];
    for (let i = 0; i < STARTING; i++) created.push(await node.create(shared()));
    const pinning = node.run(pinned(`${last}`));
    const started = [];
    for (const container of created) started.push(await node.start(container));
    const pod = await pinning;
    assertRunsOn(pod, last);
    for (const container of started) await comesToRunOn(container, rest);
    for (const container of [...started, pod]) await node.end(container);
  }
});

onContainerd("a container whose start failed gives its CPU back with its sandbox", async (node) => {
  await node.startAgent();
  // All that can be had: only with these back there is room for the next one.
  const most = exclusive(online().length - 1);
  const failing = await node.create({ ...most, command: ["/there/is/no/such/program"] });
  await assert.rejects(node.start(failing), CriError);
  await node.cri.stopPodSandbox({ podSandboxId: failing.sandbox });
  const next = await node.run(most);
  await node.end(next);
});
