// What the cgroup tree alone shows of running pods, for when nothing else does.
import assert from "node:assert/strict";
import { CpuSet } from "../../../src/cpu/cpu_set.ts";
import { scanClaims } from "../../../src/cgroup/scan.ts";
import { comesToRunOn } from "./checks.ts";
import { allowedCpus, findHierarchy, online, without } from "./machine.ts";
import type { TestNode } from "./node.ts";
import { exclusive, pinned, shared } from "./pods.ts";
import { onContainerd } from "./suite.ts";
import { cgroupOf } from "./sweep.ts";

const all = online();
const last = all.slice(-1);

// libc is loaded once for the life of the process, which Deno's leak check would blame on the first test.
scanClaims("/nowhere", CpuSet.empty);

/** Below this node's own cgroup only: other tests have pods as well. */
function claims(node: TestNode): number[] {
  return scanClaims(findHierarchy().root + cgroupOf(node.dir), CpuSet.from(all)).toArray();
}

onContainerd("the cgroup tree shows which CPUs are claimed, and leaves the pool", async (node) => {
  assert.deepEqual(claims(node), []);
  const agent = await node.startAgent();
  const others = [await node.run(shared()), await node.run(shared())];
  assert.deepEqual(claims(node), []);
  const owner = await node.run(exclusive(1));
  const own = allowedCpus(owner.pid);
  for (const other of others) await comesToRunOn(other, without(all, own));
  assert.deepEqual(claims(node), own);

  await node.end(owner);
  const pin = await node.run(pinned(`${last}`));
  for (const other of others) await comesToRunOn(other, without(all, last));
  assert.deepEqual(claims(node), last);
  await agent.end("SIGKILL");
  await node.end(pin);
  // The others haven't been sent that they may use it again, but none is confined to it any more.
  assert.deepEqual(claims(node), without(all, last));
});
