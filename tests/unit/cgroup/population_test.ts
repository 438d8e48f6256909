/** Whether a cgroup has processes: on the real kernel's, and in v2's form on files. */
import assert from "node:assert/strict";
import { populationOf } from "../../../src/cgroup/population.ts";
import type { CpusetHierarchy } from "../../../src/cgroup/read.ts";
import { onKernel } from "../../kit/scratch_cgroups.ts";

onKernel("a cgroup has processes while one below it has, and none once it is gone", (scratch) => {
  const path = scratch.make("/c", "0-1");
  const below = scratch.make("/c/d", "0-1");
  const now = () => populationOf(scratch.hierarchy, path);
  assert.equal(now(), "empty");
  const child = scratch.run(below);
  assert.equal(now(), "populated");
  scratch.write("", `${child.pid}`, "cgroup.procs");
  assert.equal(now(), "empty");
  scratch.remove(below);
  scratch.remove(path);
  assert.equal(now(), "absent");
});

Deno.test("cgroup v2 counts the processes below by itself; without its file it isn't known", () => {
  const root = Deno.makeTempDirSync();
  try {
    const hierarchy: CpusetHierarchy = { kind: "hierarchy", version: 2, root, base: "", nestings: [] };
    Deno.mkdirSync(`${root}/c`);
    Deno.writeTextFileSync(`${root}/c/cgroup.procs`, "");
    assert.equal(populationOf(hierarchy, "/c"), "unreadable");
    for (
      const [events, is] of [["populated 1\nfrozen 0\n", "populated"], ["populated 0\nfrozen 0\n", "empty"]]
    ) {
      Deno.writeTextFileSync(`${root}/c/cgroup.events`, events ?? "");
      assert.equal(populationOf(hierarchy, "/c"), is);
    }
    assert.equal(populationOf(hierarchy, "/d"), "absent");
  } finally {
    Deno.removeSync(root, { recursive: true });
  }
});
