/** What cgroups above a container leave it, on trees of plain files and on the kernel's. */
import assert from "node:assert/strict";
import { openCpusets } from "../../../src/cgroup/kernel_cpusets.ts";
import { limitAtOneOf, limitOfRefused } from "../../../src/cgroup/limits.ts";
import { mark } from "../../../src/cgroup/marker.ts";
import type { CpusetPort } from "../../../src/cgroup/port.ts";
import { writeCpusets } from "../../../src/cgroup/write.ts";
import { CpuSet } from "../../../src/cpu/cpu_set.ts";
import type { ContainerRef } from "../../../src/ledger/claim.ts";
import { libc } from "../../../src/platform/libc.ts";
import { onKernel } from "../../kit/scratch_cgroups.ts";

libc(); // loaded once for the life of the process, which Deno's leak check would blame on the first test

const ALL = CpuSet.range(0, 7);

class Tree implements Disposable {
  readonly top = Deno.makeTempDirSync();
  readonly root: string;

  constructor(readonly version: 1 | 2) {
    this.root = version === 1 ? `${this.top}/cpuset` : this.top;
    for (const path of ["", "/kubepods", "/kubepods/burstable"]) this.put(path, version === 1 ? "0-7" : "");
  }

  put(path: string, cpus: string, effective = cpus || "0-7", more: Record<string, string> = {}): void {
    Deno.mkdirSync(`${this.root}${path}`, { recursive: true });
    const v2 = { "cpuset.cpus.effective": effective, "cgroup.controllers": "cpuset" };
    const files = { "cpuset.cpus": cpus, "cgroup.procs": "1", ...(this.version === 1 ? {} : v2), ...more };
    for (const [file, text] of Object.entries(files)) {
      Deno.writeTextFileSync(`${this.root}${path}/${file}`, text);
    }
  }

  get cpusets(): CpusetPort {
    const { cpusets } = openCpusets({ cgroupRoot: this.top, apply: "auto" });
    assert(cpusets?.version === this.version);
    return cpusets;
  }

  /** As `the CPUs that are left: why the others aren't`. */
  limit(parent: string): string | undefined {
    const limit = this.cpusets.limitOf?.(ref(parent), ALL);
    return limit && `${limit.cpus}: ${limit.why}`;
  }

  [Symbol.dispose](): void {
    Deno.removeSync(this.top, { recursive: true });
  }
}

function ref(parent: string): ContainerRef {
  const names = { id: "c0ffee", name: "c", pod: "p", namespace: "ns", podUid: "u", sandboxId: "s" };
  return { ...names, cgroup: { path: `${parent}/c0ffee`, parent, pid: 0 } };
}

Deno.test("v2: the nearest cgroup that lacks CPUs is named, and all above are taken together", () => {
  using tree = new Tree(2);
  tree.put("/kubepods/pod1", "");
  assert.equal(tree.limit("/kubepods/pod1"), undefined);
  tree.put("/kubepods", "0-5");
  tree.put("/kubepods/pod1", "2-7", "2-5");
  assert.equal(tree.limit("/kubepods/pod1"), "2-5: kept from this pod by /kubepods/pod1 (2-7)");
  tree.put("/kubepods/pod1", "", "0-5");
  assert.equal(tree.limit("/kubepods/pod1"), "0-5: kept from this pod by /kubepods (0-5)");
  assert.equal(tree.limit("/kubepods/gone"), "0-5: kept from this pod by /kubepods (0-5)", "not made yet");
});

Deno.test("v1: below the agent's own cgroup, where nothing of the pod is, is no limit of it", () => {
  using tree = new Tree(1);
  tree.put("/kubepods/pod1", "0-7");
  tree.put("/kubepods/burstable/pod2/agent", "3-5");
  const hierarchy = { kind: "hierarchy", version: 1, root: tree.root, base: "", nestings: [] } as const;
  const places = ["/kubepods/pod1/c0ffee", "/kubepods/burstable/pod2/agent/kubepods/pod1/c0ffee"];
  assert.equal(limitAtOneOf(hierarchy, places, ALL), undefined);
  tree.put("/kubepods/pod1", "2-7");
  assert.equal(limitAtOneOf(hierarchy, places, ALL)?.why, "kept from this pod by /kubepods/pod1 (2-7)");
  const nested = "/kubepods/burstable/pod2/agent/kubepods/pod3/c0ffee";
  assert.equal(limitAtOneOf(hierarchy, ["/kubepods/pod3/c0ffee", nested], ALL), undefined, "not made yet");
  tree.put("/kubepods/burstable/pod2/agent/kubepods/pod3", "3-4");
  assert.match(
    limitAtOneOf(hierarchy, ["/kubepods/pod3/c0ffee", nested], ALL)?.why ?? "",
    /pod3 \(3-4\)/,
    "nested",
  );
  assert.equal(limitAtOneOf(hierarchy, [], ALL), undefined);
});

