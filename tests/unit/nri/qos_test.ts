import assert from "node:assert/strict";
import { isGuaranteed } from "../../../src/nri/qos.ts";
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
