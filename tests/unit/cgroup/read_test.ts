// Cgroup trees of plain files, for what a real kernel doesn't show on demand: odd states, links, other versions.
import assert from "node:assert/strict";
import { CpuSet } from "../../../src/cpu/cpu_set.ts";
import { CgroupDirectory, openNameByName } from "../../../src/cgroup/directory.ts";
import { growLate } from "../../../src/cgroup/late.ts";
import { mark } from "../../../src/cgroup/marker.ts";
import { readCpuset } from "../../../src/cgroup/read.ts";
import { findCgroup, findHierarchy } from "../../../src/cgroup/hierarchy.ts";
import { libc } from "../../../src/platform/libc.ts";
import { readerOf } from "../../../src/platform/sysfs.ts";
import { FileTree as Tree } from "../../kit/file_tree.ts";
import { writeCpuset, writeCpusets, writeSteps } from "../../../src/cgroup/write.ts";

libc(); // loaded once for the life of the process, which Deno's leak check would blame on the first test

const V2 = {
  "cpuset.cpus": "0-1\n",
  "cpuset.cpus.effective": "0-1\n",
  "cgroup.procs": "",
};

/** The files of one cgroup, some of them replaced; undefined: not there. */
function cgroup(path: string, files: Record<string, string | undefined> = {}): Record<string, string> {
  const all = Object.entries({ ...V2, ...files }).filter((entry): entry is [string, string] =>
    entry[1] !== undefined
  );
  return Object.fromEntries(all.map(([name, content]) => [`${path}/${name}`, content]));
}

function found(files: Record<string, string>): { version?: number; root: string } {
  using tree = new Tree(files);
  const hierarchy = findHierarchy(tree.root);
  if (hierarchy.kind === "unverified") return { root: hierarchy.reason.replace(tree.root, "TOP") };
  return { version: hierarchy.version, root: hierarchy.root.replace(tree.root, "TOP") };
}

Deno.test("cgroup v1's cpusets are found alone and together with others, also where a link points there", () => {
  assert.deepEqual(found({ "cpuset/cpuset.cpus": "0" }), { version: 1, root: "TOP/cpuset" });
  const both = { "cpu,cpuset/cpuset.cpus": "0", "cpuset": "->cpu,cpuset", "cpu/tasks": "" };
  assert.deepEqual(found(both), { version: 1, root: "TOP/cpu,cpuset" });
  const hybrid = { "cpuset/cpuset.cpus": "0", "unified/cgroup.controllers": "cpuset memory" };
  assert.deepEqual(found(hybrid), { version: 1, root: "TOP/cpuset" });
});

Deno.test("cgroup v2's are found at the root, in a container, and beside v1's other controllers", () => {
  assert.deepEqual(found({ "cgroup.controllers": "cpuset cpu\n" }), { version: 2, root: "TOP" });
  assert.deepEqual(found(cgroup(".")), { version: 2, root: "TOP" });
  const named = { "cgroup.controllers": "cpuset", ...cgroup("cpuset", { "cgroup.controllers": "" }) };
  assert.deepEqual(found(named), { version: 2, root: "TOP" });
  const hybrid = { "memory/tasks": "", "unified/cgroup.controllers": "cpuset\n" };
  assert.deepEqual(found(hybrid), { version: 2, root: "TOP/unified" });
});

Deno.test("without cpusets, or without a directory, the reason says what is missing", () => {
  const none =
    "there are no cpusets in TOP: mount cgroup v2 with the cpuset controller there, or v1's cpuset";
  assert.deepEqual(found({ "cgroup.controllers": "cpu cpusets" }), { root: none });
  assert.deepEqual(found({ "cpuset/tasks": "" }), { root: none });
  assert.deepEqual(findHierarchy("/no\nwhere"), {
    kind: "unverified",
    reason: `there is no directory "/no\\nwhere"; set cgroupRoot to one`,
  });
});

Deno.test("process 1 and the mounts show where paths begin", () => {
  using tree = new Tree({ "cg/cpuset/cpuset.cpus": "0", "proc/1/cgroup": "3:cpuset:/node/init.scope\n" });
  const mount = `34 31 0:31 /node ${tree.root}/cg/cpuset rw - cgroup cgroup rw,cpuset\n`;
  Deno.mkdirSync(`${tree.root}/proc/self`);
  Deno.writeTextFileSync(`${tree.root}/proc/self/mountinfo`, mount);
  assert.deepEqual(findHierarchy(`${tree.root}/cg`, readerOf(`${tree.root}/proc`)), {
    kind: "hierarchy",
    version: 1,
    root: `${tree.root}/cg/cpuset`,
    base: "/node",
    nestings: ["/node"],
  });
});

