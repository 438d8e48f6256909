// Cgroup trees of plain files, for what a real kernel doesn't show on demand: odd states, links, other versions.
import assert from "node:assert/strict";
import { dirname } from "node:path";
import { CpuSet } from "../../../src/cpu/cpu_set.ts";
import { CgroupDirectory, openNameByName } from "../../../src/cgroup/directory.ts";
import { type CpusetHierarchy, readCpuset } from "../../../src/cgroup/read.ts";
import { cpusetHierarchy, findCgroup } from "../../../src/cgroup/hierarchy.ts";
import { libc } from "../../../src/platform/libc.ts";
import { applyAll } from "../../../src/cgroup/plan.ts";
import { readerOf } from "../../../src/platform/sysfs.ts";
import { carryOut, writeCpuset } from "../../../src/cgroup/write.ts";

libc(); // loaded once for the life of the process, which Deno's leak check would blame on the first test

/** A folder of plain files, by path; a content that begins with `->` makes a symbolic link. */
class Tree implements Disposable {
  readonly root = Deno.realPathSync(Deno.makeTempDirSync({ prefix: "cpuset-" }));

  constructor(files: Record<string, string>) {
    for (const [path, content] of Object.entries(files)) {
      Deno.mkdirSync(dirname(`${this.root}/${path}`), { recursive: true });
      if (content.startsWith("->")) Deno.symlinkSync(content.slice(2), `${this.root}/${path}`);
      else Deno.writeTextFileSync(`${this.root}/${path}`, content);
    }
  }

  read(path: string): string {
    return Deno.readTextFileSync(`${this.root}/${path}`);
  }

  hierarchy(version: 1 | 2): CpusetHierarchy {
    return { version, root: this.root, base: "", nestings: [] };
  }

  [Symbol.dispose](): void {
    Deno.removeSync(this.root, { recursive: true });
  }
}

