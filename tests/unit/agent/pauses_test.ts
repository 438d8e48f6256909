/** The pause container of a Guaranteed pod has the CPUs that its pod's containers were granted. */
import assert from "node:assert/strict";
import { CpuSet } from "../../../src/cpu/cpu_set.ts";
import { CORES_IDS, ISOLATION } from "../../../src/nri/annotations.ts";
import { FakeKernel } from "../../kit/fake_kernel.ts";
import { DEFAULT_SETTINGS } from "../../kit/policy.ts";
import { Link } from "../../kit/link.ts";
import type { Wanted } from "../../kit/messages.ts";
import type { MachineSpec } from "../../kit/sysfs.ts";

const sixCores: MachineSpec = { sockets: 1, nodesPerSocket: 1, coresPerNode: 6, threads: 1 };
const exclusive: Wanted = {
  name: "a",
  cgroupParent: "/kubepods/podA",
  cgroupsPath: "/kubepods/podA/id-a",
  cpus: 1,
};
const pinned = (cpus: string): Wanted => ({
  name: "pin",
  cgroupParent: "/kubepods/burstable/podP",
  cgroupsPath: "/kubepods/burstable/podP/id-pin",
  annotations: { [CORES_IDS]: cpus },
});

/** With `isolationNamespaces`: those whose pods may have partitions. */
function rig(
  isolationNamespaces: readonly string[] = [],
): { readonly link: Link; readonly kernel: FakeKernel; run(wanted: Wanted): string } {
  const kernel = new FakeKernel(2);
  kernel.online = CpuSet.range(0, 5);
  for (const id of ["sandbox-a", "sandbox-pin"]) kernel.appear(id, "");
  const rules = { ...DEFAULT_SETTINGS.rules, isolationNamespaces };
  const link = Link.serving([], sixCores, { cpusets: kernel, rules });
  const run = (wanted: Wanted) => {
    const { cpus } = link.create(wanted, { runs: false });
    kernel.appear(`id-${wanted.name}`, cpus);
    link.start(wanted);
    return cpus;
  };
  return { link, kernel, run };
}

Deno.test("it is written with the pod's first grant and whenever that changes, once each; in a class it isn't", () => {
  const { link, kernel, run } = rig();
  assert.equal(run(exclusive), "1");
  assert.equal(`${kernel.sets.get("sandbox-a")}`, "1");
  assert.equal(run(pinned("1")), "1");
  assert.equal(`${kernel.sets.get("sandbox-a")}`, "2");
  for (let n = 0; n < 3; n++) link.tick(link.now + 20_000);
  assert.deepEqual(kernel.written.filter((each) => each.startsWith("sandbox")), [
    "sandbox-a=1",
    "sandbox-a=2",
  ]);
});

Deno.test("that of a pod that asks for a partition isn't written: it would be in the way of that", () => {
  const { kernel, run } = rig(["ns"]);
  assert.equal(run({ ...exclusive, annotations: { [ISOLATION]: "partition" } }), "1");
  assert.equal(`${kernel.sets.get("sandbox-a")}`, "");
});

Deno.test("one that isn't there or can't be written is no failure of the claim", () => {
  for (
    const spoil of [
      (kernel: FakeKernel) => kernel.sets.delete("sandbox-a"),
      (kernel: FakeKernel) => kernel.refused.set("sandbox-a", "EROFS"),
      (kernel: FakeKernel) => kernel.unreadable.add("sandbox-a"),
    ]
  ) {
    const { link, kernel, run } = rig();
    spoil(kernel);
    assert.equal(run(exclusive), "1");
    assert.deepEqual([`${link.container("id-a")?.grant}`, link.logged("warn")], ["1", []]);
  }
});
