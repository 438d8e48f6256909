import assert from "node:assert/strict";
import { containerCgroup, podCgroup } from "../../../src/manifests/cgroup_paths.ts";
import {
  containerResources,
  type Demands,
  merged,
  podResources,
  qosClass,
} from "../../../src/manifests/resources.ts";

const MI = 2 ** 20;
const nothing: Demands = { requests: {}, limits: {} };

/** A container whose requests equal its limits. */
function even(cpu: number, memory = 64 * MI): Demands {
  return { requests: { cpu, memory }, limits: { cpu, memory } };
}

function pod(...containers: Demands[]) {
  return { containers, initContainers: [] };
}

Deno.test("a whole-CPU limit becomes quota, period, shares and memory limit", () => {
  assert.deepEqual(containerResources(even(2000), pod()), {
    shares: 2048,
    period: 100_000,
    quota: 200_000,
    memory: 64 * MI,
  });
});

Deno.test("a container without a limit has kubelet's period, but no quota", () => {
  const asking = { requests: { cpu: 250 }, limits: {} };
  assert.deepEqual(containerResources(asking, pod()), { shares: 256, period: 100_000 });
});

Deno.test("shares have a floor of 2 and a cap of 262144", () => {
  assert.equal(containerResources(nothing, pod()).shares, 2);
  assert.equal(containerResources({ requests: { cpu: 1 }, limits: {} }, pod()).shares, 2);
  assert.equal(containerResources(even(256_000), pod()).shares, 262_144);
  assert.equal(containerResources(even(300_000), pod()).shares, 262_144);
  assert.equal(containerResources({ requests: { cpu: 333 }, limits: {} }, pod()).shares, 340);
});

Deno.test("a missing request counts as the limit, a request of zero doesn't", () => {
  assert.equal(containerResources({ requests: {}, limits: { cpu: 1000 } }, pod()).shares, 1024);
  assert.equal(containerResources({ requests: { cpu: 0 }, limits: { cpu: 1000 } }, pod()).shares, 2);
});

Deno.test("a quota is at least 1 ms, and odd thousandths are kept", () => {
  assert.equal(containerResources(even(1), pod()).quota, 1000);
  assert.equal(containerResources(even(5), pod()).quota, 1000);
  assert.equal(containerResources(even(1503), pod()).quota, 150_300);
});

Deno.test("with CFS quota switched off there is neither quota nor period", () => {
  assert.deepEqual(containerResources(even(2000), pod(), false), { shares: 2048, memory: 64 * MI });
  assert.deepEqual(podResources(pod(even(2000)), false), { shares: 2048, memory: 64 * MI });
});

Deno.test("pod-level resources stand in where a container has no limit of its own, and are the pod's sum", () => {
  const whole = { ...pod(nothing, even(1000)), podLevel: even(4000, 256 * MI) };
  assert.deepEqual(containerResources(nothing, whole), {
    shares: 4096,
    period: 100_000,
    quota: 400_000,
    memory: 256 * MI,
  });
  assert.equal(containerResources(even(1000), whole).quota, 100_000);
  assert.equal(podResources(whole).quota, 400_000);
  assert.equal(podResources(whole).shares, 4096);
});

Deno.test("the pod's resources are the sum of its containers; one without a limit adds nothing to the limits", () => {
  assert.deepEqual(podResources(pod(even(4000), even(500))), {
    shares: 4608,
    period: 100_000,
    quota: 450_000,
    memory: 128 * MI,
  });
  assert.deepEqual(podResources(pod(even(1000), { requests: { cpu: 500 }, limits: {} })), {
    shares: 1536,
    period: 100_000,
    quota: 100_000,
    memory: 64 * MI,
  });
});

Deno.test("an init container counts if it needs more than the rest, beside the side-cars started before it", () => {
  const init = { ...even(6000), restarts: false };
  const sidecar = { ...even(1000), restarts: true };
  const sum = (initContainers: (Demands & { restarts: boolean })[]) =>
    podResources({ containers: [even(4000)], initContainers }).quota;
  assert.equal(sum([init]), 600_000);
  assert.equal(sum([{ ...even(2000), restarts: false }]), 400_000);
  assert.equal(sum([sidecar]), 500_000);
  assert.equal(sum([sidecar, init]), 700_000);
  assert.equal(sum([init, sidecar]), 600_000);
});

Deno.test("the class of service looks at every container, init containers too", () => {
  const cases: [string, Demands[], Demands[]][] = [
    ["Guaranteed", [even(1000), even(500)], []],
    ["Guaranteed", [even(1000)], [even(2000)]],
    ["Burstable", [even(1000), nothing], []],
    ["Burstable", [even(1000)], [nothing]],
    ["Burstable", [{ requests: { cpu: 500, memory: MI }, limits: { cpu: 1000, memory: MI } }], []],
    ["Burstable", [{ requests: { cpu: 1000 }, limits: { cpu: 1000 } }], []],
    ["Burstable", [{ requests: { memory: MI }, limits: {} }], []],
    ["BestEffort", [nothing, nothing], []],
    ["BestEffort", [{ requests: { cpu: 0 }, limits: {} }], []],
  ];
  for (const [expected, containers, init] of cases) {
    const initContainers = init.map((each) => ({ ...each, restarts: false }));
    assert.equal(qosClass({ containers, initContainers }), expected, JSON.stringify([containers, init]));
  }
});

Deno.test("with pod-level resources the class comes from those alone", () => {
  assert.equal(qosClass({ ...pod(nothing), podLevel: even(1000) }), "Guaranteed");
  assert.equal(qosClass({ ...pod(even(1000)), podLevel: { requests: { cpu: 1 }, limits: {} } }), "Burstable");
});

Deno.test("an update leaves alone what it doesn't give and what it gives as zero or empty", () => {
  const record = { shares: 1024, quota: 100_000, period: 100_000, memory: MI, cpus: "1-2" };
  assert.deepEqual(merged(record, { memory: 2 * MI, quota: 0, cpus: "" }), { ...record, memory: 2 * MI });
  assert.deepEqual(merged(record, { cpus: "3", mems: "0" }), { ...record, cpus: "3", mems: "0" });
  assert.deepEqual(merged(record, { quota: -1 }), { ...record, quota: -1 });
});

Deno.test("a pod's cgroup follows its class, under both drivers", () => {
  const uid = "0f3c-77";
  assert.equal(podCgroup("Guaranteed", uid, "cgroupfs"), "/kubepods/pod0f3c-77");
  assert.equal(podCgroup("Burstable", uid, "cgroupfs"), "/kubepods/burstable/pod0f3c-77");
  assert.equal(podCgroup("BestEffort", uid, "cgroupfs"), "/kubepods/besteffort/pod0f3c-77");
  assert.equal(podCgroup("Guaranteed", uid, "systemd"), "/kubepods.slice/kubepods-pod0f3c_77.slice");
  assert.equal(
    podCgroup("Burstable", uid, "systemd"),
    "/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod0f3c_77.slice",
  );
});

Deno.test("a container's cgroup is a folder of its id, or a scope of containerd's", () => {
  assert.deepEqual(containerCgroup("/kubepods/podu", "c1"), {
    cgroupsPath: "/kubepods/podu/c1",
    directory: "/kubepods/podu/c1",
  });
  assert.deepEqual(containerCgroup("/kubepods.slice/kubepods-podu.slice", "c1"), {
    cgroupsPath: "kubepods-podu.slice:cri-containerd:c1",
    directory: "/kubepods.slice/kubepods-podu.slice/cri-containerd-c1.scope",
  });
});
