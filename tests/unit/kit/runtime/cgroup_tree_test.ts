import assert from "node:assert/strict";
import { CpuSet } from "../../../../src/cpu/cpu_set.ts";
import { CgroupError, CgroupTree } from "../../../kit/runtime/cgroup_tree.ts";

const C = "/kubepods/burstable/pod1/c1";

function withTree(play: (tree: CgroupTree) => void): void {
  const root = Deno.makeTempDirSync({ prefix: "cgroup-" });
  try {
    play(new CgroupTree(root, CpuSet.range(0, 7)));
  } finally {
    Deno.removeSync(root, { recursive: true });
  }
}

function code(act: () => void): string {
  try {
    act();
  } catch (error) {
    assert(error instanceof CgroupError);
    return error.code;
  }
  assert.fail("the kernel would have refused");
}

Deno.test("a cgroup is files with a newline at their end, as the kernel shows them", () =>
  withTree((tree) => {
    tree.create(C, { cpus: "1-2", mems: "0" });
    const read = (file: string) => Deno.readTextFileSync(`${tree.root}${C}/${file}`);
    assert.equal(read("cpuset.cpus"), "1-2\n");
    assert.equal(read("cpuset.mems"), "0\n");
    assert.equal(read("cpuset.cpus.effective"), "1-2\n");
    assert.equal(Deno.readTextFileSync(`${tree.root}/kubepods/cpuset.cpus`), "\n");
    assert.equal(Deno.readTextFileSync(`${tree.root}/cpuset.cpus.effective`), "0-7\n");
  }));

Deno.test("an empty set inherits, and a set that misses the parent's falls back to it", () =>
  withTree((tree) => {
    tree.create(C, {});
    assert.equal(`${tree.effective(C)}`, "0-7");
    tree.write("/kubepods", { cpus: "0-3" });
    assert.equal(`${tree.effective(C)}`, "0-3");
    tree.write(C, { cpus: "2-5" });
    assert.equal(`${tree.effective(C)}`, "2-3");
    tree.write(C, { cpus: "6" });
    assert.equal(`${tree.effective(C)}`, "0-3");
    assert.equal(tree.read(C).cpus, "6");
  }));

Deno.test("a write shows in the effective files below it", () =>
  withTree((tree) => {
    tree.create(C, {});
    tree.write("/kubepods", { cpus: "4-5" });
    assert.equal(Deno.readTextFileSync(`${tree.root}${C}/cpuset.cpus.effective`), "4-5\n");
  }));

Deno.test("what others write into the files counts, and is shown after a refresh", () =>
  withTree((tree) => {
    tree.create(C, { cpus: "1" });
    Deno.writeTextFileSync(`${tree.root}${C}/cpuset.cpus`, "3\n");
    assert.equal(`${tree.effective(C)}`, "3");
    tree.refresh("/kubepods");
    assert.equal(Deno.readTextFileSync(`${tree.root}${C}/cpuset.cpus.effective`), "3\n");
  }));

Deno.test("a live tree shows at once what follows from the write of another process", async () => {
  const root = Deno.makeTempDirSync({ prefix: "cgroup-" });
  const tree = new CgroupTree(root, CpuSet.range(0, 7), true);
  try {
    tree.create(C, {});
    assert.equal(Deno.readTextFileSync(`${root}${C}/cgroup.procs`), "\n");
    const script =
      'cd "$0"; for i in 0-3 5; do echo $i > cpuset.cpus; cat cpuset.cpus.effective pod1/c1/*.effective; done';
    const args = ["-c", script, `${root}/kubepods/burstable`];
    const { stdout } = await new Deno.Command("sh", { args }).output();
    assert.equal(new TextDecoder().decode(stdout), "0-3\n0-3\n5\n5\n");
    tree.write(C, { cpus: "5-6" });
    assert.equal(await Deno.readTextFile(`${root}${C}/cpuset.cpus.effective`), "5\n");
    tree.remove("/kubepods/burstable/pod1");
    assert.equal(tree.exists(C), false);
  } finally {
    await tree.close();
    Deno.removeSync(root, { recursive: true });
  }
});

Deno.test("what the kernel refuses is refused, and nothing is written", () =>
  withTree((tree) => {
    tree.create(C, { cpus: "1", mems: "0" });
    assert.equal(code(() => tree.write(C, { cpus: "8" })), "ERANGE");
    assert.equal(code(() => tree.write(C, { cpus: "1-" })), "EINVAL");
    assert.equal(code(() => tree.write(C, { cpus: "2", mems: "x" })), "EINVAL");
    assert.equal(code(() => tree.write("/kubepods/none", { cpus: "1" })), "ENOENT");
    assert.equal(code(() => tree.effective("/kubepods/none")), "ENOENT");
    assert.equal(code(() => tree.create("/kubepods/new", { cpus: "9" })), "ERANGE");
    assert.deepEqual(tree.read(C), { cpus: "1", mems: "0" });
    assert.equal(tree.exists("/kubepods/new"), false);
  }));

Deno.test("removing takes all below, and twice is no error", () =>
  withTree((tree) => {
    tree.create(C, {});
    tree.remove("/kubepods/burstable");
    assert.equal(tree.exists(C), false);
    assert.equal(tree.exists("/kubepods"), true);
    tree.remove(C);
  }));
