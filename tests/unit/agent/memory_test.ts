/** Memory nodes of pinned containers that run without those of their CPUs: bound while they use little memory, else reported. */
import assert from "node:assert/strict";
import { CpuSet } from "../../../src/cpu/cpu_set.ts";
import type { CorrectMems } from "../../../src/cgroup/port.ts";
import { statusDocument } from "../../../src/status/status_document.ts";
import { viewOf } from "../../../src/agent/view.ts";
import { CORES_IDS } from "../../../src/nri/annotations.ts";
import { FakeKernel, FakeMemory } from "../../kit/fake_kernel.ts";
import { Link } from "../../kit/link.ts";
import type { Wanted } from "../../kit/messages.ts";
import { DEFAULT_POLICY } from "../../kit/policy.ts";
import { type MachineSpec, topologyOf } from "../../kit/sysfs.ts";

const twoNodes: MachineSpec = { sockets: 1, nodesPerSocket: 2, coresPerNode: 4, threads: 1 };
const BOTH = CpuSet.of(0, 1);
const pin = (name: string, cpus: string): Wanted => ({ name, annotations: { [CORES_IDS]: cpus } });
const [young, old, wide] = [pin("young", "1"), pin("old", "5"), pin("wide", "2,6")];
const all = [young, old, wide, { name: "web" }];

function rig(
  correctMems: CorrectMems = "young",
  setup: ConstructorParameters<typeof Link>[1] = {},
  machine = twoNodes,
  running: readonly Wanted[] = all,
) {
  const [kernel, memory] = [new FakeKernel(2), new FakeMemory()];
  kernel.online = CpuSet.range(0, 7);
  kernel.memory = memory;
  for (const { name } of running) {
    kernel.appear(`id-${name}`, "");
    memory.nodes.set(`id-${name}`, BOTH);
  }
  memory.used.set("id-old", 812);
  const policy = { ...DEFAULT_POLICY, correctMems };
  const options = { cpusets: kernel, reconcileMs: 1000, fence: "off", policy, ...setup } as const;
  const link = Link.serving(running, machine, options);
  const looks = (count: number) => {
    for (let n = 0; n < count; n++) link.tick(link.now + 1);
  };
  looks(8);
  return { kernel, memory, link, looks };
}

const unboundOf = ({ link }: ReturnType<typeof rig>, name: string) => link.container(`id-${name}`)?.unbound;
const LEFT = "memory nodes not set to 1: it has 0-1 and uses 812 MiB (correctMems: young)";

Deno.test("those that use little memory are bound, one a look; a large one is reported, and nobody else's are touched", () => {
  const it = rig();
  assert.deepEqual(it.memory.written, ["id-young=0"]);
  assert.deepEqual([unboundOf(it, "young"), unboundOf(it, "old"), unboundOf(it, "web")], [
    undefined,
    LEFT,
    undefined,
  ]);
  assert.deepEqual(it.link.logged("info").filter((line) => line.includes("memory")), [
    "memory nodes corrected",
  ]);
  assert.deepEqual(it.link.logged("warn"), [
    "memory nodes not set to 1, recreate the pod: it has 0-1 and uses 812 MiB (correctMems: young)",
  ]);
  assert(!it.memory.looks.includes("id-web"));
  const many = Array.from({ length: 5 }, (_, n) => pin(`p${n}`, `${n}`));
  const busy = rig("young", {}, twoNodes, many);
  assert.equal(busy.memory.written.length, 5, "all, look by look");
  for (const { name } of many) busy.memory.nodes.set(`id-${name}`, BOTH);
  const before = busy.memory.written.length;
  busy.link.tick(busy.link.now + 2000);
  assert.equal(busy.memory.written.length, before + 1, "a request that comes now doesn't wait for all");
});

Deno.test("at each comparison they are looked at again: what another program changes, and who uses less by then", () => {
  const it = rig();
  it.memory.written.length = it.memory.looks.length = 0;
  it.looks(3);
  assert.deepEqual(it.memory.looks, [], "not between comparisons");
  it.memory.nodes.set("id-young", BOTH);
  it.memory.used.set("id-old", 100);
  it.link.tick(it.link.now + 2000);
  it.looks(4);
  assert.deepEqual(it.memory.written.sort(), ["id-old=1", "id-young=0"]);
  assert.equal(unboundOf(it, "old"), undefined);
  assert.equal(it.link.logged("warn").length, 1);
});

Deno.test("a large one is logged once, however often it is looked at, and forgotten with its end", () => {
  const it = rig();
  for (let n = 0; n < 4; n++) {
    it.memory.used.set("id-old", 900 + n);
    it.link.tick(it.link.now + 2000);
  }
  assert.equal(it.link.logged("warn").length, 1);
  assert.match(unboundOf(it, "old") ?? "", /uses 90\d MiB/);
  const around = { version: "1", mode: "external", pid: 1, startedAt: "", timeOf: String } as const;
  const status = statusDocument(viewOf(it.link.agent.state), { ...around, topology: topologyOf(twoNodes) });
  assert.equal(status.containers.find(({ pod }) => pod === "old")?.reason, unboundOf(it, "old"));
  it.kernel.sets.delete("id-old");
  it.link.stop(old);
  it.looks(2);
  assert(!it.link.agent.state.memories.has("id-old"));
});

Deno.test("never: only reported; always: bound however large it is", () => {
  const never = rig("never");
  assert.deepEqual(never.memory.written, []);
  assert.match(unboundOf(never, "young") ?? "", /not set to 0: .*correctMems: never/);
  const always = rig("always");
  assert.deepEqual(always.memory.written.sort(), ["id-old=1", "id-young=0"]);
  assert.equal(unboundOf(always, "old"), undefined);
});

Deno.test("nothing is written in a dry run, where the runtime writes, by pinnedMems off, nor on one node", () => {
  const policy = { ...DEFAULT_POLICY, pinnedMems: "off" } as const;
  for (const setup of [{ dryRun: true }, { apply: "runtime" }, { policy }] as const) {
    assert.deepEqual(rig("young", setup).memory.looks, [], JSON.stringify(setup));
  }
  assert.deepEqual(rig("young", {}, { ...twoNodes, nodesPerSocket: 1, coresPerNode: 8 }).memory.looks, []);
  const told = rig("young", { apply: "runtime" }).link.logged("warn");
  assert(
    told.includes("memory nodes not set to 0, recreate the pod"),
    "by the record, where the kernel isn't written",
  );
});

Deno.test("one that has lost a CPU stays as it is until the CPU is back: its nodes aren't known meanwhile", () => {
  const it = rig();
  const topologyWith = (offline: string) => ({
    kind: "topology" as const,
    now: it.link.now,
    topology: topologyOf({ ...twoNodes, offline }),
    offlineRemoved: false,
  });
  it.link.feed(topologyWith("2"));
  it.memory.written.length = it.memory.looks.length = 0;
  it.link.tick(it.link.now + 2000);
  it.looks(3);
  assert(it.memory.looks.includes("id-young") && !it.memory.looks.includes("id-wide"));
  it.link.feed(topologyWith(""));
  it.link.tick(it.link.now + 2000);
  it.looks(3);
  assert(it.memory.looks.includes("id-wide"));
});
