// On the kernel's own cgroups: how a file that is open answers after its cgroup has been removed is the kernel's affair.
import assert from "node:assert/strict";
import { rootWith } from "../../../src/cgroup/hierarchy.ts";
import { withKept, withTasksKept } from "../../../src/cgroup/keep.ts";
import { KeptCgroups } from "../../../src/cgroup/kept_cgroups.ts";
import { isPopulated, populationOf } from "../../../src/cgroup/population.ts";
import { readCpuset } from "../../../src/cgroup/read.ts";
import { CpuSet } from "../../../src/cpu/cpu_set.ts";
import { libc } from "../../../src/platform/libc.ts";
import { FileTree } from "../../kit/file_tree.ts";
import { onKernel } from "../../kit/scratch_cgroups.ts";

libc(); // loaded once for the life of the process, which Deno's leak check would blame on the first test

const FILE = "cpuset.cpus";

/** What the cgroup has by what is kept, or the error. */
function cpus(kept: KeptCgroups, path: string): string {
  const opened = kept.open(path);
  if (opened.kind === "errno") return opened.errno;
  using directory = opened;
  const content = directory.read(FILE);
  return content.kind === "text" ? content.text : content.errno;
}

/** Open files of this process in the cgroup, removed or not. */
function descriptors(path: string): number {
  return [...Deno.readDirSync("/proc/self/fd")].filter(({ name }) => {
    try {
      return Deno.readLinkSync(`/proc/self/fd/${name}`).includes(path);
    } catch {
      return false; // that of this listing
    }
  }).length;
}

onKernel("a kept cgroup can be removed, and another at its path is never taken for it", (scratch) => {
  const kept = new KeptCgroups(scratch.hierarchy.root, [FILE], true);
  const path = scratch.make("/c", "0");
  assert.equal(cpus(kept, path), "0");
  scratch.remove(path);
  scratch.make("/c", "1");
  assert.equal(cpus(kept, path), "1");
  assert.equal(descriptors(path), 2);
  const opened = kept.open(path);
  assert(opened.kind === "directory");
  for (const text of ["0-1\n", "0\n"]) assert.equal(opened.write(FILE, text), undefined);
  assert.equal(scratch.read(path), "0");
  scratch.remove(path);
  assert.equal(opened.write(FILE, "1\n")?.errno, "ENODEV");
  assert.equal(cpus(kept, path), "ENOENT");
  assert.equal(descriptors(path), 0);
  assert.equal(opened.read(FILE).kind, "errno", "it is closed for those who still have it");
});

onKernel("cgroups beyond the bound aren't kept, nor those that haven't been used for a minute", (scratch) => {
  const kept = new KeptCgroups(scratch.hierarchy.root, [FILE], true, 2);
  const paths = ["/a", "/b", "/c"].map((name) => scratch.make(name, "1"));
  for (const _ of [1, 2]) assert.deepEqual(paths.map((path) => cpus(kept, path)), ["1", "1", "1"]);
  assert.equal(kept.size, 2);
  assert.deepEqual(paths.map(descriptors), [2, 2, 0]);
  kept.closeUnused(60_000);
  cpus(kept, paths[0] ?? "");
  kept.closeUnused(90_000);
  assert.deepEqual(paths.map(descriptors), [2, 0, 0]);
  kept.close();
  assert.deepEqual(paths.map(descriptors), [0, 0, 0]);
});

onKernel(
  "a container is found where it was until its cgroup is removed, and by other hints anew",
  (scratch) => {
    const kept = new KeptCgroups(scratch.hierarchy.root, [FILE], true);
    const path = scratch.make("/c", "0");
    const container = { id: "c", cgroup: { path, parent: "", pid: 0 } };
    kept.place(container, path);
    assert.equal(kept.placeOf(container), path);
    assert.equal(kept.placeOf({ id: "c", cgroup: { path, parent: "", pid: 1 } }), undefined);
    scratch.remove(path);
    scratch.make("/c", "0");
    assert.equal(kept.placeOf(container), undefined);
    kept.close();
  },
);