const V2 = {
  "cpuset.cpus": "0-1\n",
  "cpuset.cpus.effective": "0-1\n",
  "cpuset.mems": "0\n",
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
  const hierarchy = cpusetHierarchy(tree.root);
  if (typeof hierarchy === "string") return { root: hierarchy.replace(tree.root, "TOP") };
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

Deno.test("without cpusets, or without a folder, a sentence says what is missing", () => {
  const none =
    "there are no cpusets in TOP: mount cgroup v2 with the cpuset controller there, or v1's cpuset";
  assert.deepEqual(found({ "cgroup.controllers": "cpu cpusets" }), { root: none });
  assert.deepEqual(found({ "cpuset/tasks": "" }), { root: none });
  assert.equal(cpusetHierarchy("/no\nwhere"), `there is no folder "/no\\nwhere"; cgroupRoot must name one`);
});

Deno.test("process 1 and the mounts are asked where paths begin", () => {
  using tree = new Tree({ "cg/cpuset/cpuset.cpus": "0", "proc/1/cgroup": "3:cpuset:/node/init.scope\n" });
  const mount = `34 31 0:31 /node ${tree.root}/cg/cpuset rw - cgroup cgroup rw,cpuset\n`;
  Deno.mkdirSync(`${tree.root}/proc/self`);
  Deno.writeTextFileSync(`${tree.root}/proc/self/mountinfo`, mount);
  assert.deepEqual(cpusetHierarchy(`${tree.root}/cg`, readerOf(`${tree.root}/proc`)), {
    version: 1,
    root: `${tree.root}/cg/cpuset`,
    base: "/node",
    nestings: ["/node"],
  });
});

const UNKNOWN = { pid: 0, cgroupsPath: "", cgroupParent: "" };

Deno.test("a container is found by its process, then by its record; what is nowhere has vanished", () => {
  const files = {
    ...cgroup("pod/c1"),
    "proc/7/cgroup": "0::/pod/c1/inner\n",
    "proc/8/cgroup": "0::/pod/c2\n",
  };
  using tree = new Tree(files);
  const find = (hints: object) =>
    findCgroup(tree.hierarchy(2), { id: "c1", ...UNKNOWN, ...hints }, readerOf(`${tree.root}/proc`));
  const c1 = { kind: "found", path: "/pod/c1" };
  assert.deepEqual(find({ pid: 7 }), c1);
  assert.deepEqual(find({ pid: 7, cgroupsPath: "/elsewhere/c1" }), c1);
  assert.deepEqual(find({ cgroupsPath: "/pod/c1" }), c1);
  assert.deepEqual(find({ pid: 8, cgroupsPath: "/pod/c1" }), c1);
  assert.deepEqual(find({ cgroupParent: "/pod" }), c1);
  assert.deepEqual(find({ cgroupsPath: "/gone/c1" }), { kind: "vanished" });
  assert.deepEqual(find({ cgroupsPath: "/pod/../c\u001b1", pid: 9 }), {
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
    const why = `the cgroup ${path} can't be opened: it, or a folder above it, is a link or no folder`;
    assert.deepEqual(readCpuset(hierarchy, path), { kind: "unverified", reason: why });
    const result = writeCpuset(hierarchy, path, CpuSet.of(0));
    assert.deepEqual(result, { kind: "failed", code: "unverified", reason: why, stuck: [] });
    const byName = openNameByName(tree.root + path);
    assert(
      typeof byName !== "number" && ["ELOOP", "ENOTDIR"].includes(byName.errno),
      "as an old kernel does it",
    );
  }
  const linked = findCgroup(hierarchy, { ...UNKNOWN, id: "c1", cgroupsPath: "/other/c1" });
  assert.equal(linked.kind, "unverified");
  const file = writeCpuset(hierarchy, "/files/c1", CpuSet.of(0));
  assert(file.kind === "failed" && /files\/c1\/cpuset.cpus can't be read: .*ELOOP/.test(file.reason));
  assert.equal(tree.read("real/c1/cpuset.cpus"), "0-1\n");
});

Deno.test("an old kernel's way opens the same folder", () => {
  using tree = new Tree(cgroup("pod/c1"));
  const file = openNameByName(`${tree.root}/pod/c1`);
  assert(typeof file === "number" && file >= 0);
  libc().close(file);
  const none = openNameByName(`${tree.root}/pod/none`);
  assert(typeof none !== "number" && none.errno === "ENOENT");
});

Deno.test("reading tells what was written, what is in force, and the memory nodes", () => {
  const files = { "cpuset.cpus": "0-3\n", "cpuset.cpus.effective": "0-1\n", "cpuset.mems": "0-1\n" };
  using tree = new Tree(cgroup("c", files));
  const [cpus, effective, mems] = [CpuSet.range(0, 3), CpuSet.range(0, 1), CpuSet.range(0, 1)];
  assert.deepEqual(readCpuset(tree.hierarchy(2), "/c"), { kind: "values", cpus, effective, mems });
  // v1 has no such file under that name, and needs none.
  assert.deepEqual(readCpuset(tree.hierarchy(1), "/c"), { kind: "values", cpus, effective: cpus, mems });
});

Deno.test("an empty file means inherited in v2; in v1 it means nothing yet", () => {
  using tree = new Tree(cgroup("c", { "cpuset.cpus": "\n", "cpuset.mems": "" }));
  const effective = CpuSet.range(0, 1);
  const inherited = { kind: "values", cpus: "inherited", effective, mems: "inherited" };
  assert.deepEqual(readCpuset(tree.hierarchy(2), "/c"), inherited);
  const nothing = { kind: "values", cpus: CpuSet.empty, effective: CpuSet.empty, mems: CpuSet.empty };
  assert.deepEqual(readCpuset(tree.hierarchy(1), "/c"), nothing);
});

const MISSING = "there is no /c/cpuset.cpus: the cgroup above it doesn't pass the cpuset controller on";
const ODD: Record<string, { files: Record<string, string | undefined>; reason: RegExp }> = {
  "no controller": { files: { "cpuset.cpus": undefined }, reason: new RegExp(MISSING) },
  "no CPUs in force": {
    files: { "cpuset.cpus.effective": undefined },
    reason: /no \/c\/cpuset.cpus.effective/,
  },
  "no memory nodes": { files: { "cpuset.mems": undefined }, reason: /no \/c\/cpuset.mems/ },
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

Deno.test("a cgroup that is gone is vanished, even when it goes between opening and reading", () => {
  using tree = new Tree({
    ...cgroup("c"),
    ...cgroup("d", { "cpuset.cpus": undefined, "cgroup.procs": undefined }),
  });
  assert.deepEqual(readCpuset(tree.hierarchy(2), "/none/c"), { kind: "vanished" });
  assert.deepEqual(readCpuset(tree.hierarchy(2), "/d"), { kind: "vanished" }); // a removed one has no files
  assert.deepEqual(writeCpuset(tree.hierarchy(2), "/d", CpuSet.of(0)), { kind: "vanished" });
});

Deno.test("a longer list is replaced wholly by a shorter one", () => {
  using tree = new Tree(cgroup("c", { "cpuset.cpus": "0,2,4,6,8\n" }));
  const before = CpuSet.of(0, 2, 4, 6, 8);
  const step = { path: "/c", before, after: CpuSet.of(0) };
  const result = writeCpuset(tree.hierarchy(1), "/c", CpuSet.of(0));
  assert.deepEqual(result, { kind: "done", effective: CpuSet.of(0), steps: [step] });
  assert.equal(tree.read("c/cpuset.cpus"), "0\n");
});

Deno.test("an unset cpuset with the wanted CPUs in force is left alone", () => {
  using tree = new Tree(cgroup("c", { "cpuset.cpus": "\n" }));
  const result = writeCpuset(tree.hierarchy(2), "/c", CpuSet.range(0, 1));
  assert.deepEqual(result, { kind: "done", effective: CpuSet.range(0, 1), steps: [] });
  assert.equal(tree.read("c/cpuset.cpus"), "\n");
});

Deno.test("v2: what is written and not in force has failed, and is put back", () => {
  for (const [before, after] of [["\n", "0-1\n"], ["1\n", "1\n"]]) {
    using tree = new Tree(cgroup("c", { "cpuset.cpus": before })); // nobody changes the effective set here
    const reason = "/c runs on the CPUs 0-1 although it was given 0: " +
      "none of these is online and in the cgroup above it";
    const result = writeCpuset(tree.hierarchy(2), "/c", CpuSet.of(0));
    assert.deepEqual(result, { kind: "failed", code: "unverified", reason, stuck: [] });
    assert.equal(tree.read("c/cpuset.cpus"), after);
  }
});

Deno.test("v2: fewer CPUs in force than written is done, and told", () => {
  using tree = new Tree(cgroup("c", { "cpuset.cpus": "0\n" }));
  const result = writeCpuset(tree.hierarchy(2), "/c", CpuSet.range(0, 7));
  assert(result.kind === "done");
  assert.equal(`${result.effective}`, "0-1");
});

Deno.test("a cgroup inside a container may go meanwhile; when the container goes, it has vanished", () => {
  using tree = new Tree(cgroup("c"));
  const directory = CgroupDirectory.open(tree.root, "/c");
  assert(directory instanceof CgroupDirectory);
  using container = directory;
  const step = { path: "/c", before: CpuSet.range(0, 1), after: CpuSet.of(0) };
  const steps = [{ ...step, path: "/c/gone" }, step];
  assert.deepEqual(carryOut(tree.hierarchy(1), container, CpuSet.of(0), steps), {
    kind: "done",
    effective: CpuSet.of(0),
    steps: [step],
  });
  Deno.removeSync(`${tree.root}/c`, { recursive: true });
  assert.deepEqual(carryOut(tree.hierarchy(1), container, CpuSet.of(0), steps), { kind: "vanished" });
});

Deno.test("an empty set is never written", () => {
  using tree = new Tree(cgroup("c"));
  assert.throws(() => writeCpuset(tree.hierarchy(1), "/c", CpuSet.empty), /an empty cpuset for \/c/);
});

Deno.test("folders are listed up to a bound, and nothing else is", () => {
  const inner = ["a", "b", "c"].map((name) => cgroup(`c/${name}`));
  using tree = new Tree(Object.assign({}, cgroup("c"), { "c/link": "->a" }, ...inner));
  const directory = CgroupDirectory.open(tree.root, "/c");
  assert(directory instanceof CgroupDirectory);
  using it = directory;
  assert.deepEqual(it.folders(10).toSorted(), ["a", "b", "c"]);
  assert.equal(it.folders(2).length, 2);
});

const NAMES = ["a", "b", "c", "d"];

/** A plan for four containers of a plain v1 tree, whose clock stands at each of `times` in turn. */
function plan(tree: Tree, times: number[]) {
  const writes = NAMES.map((name) => ({ path: `/${name}`, cpus: CpuSet.of(0) }));
  return applyAll(tree.hierarchy(1), writes, 300, () => times.shift() ?? 0);
}

Deno.test("a plan that takes too long is undone, and says whom it didn't reach", () => {
  using tree = new Tree(Object.assign({}, ...NAMES.map((name) => cgroup(name))));
  assert.deepEqual(plan(tree, [1000, 1000, 1300, 1301]), {
    kind: "undone",
    failed: 2,
    code: "late",
    reason: "300 ms were over before /c could be written",
    stuck: [],
  });
  assert.deepEqual(NAMES.map((name) => tree.read(`${name}/cpuset.cpus`)), NAMES.map(() => "0-1\n"));
  assert.equal(plan(tree, [1000, 1000, 1100, 1200, 1300]).kind, "done");
  assert.deepEqual(NAMES.map((name) => tree.read(`${name}/cpuset.cpus`)), NAMES.map(() => "0\n"));
});
