/** Groups on a cgroup v2 tree of plain files: whose set they have, and how it is taken back. */
import assert from "node:assert/strict";
import { CgroupDirectory } from "../../../src/cgroup/directory.ts";
import { findHierarchy } from "../../../src/cgroup/hierarchy.ts";
import { openCpusets } from "../../../src/cgroup/kernel_cpusets.ts";
import type { KeptCgroups } from "../../../src/cgroup/kept_cgroups.ts";
import { mark } from "../../../src/cgroup/marker.ts";
import { releaseGroups, releasePartitions } from "../../../src/cgroup/release.ts";
import { CpuSet } from "../../../src/cpu/cpu_set.ts";
import { release } from "../../../src/daemon/release.ts";
import { DEFAULTS } from "../../../src/config/schema.ts";
import { groupRef } from "../../../src/ledger/groups.ts";
import { LeaderLock } from "../../../src/platform/lock.ts";
import { libc } from "../../../src/platform/libc.ts";
import type { AllowedCpusResult, UnitProperties } from "../../../src/systemd/port.ts";

libc(); // loaded once for the life of the process, which Deno's leak check would blame on the first test

const CLASSES: readonly string[] = [
  "/kubepods.slice/kubepods-burstable.slice",
  "/kubelet/kubepods/besteffort",
  "/system.slice",
];
const ALL = CpuSet.range(0, 3);
/** The last of those that are present is offline, where a test says so. */
const MACHINE = { possible: CpuSet.range(0, 7), present: ALL };

class Tree implements Disposable {
  readonly root = Deno.makeTempDirSync();

  constructor() {
    this.put("", "");
    for (const path of [...CLASSES, "/kubepods/pod1/burstable"]) this.put(path, "");
    Deno.writeTextFileSync(`${this.root}/online`, "");
  }

  put(path: string, cpus: string): void {
    Deno.mkdirSync(`${this.root}${path}`, { recursive: true });
    const files = { "cpuset.cpus": cpus, "cpuset.cpus.effective": cpus || "0-3", "cgroup.procs": "1" };
    for (const [file, text] of Object.entries({ ...files, "cgroup.controllers": "cpuset" })) {
      Deno.writeTextFileSync(`${this.root}${path}/${file}`, text);
    }
  }

  cpusOf(path: string): string {
    return Deno.readTextFileSync(`${this.root}${path}/cpuset.cpus`).trim();
  }

  /** As the agent leaves it, and what the kernel makes of it. */
  narrow(path: string, cpus: CpuSet): void {
    this.put(path, `${cpus}`);
    mark(`${this.root}${path}`);
  }

  read(path: string) {
    return openCpusets({ cgroupRoot: this.root, apply: "auto" }).cpusets?.read(groupRef(path));
  }

  get hierarchy() {
    const found = findHierarchy(this.root);
    assert(found.kind === "hierarchy" && found.version === 2);
    return found;
  }

  [Symbol.dispose](): void {
    Deno.removeSync(this.root, { recursive: true });
  }
}

Deno.test("groups that the agent has narrowed get all CPUs; what another program has narrowed stays", () => {
  using tree = new Tree();
  const [burstable = "", bestEffort = "", system = ""] = CLASSES;
  tree.put(system, "0-1");
  for (const path of [burstable, bestEffort]) tree.narrow(path, CpuSet.range(1, 2));
  tree.put("/kubepods/pod1/burstable", "0");
  assert.deepEqual(releaseGroups(tree.hierarchy, MACHINE).map(({ path }) => path).sort(), [
    bestEffort,
    burstable,
  ]);
  assert.deepEqual(CLASSES.map((path) => tree.cpusOf(path)), ["", "", "0-1"]);
  assert.equal(tree.cpusOf("/kubepods/pod1/burstable"), "0");
  assert.deepEqual(releaseGroups(tree.hierarchy, MACHINE), []);
});

Deno.test("a group with processes, which can't be left without a set, names every CPU that there can be", () => {
  using tree = new Tree();
  const [burstable = ""] = CLASSES;
  tree.narrow(burstable, CpuSet.of(1));
  const kept = {
    open: (path: string) => {
      const directory = CgroupDirectory.open(tree.root, path);
      assert(directory.kind === "directory");
      const write = directory.write.bind(directory);
      directory.write = (file, text) =>
        text.trim() === "" ? { kind: "errno", errno: "ENOSPC", text: "" } : write(file, text);
      return directory;
    },
  } as unknown as KeptCgroups;
  assert.deepEqual(releaseGroups({ ...tree.hierarchy, kept }, MACHINE), [{ path: burstable }]);
  assert.equal(tree.cpusOf(burstable), "0-7");
  // Another program's partition beside it may end if it is given its CPUs.
  tree.put("/dpdk.slice", "3");
  Deno.writeTextFileSync(`${tree.root}/dpdk.slice/cpuset.cpus.partition`, "isolated\n");
  tree.narrow("/system.slice", CpuSet.of(1));
  assert.deepEqual(releaseGroups({ ...tree.hierarchy, kept }, MACHINE), [{ path: "/system.slice" }]);
  assert.equal(tree.cpusOf("/system.slice"), "0-2,4-7");
});