const UNKNOWN = { path: "", parent: "", pid: 0 };

Deno.test("a container is found by its process, then by its record; one that is nowhere is absent", () => {
  const files = {
    ...cgroup("pod/c1"),
    "proc/7/cgroup": "0::/pod/c1/inner\n",
    "proc/8/cgroup": "0::/pod/c2\n",
  };
  using tree = new Tree(files);
  const find = (hints: object) =>
    findCgroup(
      tree.hierarchy(2),
      { id: "c1", cgroup: { ...UNKNOWN, ...hints } },
      readerOf(`${tree.root}/proc`),
    );
  const c1 = { kind: "found", path: "/pod/c1" };
  assert.deepEqual(find({ pid: 7 }), c1);
  assert.deepEqual(find({ pid: 7, path: "/elsewhere/c1" }), c1);
  assert.deepEqual(find({ path: "/pod/c1" }), c1);
  assert.deepEqual(find({ pid: 8, path: "/pod/c1" }), c1);
  assert.deepEqual(find({ parent: "/pod" }), c1);
  assert.deepEqual(find({ path: "/gone/c1" }), { kind: "absent" });
  assert.deepEqual(find({ path: "/pod/../c\u001b1", pid: 9 }), {
    kind: "unverified",
    reason: `the cgroups path "/pod/../c\\u001b1" of c1 names no place of its own`,
  });
});

