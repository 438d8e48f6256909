// Trees of plain files, since the flag of the machine's own root isn't a test's to change; and the kernel's cpusets.
import assert from "node:assert/strict";
import { CgroupDirectory } from "../../../src/cgroup/directory.ts";
import { look, withKept } from "../../../src/cgroup/keep.ts";
import { giveBackLoadBalance, LoadBalance } from "../../../src/cgroup/load_balance.ts";
import { writeCpuset } from "../../../src/cgroup/write.ts";
import { CpuSet } from "../../../src/cpu/cpu_set.ts";
import { libc } from "../../../src/platform/libc.ts";
import { KERNEL, onKernel } from "../../kit/scratch_cgroups.ts";

libc(); // loaded once for the life of the process, which Deno's leak check would blame on the first test

const ID = "ab".repeat(32);
const FILE = "cpuset.sched_load_balance";
const POD = "/kubepods/pod1";
const OTHER = `${POD}/cri-containerd-${"cd".repeat(32)}.scope`;

/** A tree of these cgroups, by their flags; undefined: it has no such file. */
class Tree implements Disposable {
  readonly root = Deno.realPathSync(Deno.makeTempDirSync());
  readonly balance = new LoadBalance(this.root);

  constructor(flags: Record<string, string | undefined>) {
    for (const [path, flag] of Object.entries(flags)) {
      Deno.mkdirSync(this.root + path, { recursive: true });
      if (flag !== undefined) this.set(path, flag);
    }
  }

  set(path: string, flag: string): void {
    Deno.writeTextFileSync(`${this.root}${path}/${FILE}`, flag);
  }

  flags(...paths: string[]): string {
    return paths.map((path) => Deno.readTextFileSync(`${this.root}${path}/${FILE}`).trim()).join(" ");
  }

  turnOff(path: string): void {
    const opened = CgroupDirectory.open(this.root, path);
    assert(opened.kind === "directory");
    using directory = opened;
    this.balance.turnOff(directory);
  }

  giveBack(): number {
    return giveBackLoadBalance({ version: 1, root: this.root });
  }

  [Symbol.dispose](): void {
    Deno.removeSync(this.root, { recursive: true });
  }
}

/** Two containers, of which one has two cgroups inside; their pod has the flag. */
function node(root: string, leaf: string): Tree {
  return new Tree({
    "": root,
    "/kubepods": "1",
    [POD]: "1",
    [`${POD}/${ID}`]: leaf,
    [`${POD}/${ID}/in`]: leaf,
    [`${POD}/${ID}/in/er`]: leaf,
    [OTHER]: leaf,
  });
}
const CONTAINERS = [`${POD}/${ID}`, `${POD}/${ID}/in`, `${POD}/${ID}/in/er`, OTHER];

Deno.test("the flag is taken from a cgroup only while the root has it, and nothing is written where it is missing", () => {
  for (const [root, after] of [["1\n", "0"], ["0\n", "1"]] as const) {
    using tree = node(root, "1\n");
    tree.turnOff(OTHER);
    assert.equal(tree.flags(OTHER), "1", "nobody has looked at the root");
    tree.balance.look(0, true);
    tree.turnOff(OTHER);
    assert.equal(tree.flags(OTHER, POD), `${after} 1`);
  }
  using without = new Tree({ "": "1", "/c": undefined });
  without.balance.look(0, true);
  without.turnOff("/c");
  assert.deepEqual([...Deno.readDirSync(`${without.root}/c`)], []);
});

Deno.test("when the root loses the flag, containers get theirs back, and are left alone then", () => {
  using tree = node("1", "0");
  tree.balance.look(0, true);
  tree.set("", "0");
  tree.balance.look(999, false);
  assert.equal(tree.flags(...CONTAINERS), "0 0 0 0", "it is looked at once a second");
  tree.balance.look(1000, false);
  assert.equal(tree.flags(...CONTAINERS), "1 1 1 1");
  tree.set(OTHER, "0");
  tree.balance.look(2000, true);
  tree.turnOff(`${POD}/${ID}`);
  assert.equal(tree.flags(...CONTAINERS), "1 1 1 0", "somebody else took it while the root had none");
  tree.set("", "1");
  tree.balance.look(3000, true);
  tree.turnOff(`${POD}/${ID}`);
  assert.equal(tree.flags(...CONTAINERS), "0 1 1 0");
});

Deno.test("a root that never had the flag, or can't be read, changes nothing", () => {
  using tree = node("0", "0");
  tree.balance.look(0, true);
  assert.equal(tree.flags(...CONTAINERS), "0 0 0 0");
  tree.set("", "1");
  tree.balance.look(0, true);
  Deno.removeSync(`${tree.root}/${FILE}`);
  tree.balance.look(0, true);
  assert.equal(tree.flags(...CONTAINERS), "0 0 0 0");
});

Deno.test("many containers get the flag back in several looks", () => {
  const ids = Array.from({ length: 200 }, (_, at) => `/pod/${`${at}`.padStart(64, "a")}`);
  using tree = new Tree({ "": "1", "/pod": "1", ...Object.fromEntries(ids.map((id) => [id, "0"])) });
  tree.balance.look(0, true);
  tree.set("", "0");
  const given = [1, 2, 3].map((second) => {
    tree.balance.look(second * 1000, false);
    return tree.flags(...ids).split("1 ").length - 1;
  });
  assert.equal(given[0], 128);
  assert.deepEqual(tree.flags(...ids), ids.map(() => "1").join(" "));
});

Deno.test("only containers get the flag back, and only where the cgroup above has it", () => {
  using tree = node("1", "0");
  tree.set("/kubepods", "0");
  Deno.mkdirSync(`${tree.root}/system.slice`);
  tree.set("/system.slice", "0");
  assert.equal(giveBackLoadBalance({ version: 2, root: tree.root }), 0);
  assert.equal(tree.giveBack(), 4);
  assert.equal(tree.flags(...CONTAINERS, POD, "/kubepods", "/system.slice"), "1 1 1 1 1 0 0");
  tree.set(POD, "0");
  tree.set(OTHER, "0");
  assert.equal(tree.giveBack(), 0);
});

if (typeof KERNEL !== "string" && KERNEL.version === 1) {
  onKernel(
    "a container is written without the flag, its pod keeps it, and it is given back when the root loses it",
    (scratch) => {
      const pod = scratch.make("/pod", "0-1");
      const paths = [scratch.make(`/pod/${ID}`, "0-1"), scratch.make(`/pod/${ID}/in`, "0-1")];
      scratch.run(paths[1] ?? "");
      const root = `${scratch.hierarchy.root}${scratch.top}`;
      const hierarchy = withKept({ ...scratch.hierarchy, root });
      const flags = () => [pod, ...paths].map((path) => scratch.read(path, FILE)).join(" ");
      look(hierarchy, true);
      for (const cpus of [CpuSet.of(1), CpuSet.range(0, 1)]) {
        const result = writeCpuset(hierarchy, `/pod/${ID}`, cpus);
        assert(result.kind === "done" && result.steps.length > 1);
        assert.deepEqual(paths.map((path) => scratch.read(path)), [`${cpus}`, `${cpus}`]);
        assert.equal(flags(), "1 0 0");
      }
      scratch.write(scratch.top, "0", FILE);
      look(hierarchy, true);
      assert.equal(flags(), "1 1 1");
      scratch.write(scratch.top, "1", FILE);
      look(hierarchy, true);
      writeCpuset(hierarchy, `/pod/${ID}`, CpuSet.of(1));
      assert.equal(flags(), "1 0 0", "cgroups that were open before");
      hierarchy.kept?.close();
    },
  );
}
