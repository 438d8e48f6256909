// That the machine is the one that the other checks take it for.
import assert from "node:assert/strict";
import { findHierarchy, memoryNodes, online } from "../../node/machine.ts";
import { coreOf, nodeOf } from "./kernel.ts";

const all = Array.from({ length: 16 }, (_, cpu) => cpu);

Deno.test("the machine has 16 CPUs: two NUMA nodes with memory, of four cores with two threads", () => {
  assert.deepEqual(online(), all);
  assert.deepEqual(memoryNodes(all), [0, 1]);
  for (const cpu of all) {
    const even = cpu - cpu % 2;
    assert.deepEqual(coreOf(cpu), [even, even + 1]);
    assert.equal(nodeOf(cpu), cpu < 8 ? "node0" : "node1");
  }
});

Deno.test("the machine has cgroup v2 with cpusets, and systemd as its first process", () => {
  assert.deepEqual(findHierarchy(), { version: 2, root: "/sys/fs/cgroup" });
  assert.match(Deno.readTextFileSync("/sys/fs/cgroup/cgroup.subtree_control"), /\bcpuset\b/);
  assert.equal(Deno.readTextFileSync("/proc/1/comm").trim(), "systemd");
});