Deno.test("v2: a set of the agent's own is no limit, nor one that has nothing in common with what is above", () => {
  using tree = new Tree(2);
  tree.put("/kubepods/burstable", "0-3");
  tree.put("/kubepods/burstable/pod1", "", "0-3");
  assert.match(tree.limit("/kubepods/burstable/pod1") ?? "", /^0-3: .*burstable \(0-3\)$/);
  mark(`${tree.root}/kubepods/burstable`);
  assert.equal(tree.limit("/kubepods/burstable/pod1"), undefined);
  tree.put("/kubepods/pod2", "9", "0-3");
  assert.equal(tree.limit("/kubepods/pod2"), undefined);
});

Deno.test("v1: what is in a class of the agent's lies within that; another pod's set is a limit", () => {
  using tree = new Tree(1);
  tree.put("/kubepods/burstable", "0-3");
  tree.put("/kubepods/burstable/pod1", "0-3");
  mark(`${tree.root}/kubepods/burstable`);
  assert.equal(tree.limit("/kubepods/burstable/pod1"), undefined);
  tree.put("/kubepods/pod2", "0-4");
  assert.equal(tree.limit("/kubepods/pod2"), "0-4: kept from this pod by /kubepods/pod2 (0-4)");
});

Deno.test("v2: granted CPUs that aren't all in force are a failure that names who keeps them; without a grant they aren't", () => {
  using tree = new Tree(2);
  tree.put("/kubepods/pod1", "4-7");
  tree.put("/kubepods/pod1/c0ffee", "0-7", "4-7");
  const write = { container: ref("/kubepods/pod1"), cpus: CpuSet.range(2, 7) };
  assert.equal(tree.cpusets.write([write], 1000).kind, "done");
  const result = tree.cpusets.write([{ ...write, isGranted: true }], 1000);
  assert(result.kind === "failed" && result.code === "narrowed");
  assert.deepEqual([`${result.limit?.cpus}`, result.notRolledBack.size], ["4-7", 0]);
  tree.put("/kubepods/pod1/c0ffee", "0-7", "4-7");
  const apart = tree.cpusets.write([{ ...write, cpus: CpuSet.range(0, 1), isGranted: true }], 1000);
  assert(apart.kind === "failed" && apart.code === "narrowed", "nothing in common with the cgroup above");
  const why = "CPUs 2-3 are kept from this pod by /kubepods/pod1 (4-7)";
  assert.equal(result.reason, `/kubepods/pod1/c0ffee can't have all of the CPUs 2-7: ${why}`);
});

Deno.test("a cgroup beside it that has CPUs for itself is named where the kernel refuses them", () => {
  const files = { 1: { "cpuset.cpu_exclusive": "1" }, 2: { "cpuset.cpus.partition": "root" } } as const;
  const words = {
    1: "held by /kubepods/pod1/other alone (cpuset.cpu_exclusive)",
    2: "held by the partition /kubepods/pod1/other",
  } as const;
  for (const version of [1, 2] as const) {
    using tree = new Tree(version);
    for (const path of ["/kubepods/pod1", "/kubepods/pod1/c0ffee"]) tree.put(path, "0-7");
    tree.put("/kubepods/pod1/other", "5-6", "5-6", files[version]);
    const hierarchy = { kind: "hierarchy", version, root: tree.root, base: "", nestings: [] } as const;
    const seen = (cpus: CpuSet) => limitOfRefused(hierarchy, "/kubepods/pod1/c0ffee", cpus);
    assert.equal(seen(CpuSet.range(3, 4)), undefined);
    const held = seen(CpuSet.of(4, 5));
    assert.deepEqual([`${held?.cpus.intersection(ALL)}`, held?.why], ["0-4,7", words[version]]);
  }
});

onKernel("the cgroup above one that hasn't all of the granted CPUs is named", (scratch) => {
  const above = scratch.make("/a", "0");
  const path = scratch.make("/a/c0ffee", "0");
  scratch.run(path);
  const write = { id: "c0ffee", path, cpus: CpuSet.range(0, 1), isGranted: true } as const;
  const result = writeCpusets(scratch.hierarchy, [write], 1000);
  assert(result.kind === "failed", result.kind);
  assert.equal(result.code, "narrowed");
  assert.match(result.reason, new RegExp(`CPU 1 is kept from this pod by ${above} \\(0\\)$`));
  assert.equal(scratch.read(path), "0", "it is rolled back");
});
