/** The simulated cgroup tree as an agent meets it: writes are made all or nothing, with the faults of a script. */
import assert from "node:assert/strict";
import { setOf } from "../../../../tools/simulate/cpus.ts";
import { SimCpusets, TreeFaults, UNWATCHED } from "../../../../tools/simulate/cpusets.ts";
import { Kernel } from "../../../../tools/simulate/kernel.ts";

/** Three containers on four CPUs. */
function tree(version: 1 | 2 = 2) {
  const kernel = new Kernel(version, setOf("0-3"));
  for (const id of ["a", "b", "c"]) kernel.create(id, setOf("0-3"));
  const faults = new TreeFaults();
  const kept: string[] = [];
  const cpusets = new SimCpusets(kernel, faults, { ...UNWATCHED, failed: (ids) => void kept.push(...ids) });
  const container = (id: string) => ({
    ...{ id, name: id, pod: "p", namespace: "ns", podUid: "u", sandboxId: "s" },
    cgroup: { path: `/kubepods/${id}`, parent: "", pid: 0 },
  });
  const read = (id: string) => cpusets.read(container(id));
  const write = (...sets: readonly (readonly [string, string])[]) =>
    cpusets.write(sets.map(([id, cpus]) => ({ container: container(id), cpus: setOf(cpus) })), 600);
  const written = () => ["a", "b", "c"].map((id) => `${kernel.written(id)}`);
  return { kernel, faults, kept, read, write, written };
}

Deno.test("a write that fails is rolled back", () => {
  const { kernel, write, written } = tree();
  kernel.hold("c", setOf("3"));
  const result = write(["a", "0"], ["b", "1"], ["c", "2"]);
  assert(result.kind === "failed" && result.code === "EBUSY" && result.container === "c");
  assert.deepEqual([[...result.notRolledBack], written()], [[], ["0-3", "0-3", "0-3"]]);
});

Deno.test("a container that can't be rolled back is named", () => {
  const { kernel, faults, kept, write, written } = tree();
  kernel.hold("c", setOf("3"));
  faults.keepsNext = true;
  const result = write(["a", "0"], ["b", "1"], ["c", "2"]);
  assert(result.kind === "failed");
  assert.deepEqual([[...result.notRolledBack], kept, written()], [["b"], ["b"], ["0-3", "1", "0-3"]]);
});

Deno.test("a write that passes its deadline is rolled back", () => {
  const { faults, write, written } = tree();
  faults.deadlineAfter = 1;
  const late = write(["a", "0"], ["b", "1"]);
  assert(late.kind === "failed" && late.code === "deadline" && late.container === "b");
  assert.deepEqual(written(), ["0-3", "0-3", "0-3"]);
  assert.equal(write(["a", "0"], ["b", "1"]).kind, "done", "the next one has time");
});

Deno.test("a write that another program overwrites has failed, and both are rolled back", () => {
  const { faults, write, written } = tree();
  faults.overwrittenWith = setOf("2-3");
  const result = write(["a", "0"]);
  assert(result.kind === "failed" && result.code === "overwritten");
  assert.deepEqual(written(), ["0-3", "0-3", "0-3"]);
});

Deno.test("what can't be read isn't written, nor anything beside it", () => {
  const { faults, read, write, written } = tree();
  faults.unreadable.add("b");
  assert.deepEqual([read("a").kind, read("b").kind], ["values", "unverified"]);
  const result = write(["a", "0"], ["b", "1"]);
  assert(result.kind === "unverified");
  assert.deepEqual([[...result.containers], written()], [["b"], ["0-3", "0-3", "0-3"]]);
  faults.isGone = true;
  assert.equal(read("a").kind, "unverified");
  faults.end();
  assert.deepEqual([read("a").kind, read("b").kind, read("d").kind], ["values", "values", "absent"]);
});

Deno.test("cgroup v1 leaves an empty set where all CPUs have gone: that proves nothing of where it runs", () => {
  const { kernel, read, write } = tree(1);
  write(["a", "3"]);
  kernel.hotplug(3, false);
  assert.equal(read("a").kind, "unverified");
  const other = tree(2);
  other.write(["a", "3"]);
  other.kernel.hotplug(3, false);
  assert.deepEqual(other.read("a"), { kind: "values", cpus: setOf("0-2"), isInherited: true, isVoid: true });
});
