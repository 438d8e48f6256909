import assert from "node:assert/strict";
import { groupPath } from "../../../src/cgroup/paths.ts";
import { isGuaranteed, qosClassesOf } from "../../../src/nri/qos.ts";
import { containerOf, podOf, type Wanted } from "../../kit/messages.ts";

function guaranteed(wanted: Wanted): boolean {
  return isGuaranteed(podOf(wanted), containerOf(wanted));
}

const PARENTS: readonly [parent: string, guaranteed: boolean][] = [
  ["/kubepods/pod1", true],
  ["/kubepods/pod1/", true],
  ["/kubepods", true],
  ["/kubepods/burstable/pod1", false],
  ["/kubepods/besteffort/pod1", false],
  ["kubepods/besteffort/pod1", false],
  ["/kubepods.slice/kubepods-pod1.slice", true],
  ["/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod1.slice", false],
  ["/kubepods.slice/kubepods-besteffort.slice/kubepods-besteffort-pod1_2.slice", false],
  ["kubepods-pod1_2.slice", true],
  ["kubepods-besteffort-pod1_2.slice", false],
  ["/node7/kubepods/pod1", true],
  ["/node7/kubepods/burstable/pod1", false],
  ["/kubelet.slice/kubelet-kubepods.slice/kubelet-kubepods-pod1.slice", true],
  ["/kubelet.slice/kubelet-kubepods.slice/kubelet-kubepods-burstable.slice", false],
  ["/system.slice/containerd.service/kubepods-burstable-pod1.slice", false],
  ["/k3s/kubelet/kubepods/besteffort/pod1", false],
  ["/kubepods/system/podX", true],
  ["/kubepods/system/burstable/podU", false],
  ["kubepods-system-besteffort-podW.slice", false],
  ["/kubepods.slice/kubepods-system.slice/kubepods-system-podX.slice", true],
];

for (const [cgroupParent, expected] of PARENTS) {
  Deno.test(`the cgroup parent ${cgroupParent} ${expected ? "is" : "isn't"} a Guaranteed pod's`, () => {
    assert.equal(guaranteed({ cgroupParent }), expected);
  });
}

for (
  const cgroupParent of [
    "/burstable/kubepods/pod1",
    "/burstable-rack/kubepods/pod1",
    "/burstable.slice/burstable-kubepods.slice/burstable-kubepods-pod1.slice",
    "/kubepods/podburstable",
    "/kubepods/pod1/burstable",
    "/kubepods/system/pod1/besteffort",
    "kubepods-system-pod1-burstable.slice",
    "/kubepods/podweb-burstable-1",
    "/kubepods.slice/kubepods-podbesteffort.slice",
  ]
) {
  Deno.test(`${cgroupParent} only looks as if it weren't a Guaranteed pod's`, () => {
    assert(guaranteed({ cgroupParent }));
  });
}

for (
  const cgroupParent of ["", "/", "/bare", "/my-kubepods-burstable", "/kubepodsx/burstable/pod1", "x.slice"]
) {
  Deno.test(`outside kubelet's tree (${cgroupParent || "no path"}) a memory limit stands in for the class`, () => {
    assert(guaranteed({ cgroupParent, memory: 1n << 20n }));
    assert(!guaranteed({ cgroupParent }));
    assert(!guaranteed({ cgroupParent, memory: 0n }));
    assert(!guaranteed({ cgroupParent, memory: -1n }));
  });
}

Deno.test("inside kubelet's tree a memory limit doesn't make a Burstable pod Guaranteed", () => {
  assert(!guaranteed({ cgroupParent: "/kubepods/burstable/pod1", memory: 1n << 20n }));
});

Deno.test("the classes around a container are those of kubepods and of its system partition, with either driver", () => {
  const [top, system] = ["/kubepods", "/kubepods/system"].map((
    at,
  ) => [`${at}/burstable`, `${at}/besteffort`]);
  assert.deepEqual(qosClassesOf({ parent: "/kubepods/pod1", path: "" }), {
    all: [...top ?? [], ...system ?? []],
  });
  const [, own] = system ?? [];
  const inSystem = qosClassesOf({ parent: "", path: "/kubepods/system/besteffort/pod1/id" });
  assert.deepEqual(inSystem, { all: [...top ?? [], ...system ?? []], own });
  const slices = qosClassesOf({ parent: "kubepods-system-burstable-pod1.slice", path: "" });
  const all = slices?.all ?? [];
  assert.equal(slices?.own, "/kubepods.slice/kubepods-system.slice/kubepods-system-burstable.slice");
  assert.deepEqual([all.length, all.includes("/kubepods.slice/kubepods-besteffort.slice")], [4, true]);
  for (const path of all) assert.equal(groupPath(path), path);
  // The slice of a pod with such a name is no class.
  assert.equal(groupPath("/kubepods.slice/kubepods-pod1.slice/kubepods-pod1-burstable.slice"), undefined);
});
