import assert from "node:assert/strict";
import { affinityOf } from "../../../src/cgroup/affinity.ts";
import { glanceAt } from "../../../src/cgroup/glance.ts";
import { rootWith } from "../../../src/cgroup/hierarchy.ts";
import { withKept, withTasksKept } from "../../../src/cgroup/keep.ts";
import { KeptCgroups } from "../../../src/cgroup/kept_cgroups.ts";
import { populationOf } from "../../../src/cgroup/population.ts";
import type { Glance } from "../../../src/cgroup/port.ts";
import { type CgroupTree, type CpusetHierarchy, readCpuset } from "../../../src/cgroup/read.ts";
import { libc } from "../../../src/platform/libc.ts";
import { FileTree } from "../../kit/file_tree.ts";
import { onKernel } from "../../kit/scratch_cgroups.ts";

libc(); // loaded once for the life of the process, which Deno's leak check would blame on the first test

const SETS = ["cpuset.cpus", "cpuset.cpus.effective", "cgroup.events"];
const POPULATED = "populated 1\nfrozen 0\n";
const NOBODY_S_TURN = 9;
/** A CPU on which these tests may run. */
const [OWN = 0] = affinityOf(Deno.pid) ?? [];

/** Of cgroups as they are read now, the first of which has turn 0. */
function glanceOf(hierarchy: CpusetHierarchy, paths: readonly string[], pids?: CgroupTree): Glance {
  const known = paths.map((path, turn) => {
    const reading = readCpuset(hierarchy, path);
    const container = { id: path, name: "c", pod: "p", namespace: "ns", podUid: "u", sandboxId: "s" };
    return { container, reading, turn, directory: hierarchy.kept?.keptAt(path) };
  });
  return glanceAt(hierarchy, known, pids);
}

/** Two cgroups as v2 has them, in each of which the thread of these tests lives. */
class Tree extends FileTree {
  readonly kept: KeptCgroups;
  readonly glance: Glance;
  readonly of: CpusetHierarchy;

  constructor(limit = 2, events = POPULATED) {
    const texts = { "cpuset.cpus": "0-1\n", "cpuset.cpus.effective": `${OWN}\n`, "cgroup.events": events };
    const files = { ...texts, "cgroup.threads": `${Deno.pid}\n` };
    const all = ["a", "b", "c"].flatMap((name) =>
      Object.entries(files).map(([file, text]) => [`${name}/${file}`, text])
    );
    super(Object.fromEntries(all));
    this.kept = new KeptCgroups(this.root, SETS, false, limit);
    this.of = { ...this.hierarchy(2), kept: this.kept };
    for (const path of ["/a", "/b"]) populationOf(this.of, path);
    this.glance = glanceOf(this.of, ["/a", "/b"]);
  }

  put(path: string, text: string): void {
    Deno.writeTextFileSync(`${this.root}/${path}`, text);
  }

  override [Symbol.dispose](): void {
    this.kept.close();
    super[Symbol.dispose]();
  }
}

for (const file of SETS) {
  Deno.test(`a change of ${file} shows, and no longer once it is as before`, () => {
    using tree = new Tree();
    const before = Deno.readTextFileSync(`${tree.root}/b/${file}`);
    assert.deepEqual(tree.glance.changed(NOBODY_S_TURN), []);
    for (const text of [`x${before.slice(1)}`, `${before}2`, before.slice(1), ""]) {
      tree.put(`b/${file}`, text);
      assert.deepEqual(tree.glance.changed(NOBODY_S_TURN), ["/b"], text);
    }
    tree.put(`b/${file}`, before);
    assert.deepEqual(tree.glance.changed(NOBODY_S_TURN), []);
  });
}

Deno.test("threads are looked at in their turn: none to be seen, or a cgroup inside, is for a closer look", () => {
  using tree = new Tree();
  assert.deepEqual([0, 1].map((turn) => tree.glance.changed(turn)), [[], []]);
  tree.put("a/cgroup.threads", "");
  assert.deepEqual([0, 1].map((turn) => tree.glance.changed(turn)), [["/a"], []]);
  Deno.mkdirSync(`${tree.root}/b/inside`);
  assert.deepEqual([0, 1].map((turn) => tree.glance.changed(turn)), [["/a"], ["/b"]]);
});

Deno.test("what isn't kept open, was read otherwise since, or is of one where nobody lives, isn't in it", () => {
  using few = new Tree(1);
  assert.deepEqual([...few.glance.ids], ["/a"]);
  using deserted = new Tree(2, "populated 0\nfrozen 0\n");
  assert.deepEqual([...deserted.glance.ids], []);
  using tree = new Tree();
  const [before, directory] = [readCpuset(tree.of, "/a"), tree.kept.keptAt("/a")];
  tree.put("a/cpuset.cpus", "0\n");
  directory?.read("cpuset.cpus");
  const container = { id: "a", name: "c", pod: "p", namespace: "ns", podUid: "u", sandboxId: "s" };
  assert.equal(glanceAt(tree.of, [{ container, reading: before, turn: 0, directory }]).ids.size, 0);
});

Deno.test("cgroups that it looks at stay open; once one is closed nothing can be said", () => {
  using tree = new Tree(3);
  assert.equal(readCpuset(tree.of, "/c").kind, "values");
  const clock = performance.now;
  try {
    for (const nowMs of [50_000, 100_000, 150_000, 200_000]) {
      performance.now = () => nowMs;
      assert.deepEqual(tree.glance.changed(0), []);
    }
    assert.equal(tree.kept.size, 2, "another one was closed");
    tree.kept.close();
    assert.equal(tree.glance.changed(0), undefined);
    readCpuset(tree.of, "/a");
    assert.equal(tree.glance.changed(0), undefined, "its number may be another file's by now");
  } finally {
    performance.now = clock;
  }
});

onKernel("a set that is written, the last task's end and a removal show (v1)", (scratch) => {
  const pids = rootWith("pids", scratch.hierarchy);
  if (scratch.hierarchy.version === 2 || pids === undefined) return;
  const [tasks, hierarchy] = [withTasksKept(pids), withKept(scratch.hierarchy)];
  const path = scratch.make("/c", "0");
  const child = scratch.run(path);
  Deno.mkdirSync(`${pids}${path}`, { recursive: true });
  try {
    Deno.writeTextFileSync(`${pids}${path}/cgroup.procs`, `${child.pid}`);
    assert.equal(populationOf(hierarchy, path, tasks), "populated");
    const glance = glanceOf(hierarchy, [path], tasks);
    assert.deepEqual([0, 1].map((turn) => glance.changed(turn)), [[], []]);
    scratch.write(path, "0-1");
    assert.deepEqual(glance.changed(1), [path]);
    scratch.write(path, "0");
    assert.deepEqual(glance.changed(1), []);
    Deno.writeTextFileSync(`${pids}/cgroup.procs`, `${child.pid}`);
    assert.deepEqual(glance.changed(1), [path]);
    Deno.writeTextFileSync(`${pids}${path}/cgroup.procs`, `${child.pid}`);
    assert.deepEqual(glance.changed(1), []);
    scratch.write("", `${child.pid}`, "cgroup.procs");
    scratch.remove(path);
    scratch.make("/c", "0");
    assert.deepEqual(glance.changed(1), [path], "another one has its place");
  } finally {
    Deno.writeTextFileSync(`${pids}/cgroup.procs`, `${child.pid}`);
    for (const each of [path, scratch.top]) Deno.removeSync(`${pids}${each}`);
    for (const each of [tasks.kept, hierarchy.kept]) each?.close();
  }
});