Deno.test("AllowedCPUs of a unit is unset; where that fails the group isn't released yet", () => {
  using tree = new Tree();
  const [burstable = "", bestEffort = ""] = CLASSES;
  for (const path of [burstable, bestEffort]) tree.narrow(path, CpuSet.of(1));
  const unset: string[] = [];
  let answer: AllowedCpusResult = { kind: "failed", reason: "no answer" };
  const units = {
    unsetAllowedCpus: (unit: string) => (unset.push(unit), answer),
  } as unknown as UnitProperties;
  const problems = () => releaseGroups(tree.hierarchy, MACHINE, units).map(({ problem }) => problem).sort();
  assert.deepEqual(problems(), ["no answer", undefined]);
  answer = { kind: "done" };
  assert.deepEqual([problems(), problems()], [[undefined], []]);
  assert.deepEqual(unset, Array(2).fill("kubepods-burstable.slice"));
});

Deno.test("cgroup v1: a group gets what the one above has, and stays marked while a CPU is offline", () => {
  using tree = new Tree();
  const path = "/kubepods/burstable";
  const root = `${tree.root}/cpuset`;
  const put = (path: string, cpus: string) => {
    Deno.mkdirSync(`${root}${path}`, { recursive: true });
    Deno.writeTextFileSync(`${root}${path}/cpuset.cpus`, cpus);
  };
  const online = (cpus: string) => ["", "/kubepods"].forEach((path) => put(path, cpus));
  online("0-2");
  put(path, "1");
  mark(`${root}${path}`);
  const hierarchy = { kind: "hierarchy", version: 1, root, base: undefined, nestings: [] } as const;
  for (let round = 0; round < 2; round++) {
    assert.deepEqual(releaseGroups(hierarchy, MACHINE), [{ path, offline: CpuSet.of(3) }]);
    assert.equal(Deno.readTextFileSync(`${root}${path}/cpuset.cpus`).trim(), "0-2");
  }
  online("0-3");
  assert.deepEqual(releaseGroups(hierarchy, MACHINE), [{ path }]);
  assert.equal(Deno.readTextFileSync(`${root}${path}/cpuset.cpus`).trim(), "0-3");
  assert.deepEqual(releaseGroups(hierarchy, MACHINE), []);
});

Deno.test("partitions in kubelet's cgroups are ended", () => {
  using tree = new Tree();
  const top = `${tree.root}/kubelet/kubepods`;
  for (const path of ["", "/pod1", "/pod1/c"]) {
    Deno.mkdirSync(`${top}${path}`, { recursive: true });
    Deno.writeTextFileSync(`${top}${path}/cpuset.cpus.exclusive`, "2\n");
    Deno.writeTextFileSync(`${top}${path}/cpuset.cpus.partition`, path === "/pod1/c" ? "root\n" : "member\n");
  }
  assert.deepEqual(releasePartitions(tree.hierarchy), [{ path: "/kubelet/kubepods" }]);
  assert.equal(Deno.readTextFileSync(`${top}/pod1/c/cpuset.cpus.partition`), "member\n");
  assert.deepEqual(releasePartitions(tree.hierarchy), []);
});

Deno.test("a group's reading says whether another program has narrowed it", () => {
  using tree = new Tree();
  const [burstable = "", , system = ""] = CLASSES;
  tree.put(system, "0-1");
  tree.narrow(burstable, CpuSet.range(1, 2));
  const isForeign = (path: string) => {
    const reading = tree.read(path);
    return reading?.kind === "values" && reading.isForeign === true;
  };
  assert.deepEqual([isForeign(system), isForeign(burstable)], [true, false]);
  const { cpusets } = openCpusets({ cgroupRoot: tree.root, apply: "auto" });
  const written = cpusets?.write([{ container: groupRef(system), cpus: CpuSet.of(1) }], 1000);
  assert(written?.kind === "unverified" && /another program has given .* the CPUs 0-1/.test(written.reason));
});

Deno.test("no other cgroup is written as a group, whatever its path", () => {
  using tree = new Tree();
  for (
    const path of ["/kubepods/pod1", "/", "", "/a/../system.slice", "/x/system.slice", "/kubepods.slice"]
  ) {
    const { cpusets } = openCpusets({ cgroupRoot: tree.root, apply: "auto" });
    assert.equal(cpusets?.write([{ container: groupRef(path), cpus: ALL }], 1000).kind, "done");
  }
  assert.equal(tree.cpusOf("/kubepods/pod1/burstable"), "");
});

Deno.test("the command releases, says what it did, and refuses while an agent is active", async () => {
  using tree = new Tree();
  const runDir = Deno.makeTempDirSync();
  tree.narrow(CLASSES[0] ?? "", CpuSet.of(1));
  Deno.mkdirSync(`${tree.root}/sysfs/devices/system/cpu`, { recursive: true });
  for (const [file, cpus] of [["possible", "0-7"], ["present", "0-3"]]) {
    Deno.writeTextFileSync(`${tree.root}/sysfs/devices/system/cpu/${file}`, `${cpus}\n`);
  }
  const config = { ...DEFAULTS, cgroupRoot: tree.root, sysfsRoot: `${tree.root}/sysfs`, runDir };
  const lines: string[] = [];
  const options = { waitSeconds: 0, say: (line: string) => void lines.push(line) };
  const agent = await LeaderLock.acquire(runDir, "pid 1", AbortSignal.timeout(1000), () => {});
  await assert.rejects(release(config, options), /an agent is active on this node \(pid 1\); stop it/);
  agent.release();
  await release(config, { ...options, waitSeconds: 10 });
  await release(config, { ...options, waitSeconds: 10 });
  assert.deepEqual(lines, [
    `${CLASSES[0]}: all CPUs`,
    "nothing to release: no cgroup is kept off CPUs",
  ]);
  Deno.removeSync(runDir, { recursive: true });
});