Deno.test("a link is followed neither as a container's cgroup, nor above it, nor as a file in it", () => {
  const files = { ...cgroup("real/c1"), "pod": "->real", "other/c1": "->../real/c1", "file": "" };
  using tree = new Tree({
    ...files,
    ...cgroup("files/c1", { "cpuset.cpus": "->../../real/c1/cpuset.cpus" }),
  });
  const hierarchy = tree.hierarchy(2);
  for (const path of ["/pod/c1", "/other/c1", "/file"]) {
    const why = `the cgroup ${path} can't be opened: it, or a directory above it, is a link or no directory`;
    assert.deepEqual(readCpuset(hierarchy, path), { kind: "unverified", reason: why });
    const result = writeCpuset(hierarchy, path, CpuSet.of(0));
    assert.deepEqual(result, { kind: "failed", code: "unverified", reason: why, steps: [] });
    const byName = openNameByName(tree.root + path);
    assert(
      byName.kind === "errno" && ["ELOOP", "ENOTDIR"].includes(byName.errno),
      "as an old kernel does it",
    );
  }
  const linked = findCgroup(hierarchy, { id: "c1", cgroup: { ...UNKNOWN, path: "/other/c1" } });
  assert.equal(linked.kind, "unverified");
  const file = writeCpuset(hierarchy, "/files/c1", CpuSet.of(0));
  assert(file.kind === "failed" && /files\/c1\/cpuset.cpus can't be read: .*ELOOP/.test(file.reason));
  assert.equal(tree.read("real/c1/cpuset.cpus"), "0-1\n");
});

Deno.test("an old kernel's way opens the same directory", () => {
  using tree = new Tree(cgroup("pod/c1"));
  const file = openNameByName(`${tree.root}/pod/c1`);
  assert(file.kind === "done");
  libc().close(file.result);
  const none = openNameByName(`${tree.root}/pod/none`);
  assert(none.kind === "errno" && none.errno === "ENOENT");
});

Deno.test("what was written counts where the cgroup above has less; what is in force where nothing of it is left", () => {
  const values = (cpus: CpuSet) => ({ kind: "values", cpus });
  const low = CpuSet.range(0, 1);
  for (
    const [written, effective, read] of [
      ["0-3", "0-1", { ...values(CpuSet.range(0, 3)), effective: low }],
      ["2-3", "0-1", { ...values(low), isInherited: true, isVoid: true }],
      ["", "0-1", { ...values(low), isInherited: true }],
    ] as const
  ) {
    using tree = new Tree(
      cgroup("c", { "cpuset.cpus": `${written}\n`, "cpuset.cpus.effective": `${effective}\n` }),
    );
    assert.deepEqual(readCpuset(tree.hierarchy(2), "/c"), read, `${written} in ${effective}`);
  }
  using tree = new Tree(cgroup("c", { "cpuset.cpus": "2-3\n" }));
  assert.deepEqual(
    readCpuset(tree.hierarchy(1), "/c"),
    values(CpuSet.range(2, 3)),
    "v1 has one file, and needs no other",
  );
});

Deno.test("cgroup v1: an empty set is no CPUs, so unverified", () => {
  using tree = new Tree(cgroup("c", { "cpuset.cpus": "\n" }));
  assert.deepEqual(readCpuset(tree.hierarchy(1), "/c"), {
    kind: "unverified",
    reason: "/c has no CPUs",
    isEmpty: true,
  });
});

const MISSING = "there is no /c/cpuset.cpus: the cgroup above it doesn't pass the cpuset controller on";
const ODD: Record<string, { files: Record<string, string | undefined>; reason: RegExp }> = {
  "no controller": { files: { "cpuset.cpus": undefined }, reason: new RegExp(MISSING) },
  "no CPUs in force": {
    files: { "cpuset.cpus.effective": undefined },
    reason: /no \/c\/cpuset.cpus.effective/,
  },
  "nonsense": { files: { "cpuset.cpus": "all" }, reason: /^\/c\/cpuset.cpus: "all"/ },
};

for (const [what, { files, reason }] of Object.entries(ODD)) {
  Deno.test(`what can't be read is unverified, and says why: ${what}`, () => {
    using tree = new Tree(cgroup("c", files));
    const reading = readCpuset(tree.hierarchy(2), "/c");
    assert(reading.kind === "unverified");
    assert.match(reading.reason, reason);
  });
}

Deno.test("a removed cgroup is absent, even when it is removed between opening and reading", () => {
  using tree = new Tree({
    ...cgroup("c"),
    ...cgroup("d", { "cpuset.cpus": undefined, "cgroup.procs": undefined }),
  });
  assert.deepEqual(readCpuset(tree.hierarchy(2), "/none/c"), { kind: "absent" });
  assert.deepEqual(readCpuset(tree.hierarchy(2), "/d"), { kind: "absent" }); // a removed one has no files
  assert.deepEqual(writeCpuset(tree.hierarchy(2), "/d", CpuSet.of(0)), { kind: "absent" });
});

Deno.test("a longer list is replaced wholly by a shorter one", () => {
  using tree = new Tree(cgroup("c", { "cpuset.cpus": "0,2,4,6,8\n" }));
  const before = CpuSet.of(0, 2, 4, 6, 8);
  const step = { path: "/c", before, after: CpuSet.of(0) };
  const result = writeCpuset(tree.hierarchy(1), "/c", CpuSet.of(0));
  assert.deepEqual(result, { kind: "done", steps: [step] });
  assert.equal(tree.read("c/cpuset.cpus"), "0\n");
});

Deno.test("an unset cpuset is written though the right CPUs are in force: the cgroup above may get others", () => {
  using tree = new Tree(cgroup("c", { "cpuset.cpus": "\n" }));
  const result = writeCpuset(tree.hierarchy(2), "/c", CpuSet.range(0, 1));
  assert.equal(result.kind, "done");
  assert.equal(tree.read("c/cpuset.cpus"), "0-1\n");
});

Deno.test("v2: a set that is written and not in force has failed, and is rolled back", () => {
  for (const [before, after] of [["\n", "0-1\n"], ["1\n", "1\n"]]) {
    using tree = new Tree(cgroup("c", { "cpuset.cpus": before })); // nobody changes the effective set here
    const reason = "/c runs on the CPUs 0-1 although 0 were written: " +
      "none of these is online and in the cgroup above it";
    const result = writeCpusets(tree.hierarchy(2), [{ id: "c", path: "/c", cpus: CpuSet.of(0) }], 1000);
    assert.deepEqual(result, {
      kind: "failed",
      container: "c",
      code: "unverified",
      reason,
      notRolledBack: new Set(),
    });
    assert.equal(tree.read("c/cpuset.cpus"), after);
  }
});

Deno.test("v2: a write after which fewer CPUs are in force is done", () => {
  using tree = new Tree(cgroup("c", { "cpuset.cpus": "0\n" }));
  const result = writeCpuset(tree.hierarchy(2), "/c", CpuSet.range(0, 7));
  assert.equal(result.kind, "done");
  assert.equal(tree.read("c/cpuset.cpus"), "0-7\n");
});

Deno.test("a cgroup inside a container may be removed meanwhile; when the container's is, it is absent", () => {
  using tree = new Tree(cgroup("c"));
  const directory = CgroupDirectory.open(tree.root, "/c");
  assert(directory.kind === "directory");
  using container = directory;
  const step = { path: "/c", before: CpuSet.range(0, 1), after: CpuSet.of(0) };
  const steps = [{ ...step, path: "/c/gone" }, step];
  assert.deepEqual(writeSteps(tree.hierarchy(1), container, CpuSet.of(0), steps), {
    kind: "done",
    steps: [step],
  });
  Deno.removeSync(`${tree.root}/c`, { recursive: true });
  assert.deepEqual(writeSteps(tree.hierarchy(1), container, CpuSet.of(0), steps), { kind: "absent" });
});

Deno.test("an empty set is never written", () => {
  using tree = new Tree(cgroup("c"));
  assert.throws(() => writeCpuset(tree.hierarchy(1), "/c", CpuSet.empty), /an empty cpuset for \/c/);
});

Deno.test("directories are listed up to a bound, and nothing else is", () => {
  const inner = ["a", "b", "c"].map((name) => cgroup(`c/${name}`));
  using tree = new Tree(Object.assign({}, cgroup("c"), { "c/link": "->a" }, ...inner));
  const directory = CgroupDirectory.open(tree.root, "/c");
  assert(directory.kind === "directory");
  using it = directory;
  assert.deepEqual(it.directories(10).toSorted(), ["a", "b", "c"]);
  assert.equal(it.directories(2).length, 2);
});

const NAMES = ["a", "b", "c", "d"];

/** A write for four containers of a plain v1 tree, whose clock stands at each of `times` in turn. */
function writeAll(tree: Tree, times: number[]) {
  const writes = NAMES.map((id) => ({ id, path: `/${id}`, cpus: CpuSet.of(0) }));
  return writeCpusets(tree.hierarchy(1), writes, 300, () => times.shift() ?? 0);
}

Deno.test("a write that passes its deadline is rolled back, and names the first container that wasn't written", () => {
  using tree = new Tree(Object.assign({}, ...NAMES.map((name) => cgroup(name))));
  assert.deepEqual(writeAll(tree, [1000, 1000, 1300, 1301]), {
    kind: "failed",
    container: "c",
    code: "deadline",
    reason: "the deadline of 300 ms passed before /c was written",
    notRolledBack: new Set(),
  });
  assert.deepEqual(NAMES.map((name) => tree.read(`${name}/cpuset.cpus`)), NAMES.map(() => "0-1\n"));
  assert.equal(writeAll(tree, [1000, 1000, 1100, 1200, 1300]).kind, "done");
  assert.deepEqual(NAMES.map((name) => tree.read(`${name}/cpuset.cpus`)), NAMES.map(() => "0\n"));
});

/** Does something after a cgroup has been listed, and before it is written: {@link writeCpuset} asks it for the listed ones. */
class AfterListing extends Set<string> {
  constructor(private readonly happen: () => void) {
    super(["other"]);
  }

  override has(id: string): boolean {
    this.happen();
    return super.has(id);
  }
}

Deno.test("a pod's cgroup that is made while its class grows gets the new CPUs too, and keeps what it has of its own", () => {
  const group = "kubepods/burstable";
  using tree = new Tree({
    ...cgroup(group, { "cpuset.cpus": "0\n" }),
    ...cgroup(`${group}/pod1`, { "cpuset.cpus": "0\n" }),
  });
  const make = (pod: string, cpus: string) => {
    Deno.mkdirSync(`${tree.root}/${group}/${pod}`, { recursive: true });
    for (const [file, text] of Object.entries({ "cpuset.cpus": cpus, "cgroup.procs": "" })) {
      Deno.writeTextFileSync(`${tree.root}/${group}/${pod}/${file}`, `${text}\n`);
    }
  };
  const keeps = new AfterListing(() => {
    make("late", "0");
    make("narrower", "1");
  });
  const result = writeCpuset(tree.hierarchy(1), `/${group}`, CpuSet.range(0, 1), keeps);
  assert.equal(result.kind, "done");
  const cpusOf = (path: string) => tree.read(`${path}/cpuset.cpus`).trim();
  assert.deepEqual([group, `${group}/pod1`, `${group}/late`, `${group}/narrower`].map(cpusOf), [
    "0-1",
    "0-1",
    "0-1",
    "1",
  ]);
});

Deno.test("a pod's cgroup that is written late with what its class had gets the rest before a container is made in it", () => {
  const group = "kubepods/burstable";
  using tree = new Tree({
    ...cgroup(group, { "cpuset.cpus": "0-2\n" }),
    ...cgroup(`${group}/late`, { "cpuset.cpus": "0-1\n" }),
    ...cgroup("kubepods/guaranteed", { "cpuset.cpus": "0-1\n" }),
  });
  mark(`${tree.root}/${group}`);
  const grown = (pod: string, cpus: CpuSet) => {
    growLate(tree.hierarchy(1), `/${pod}`, cpus);
    return tree.read(`${pod}/cpuset.cpus`).trim();
  };
  assert.equal(grown(`${group}/late`, CpuSet.of(1)), "0-1", "it has what is needed");
  assert.equal(grown(`${group}/late`, CpuSet.of(3)), "0-1", "its class hasn't either");
  assert.equal(grown(`${group}/late`, CpuSet.of(2, 3)), "0-2");
  assert.equal(grown("kubepods/guaranteed", CpuSet.of(2)), "0-1", "it is in no class");
});
