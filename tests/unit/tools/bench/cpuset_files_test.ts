import assert from "node:assert/strict";
import { findHierarchy } from "../../../../src/cgroup/hierarchy.ts";
import { openCpusets } from "../../../../src/cgroup/kernel_cpusets.ts";
import { CpuSet } from "../../../../src/cpu/cpu_set.ts";
import { libc } from "../../../../src/platform/libc.ts";
import { CpusetFiles } from "../../../../tools/bench/cpuset_files.ts";
import { placed } from "../../../../tools/bench/side.ts";

libc(); // loaded once for the life of the process, which Deno's leak check would blame on the test

Deno.test("the agent finds, writes and reads the plain files as cpusets of cgroup v1", () => {
  const root = Deno.makeTempDirSync();
  try {
    const files = new CpusetFiles(root, "0-63");
    const { named, pod, cgroup } = placed({ name: "web" });
    for (const path of [pod, cgroup]) files.make(path);
    const found = findHierarchy(root);
    assert(found.kind === "hierarchy" && found.version === 1);
    const { cpusets } = openCpusets({ cgroupRoot: root, apply: "kernel-first" });
    assert(cpusets?.writable);
    const id = cgroup.slice(cgroup.lastIndexOf("/") + 1);
    const container = {
      id,
      cgroup: { path: `${named.cgroupsPath}`, parent: `${named.cgroupParent}`, pid: 0 },
    };
    const cpus = CpuSet.range(1, 63);
    const result = cpusets.write([{ container, cpus }] as never, 1000);
    assert.equal(result.kind, "done");
    assert.equal(files.read(cgroup), "1-63");
    assert.equal(cpusets.population(container as never), "populated");
    files.remove(pod);
    assert.equal(cpusets.population(container as never), "absent");
  } finally {
    Deno.removeSync(root, { recursive: true });
  }
});
