/** Paths by which the exploration has found faults of the agent: played again, each with what was wrong. */
import assert from "node:assert/strict";
import { parsePath, replay } from "../../../../tools/explore/replay.ts";

const FOUND: Readonly<Record<string, string>> = {
  "a degraded container gets CPUs whose holder's failure was over when another container was created":
    "kernel: run exclusive; run shared; hold 1a; resize 0a to 2; cpuOff 2; run shared; heal 1a; wait",
  "one whose cgroup can't be read when it starts has others leave its CPUs first":
    "kernel-v1: create exclusive; run shared; runc 0a; cpuOff 2; start 0a",
  "of two sets that may be in force, one that names no online CPU lets the container run anywhere":
    "runtime: run pinned; create shared; run exclusive; cpuOff 1; start 1a",
  "one whose cgroup can't be read after a hot-plug may be where its record says":
    "kernel: run pinned; cpuOff 0; hide 0a; cpuOn 0; heal 0a",
  "one whose cgroup can't be read by a new agent may be anywhere, since an agent before wrote it":
    "kernel: run pinned; cpuOff 0; run exclusive; hide 0a; cpuOn 0; runtimeRestart; heal 0a",
  "one that has lost an update before it started is found where its cgroup says":
    "runtime: create shared; start 0a; create pinned; agentDown; agentUp",
  "growth that was lost before the start is sent again once it runs":
    "runtime: create shared; run pinned; runc 0a; stopPod 1; agentDown; agentUp; start 0a; posted 0a; wait",
  "what the record has by now may not be what a cgroup was made with that can't be read":
    "kernel: create exclusive; runc 0a; hide 0a; cpuOff 2; apply; start 0a; heal 0a",
  "all CPUs that are online may be inherited, so a record with the same may not have been delivered":
    "runtime: create shared; runc 0a; run pinned; cpuOff 0; start 0a; cpuOn 0",
  "a class on CPUs that a container gains isn't left to the runtime, which moves none":
    "fence: run exclusive; cpuOff 2; hide 0a; cpuOn 2; resize 0a to 2",
  "a class grows before it shrinks, so that what waits in it for other CPUs gets them":
    "fence: run pinned; cpuOff 0; run exclusive; cpuOn 0; cpuOff 1; cpuOn 1; wait",
  "a container that its fence has let nowhere yet is written once that has grown, by the same plan":
    "fence: run exclusive; run shared; exit 0a; cpuOff 2; cpuOn 2; run pinned",
};

for (const [sentence, text] of Object.entries(FOUND)) {
  Deno.test(sentence, () => {
    const { mode, path } = parsePath(text);
    const { lines, problem } = replay(mode, path);
    assert.equal(problem, undefined, lines.join("\n"));
  });
}
