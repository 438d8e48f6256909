// Who lives in a cgroup, on the kernel's own tree and on trees of plain files.
import assert from "node:assert/strict";
import { rootWith } from "../../../src/cgroup/hierarchy.ts";
import { isInHostPids, populationOf } from "../../../src/cgroup/population.ts";
import { libc } from "../../../src/platform/libc.ts";
import { FileTree } from "../../kit/file_tree.ts";
import { onKernel } from "../../kit/scratch_cgroups.ts";

libc(); // loaded once for the life of the process, which Deno's leak check would blame on the first test

onKernel("a cgroup is populated as long as a process is in it or below it", (scratch) => {
  const { hierarchy } = scratch;
  const path = scratch.make("/pod", "0-1");
  const seen = (path: string) => populationOf(hierarchy, path, undefined, () => true);
  assert.equal(seen(path), "empty");
  const below = scratch.make("/pod/below", "0");
  const child = scratch.run(below);
  assert.equal(seen(path), "populated");
  assert.equal(seen(below), "populated");
  // To the root of the hierarchy.
  Deno.writeTextFileSync(`${hierarchy.root}/cgroup.procs`, `${child.pid}`);
  assert.equal(seen(path), "empty");
  assert.equal(seen(`${path}/none`), "absent");
});

onKernel(
  "by the number of tasks where the processes aren't seen, as from another pid namespace (v1)",
  (scratch) => {
    const { hierarchy } = scratch;
    const path = scratch.make("/pod", "0-1");
    const child = scratch.run(scratch.make("/elsewhere", "0"));
    const pids = rootWith("pids", hierarchy) ?? "";
    if (hierarchy.version === 2) return assert.equal(pids, hierarchy.root);
    Deno.mkdirSync(`${pids}${path}`, { recursive: true });
    try {
      assert.equal(populationOf(hierarchy, path, { root: pids }), "empty");
      // So its cgroup.procs in the other hierarchy is as empty as a namespace would make it.
      Deno.writeTextFileSync(`${pids}${path}/cgroup.procs`, `${child.pid}`);
      const bare = populationOf(hierarchy, path, undefined, () => true);
      assert.deepEqual([bare, populationOf(hierarchy, path, { root: pids })], ["empty", "populated"]);
      Deno.writeTextFileSync(`${pids}/cgroup.procs`, `${child.pid}`);
      assert.equal(populationOf(hierarchy, path, { root: pids }), "empty");
      assert.equal(populationOf(hierarchy, `${path}/none`, { root: pids }), "absent");
    } finally {
      for (const each of [path, scratch.top]) Deno.removeSync(`${pids}${each}`);
    }
  },
);

const TREES: readonly [string, 1 | 2, Record<string, string>, string][] = [
  ["v2 populated", 2, { "c/cgroup.events": "populated 1\nfrozen 0\n", "c/cgroup.procs": "" }, "populated"],
  ["v2 empty", 2, { "c/cgroup.events": "frozen 0\npopulated 0\n", "c/cgroup.procs": "7\n" }, "empty"],
  ["v2 without that line", 2, { "c/cgroup.events": "frozen 0\n", "c/cgroup.procs": "" }, "unreadable"],
  ["v2 without the file", 2, { "c/cgroup.procs": "" }, "unreadable"],
  ["v2 that is being removed", 2, { "c/x": "" }, "absent"],
  ["v1 with processes", 1, { "c/cgroup.procs": "7\n" }, "populated"],
  ["v1 with processes two levels below", 1, {
    "c/cgroup.procs": "",
    "c/a/cgroup.procs": "",
    "c/a/b/cgroup.procs": "7\n",
  }, "populated"],
  ["v1 without any", 1, { "c/cgroup.procs": "", "c/a/cgroup.procs": "" }, "empty"],
  ["v1, of which a part is being removed", 1, { "c/cgroup.procs": "", "c/a/x": "" }, "empty"],
  ["v1 with more below than is looked at", 1, {
    "c/cgroup.procs": "",
    ...Object.fromEntries(Array.from({ length: 300 }, (_, at) => [`c/${at}/cgroup.procs`, ""])),
  }, "unreadable"],
  ["none", 1, { "other/cgroup.procs": "" }, "absent"],
  ["a link", 2, { "c": "->other", "other/cgroup.events": "populated 0\n" }, "unreadable"],
];

for (const [name, version, files, expected] of TREES) {
  Deno.test(`population of ${name}`, () => {
    using tree = new FileTree(files);
    assert.equal(populationOf(tree.hierarchy(version), "/c", undefined, () => true), expected);
  });
}

Deno.test("an empty cgroup.procs says nothing where it leaves out other pid namespaces and tasks aren't counted (v1)", () => {
  using procs = new FileTree({ "c/cgroup.procs": "", "c/a/cgroup.procs": "", "d/cgroup.procs": "7\n" });
  using pids = new FileTree({ "c/pids.current": "0\n" });
  const seen = (path: string, tree?: { readonly root: string }) =>
    populationOf(procs.hierarchy(1), path, tree, () => false);
  assert.deepEqual([seen("/c"), seen("/d"), seen("/e")], ["unreadable", "populated", "absent"]);
  assert.deepEqual([seen("/c", pids), seen("/c/a", pids)], ["empty", "unreadable"]);
});

Deno.test("whether this process sees those of all pid namespaces is known by its own", () => {
  assert.equal(isInHostPids(), Deno.readLinkSync("/proc/self/ns/pid") === "pid:[4026531836]");
});
