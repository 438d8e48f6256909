/** The implementation of the port on a cgroup v1 tree of plain files: there what was written is in force. */
import assert from "node:assert/strict";
import { openCpusets } from "../../../src/cgroup/kernel_cpusets.ts";
import { CpuSet } from "../../../src/cpu/cpu_set.ts";
import { libc } from "../../../src/platform/libc.ts";
import type { ContainerRef } from "../../../src/ledger/claim.ts";
import type { CpusetPort } from "../../../src/cgroup/port.ts";

libc(); // loaded once for the life of the process, which Deno's leak check would blame on the first test

/** A tree with the containers a, b and c on CPUs 0-3. */
class Tree implements Disposable {
  readonly root = Deno.makeTempDirSync();

  constructor() {
    this.put("", "0-7");
    this.put("/pod", "0-3");
    for (const id of ["a", "b", "c"]) this.put(`/pod/${id}`, "0-3");
  }

  put(path: string, cpus: string): void {
    const folder = `${this.root}/cpuset${path}`;
    Deno.mkdirSync(folder, { recursive: true });
    for (
      const [file, text] of Object.entries({ "cpuset.cpus": cpus, "cpuset.mems": "0", "cgroup.procs": "1" })
    ) {
      Deno.writeTextFileSync(`${folder}/${file}`, text);
    }
  }

  cpusOf(id: string): string {
    return Deno.readTextFileSync(`${this.root}/cpuset/pod/${id}/cpuset.cpus`).trim();
  }

  get cpusets(): CpusetPort {
    const { cpusets } = openCpusets({ cgroupRoot: this.root, apply: "auto" });
    assert(cpusets !== undefined);
    return cpusets;
  }

  [Symbol.dispose](): void {
    Deno.removeSync(this.root, { recursive: true });
  }
}

function ref(id: string, path = `/pod/${id}`): ContainerRef {
  return {
    id,
    name: id,
    pod: "p",
    namespace: "ns",
    podUid: "u",
    sandboxId: "s",
    cgroup: { path, parent: "/pod", pid: 0 },
  };
}

const TWO = CpuSet.range(0, 1);

Deno.test("a container's CPUs are read and written", () => {
  using tree = new Tree();
  const { cpusets } = tree;
  const plan = ["a", "b"].map((id) => ({ container: ref(id), cpus: TWO }));
  assert.equal(cpusets.write(plan, 1000).kind, "done");
  const reading = cpusets.read(ref("a"));
  assert.equal(reading.kind === "values" && `${reading.cpus}`, "0-1");
  assert.deepEqual(["a", "b", "c"].map((id) => tree.cpusOf(id)), ["0-1", "0-1", "0-3"]);
});

Deno.test("a container without a cgroup is absent, and needs no write", () => {
  using tree = new Tree();
  assert.deepEqual(tree.cpusets.read(ref("gone")), { kind: "absent" });
  assert.equal(tree.cpusets.write([{ container: ref("gone"), cpus: TWO }], 1000).kind, "done");
});

Deno.test("a write past its deadline is rolled back, and names the container", () => {
  using tree = new Tree();
  const plan = ["a", "b"].map((id) => ({ container: ref(id), cpus: TWO }));
  const result = tree.cpusets.write(plan, -1);
  assert(result.kind === "failed" && result.code === "deadline" && result.container === "a");
  assert.equal(result.notRolledBack.size, 0);
  assert.equal(tree.cpusOf("a"), "0-3");
});

Deno.test("nothing is written when one container can't be found or read, and it is named", () => {
  using tree = new Tree();
  const { cpusets } = tree;
  const nowhere = cpusets.write([{ container: ref("a"), cpus: TWO }, {
    container: ref("b", "/pod/c"),
    cpus: TWO,
  }], 1000);
  assert(nowhere.kind === "unverified");
  assert.deepEqual([...nowhere.containers], ["b"]);
  Deno.removeSync(`${tree.root}/cpuset/pod/c/cpuset.cpus`);
  const unread = cpusets.write(
    [{ container: ref("a"), cpus: TWO }, { container: ref("c"), cpus: TWO }],
    1000,
  );
  assert(unread.kind === "unverified");
  assert.deepEqual([...unread.containers], ["c"]);
  assert.equal(tree.cpusOf("a"), "0-3");
});

Deno.test("no container counts as ended when the whole cgroup tree has been removed", () => {
  using tree = new Tree();
  const { cpusets } = tree;
  Deno.renameSync(`${tree.root}/cpuset`, `${tree.root}/elsewhere`);
  const reading = cpusets.read(ref("a"));
  assert(reading.kind === "unverified");
  assert.match(reading.reason, /there is no cgroup tree at .* any more/);
  assert.equal(cpusets.write([{ container: ref("a"), cpus: TWO }], 1000).kind, "unverified");
});

Deno.test("a directory without cgroup.procs is read only, which is an error where kernel-first is configured", () => {
  using tree = new Tree();
  Deno.removeSync(`${tree.root}/cpuset/cgroup.procs`);
  const auto = openCpusets({ cgroupRoot: tree.root, apply: "auto" });
  assert.equal(auto.cpusets?.writable, false);
  assert.equal(auto.record.level, "warn");
  assert.match(auto.record.message, /^cpusets not writable; falling back to runtime updates/);
  assert.match(`${auto.record.fields?.reason}`, /cpuset is no cgroup tree: it has no cgroup\.procs$/);
  assert.equal(openCpusets({ cgroupRoot: tree.root, apply: "kernel-first" }).record.level, "error");
  assert.equal(openCpusets({ cgroupRoot: tree.root, apply: "runtime" }).record.level, "info");
});

Deno.test("without a tree there are no cpusets, and the record says what is missing", () => {
  using tree = new Tree();
  const { cpusets, record } = openCpusets({ cgroupRoot: `${tree.root}/none`, apply: "auto" });
  assert.equal(cpusets, undefined);
  assert.match(record.message, /^cpusets not found; falling back to runtime updates/);
  assert.match(`${record.fields?.reason}`, /there is no directory/);
});