Deno.test("plain files: nothing is kept open where a link leads, to the cgroup or to its file", () => {
  const root = Deno.realPathSync(Deno.makeTempDirSync());
  try {
    for (const name of ["real", "c"]) Deno.mkdirSync(`${root}/${name}`);
    Deno.writeTextFileSync(`${root}/real/${FILE}`, "0");
    Deno.symlinkSync(`${root}/real`, `${root}/link`);
    Deno.symlinkSync(`${root}/real/${FILE}`, `${root}/c/${FILE}`);
    const kept = new KeptCgroups(root, [FILE], true);
    assert.match(cpus(kept, "/link"), /ELOOP|ENOTDIR/);
    assert.equal(cpus(kept, "/c"), "ELOOP");
    assert.equal(kept.size, 0);
    const opened = kept.open("/real");
    assert(opened.kind === "directory");
    for (const text of ["0-1,3\n", "1\n"]) opened.write(FILE, text);
    assert.equal(cpus(kept, "/real"), "1", "a longer list is replaced wholly");
    kept.close();
  } finally {
    Deno.removeSync(root, { recursive: true });
  }
});

const SETS = ["cpuset.cpus", "cpuset.cpus.effective", "cgroup.events"];

/** A cgroup as v2 has it, without a set of its own. */
function inherits(name: string, effective: string): Record<string, string> {
  const texts = ["\n", `${effective}\n`, "populated 1\nfrozen 0\n"];
  return Object.fromEntries(SETS.map((file, at) => [`${name}/${file}`, texts[at] ?? ""]));
}

Deno.test("a reading of what is kept is the same one until a byte of the own set or of that in force changes", () => {
  using tree = new FileTree({ ...inherits("c", "0-3"), ...inherits("d", "0-3") });
  const kept = new KeptCgroups(tree.root, SETS, false);
  const hierarchy = { ...tree.hierarchy(2), kept };
  const before = readCpuset(hierarchy, "/c");
  assert.deepEqual(before, { kind: "values", cpus: CpuSet.range(0, 3), isInherited: true });
  assert.equal(readCpuset(hierarchy, "/c"), before);
  assert.notEqual(readCpuset(hierarchy, "/d"), before, "each has its own");
  Deno.writeTextFileSync(`${tree.root}/c/cpuset.cpus.effective`, "0-1\n");
  assert.deepEqual(readCpuset(hierarchy, "/c"), {
    kind: "values",
    cpus: CpuSet.range(0, 1),
    isInherited: true,
  });
  Deno.writeTextFileSync(`${tree.root}/c/cpuset.cpus`, "0-1\n");
  assert.deepEqual(readCpuset(hierarchy, "/c"), { kind: "values", cpus: CpuSet.range(0, 1) });
  Deno.writeTextFileSync(`${tree.root}/c/cpuset.cpus`, "x\n");
  assert.equal(readCpuset(hierarchy, "/c").kind, "unverified");
  assert.deepEqual(kept.size, 2);
  kept.close();
});

Deno.test("a container's cgroup is found without a look whether it is still there, which reading it shows", () => {
  using tree = new FileTree(inherits("c", "0-3"));
  const kept = new KeptCgroups(tree.root, SETS, false);
  const container = { id: "c", cgroup: { path: "/c", parent: "", pid: 0 } };
  assert.equal(kept.foundAt(container), undefined);
  kept.place(container, "/c");
  const found = kept.foundAt({ ...container, cgroup: { ...container.cgroup } });
  assert(found !== undefined && found.isKept);
  assert.equal(isPopulated(found, 2), true);
  Deno.writeTextFileSync(`${tree.root}/c/cgroup.events`, "populated 0\nfrozen 0\n");
  assert.equal(isPopulated(found, 2), false);
  assert.equal(kept.foundAt({ ...container, cgroup: { ...container.cgroup, pid: 1 } }), undefined);
  kept.close();
});

onKernel(
  "somebody lives where the pids controller has a task, by one read of what is kept (v1)",
  (scratch) => {
    const pids = rootWith("pids", scratch.hierarchy);
    if (scratch.hierarchy.version === 2 || pids === undefined) return;
    const path = scratch.make("/c", "0");
    const tasks = withTasksKept(pids);
    const { kept } = withKept(scratch.hierarchy);
    const directory = kept?.open(path);
    assert(directory?.kind === "directory");
    const child = scratch.run(path);
    Deno.mkdirSync(`${pids}${path}`, { recursive: true });
    try {
      Deno.writeTextFileSync(`${pids}${path}/cgroup.procs`, `${child.pid}`);
      assert.equal(isPopulated(directory, 1, tasks), false, "it isn't kept yet");
      assert.equal(populationOf(scratch.hierarchy, path, tasks), "populated");
      assert.equal(isPopulated(directory, 1, tasks), true);
      Deno.writeTextFileSync(`${pids}/cgroup.procs`, `${child.pid}`);
      assert.equal(isPopulated(directory, 1, tasks), false);
    } finally {
      for (const each of [path, scratch.top]) Deno.removeSync(`${pids}${each}`);
      for (const each of [tasks.kept, kept]) each?.close();
    }
  },
);
