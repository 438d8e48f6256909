import assert from "node:assert/strict";
import { create, toBinary, toJson } from "@bufbuild/protobuf";
import fc from "fast-check";
import { nriContainer, nriPod } from "../../../src/cri/to_nri.ts";
import {
  ContainerState as CriState,
  ContainerStatusSchema,
  PodSandboxStatusSchema,
} from "../../../src/cri/gen/cri_pb.ts";
import {
  type Container,
  ContainerSchema,
  ContainerState,
  PodSandboxSchema,
} from "../../../src/nri/gen/nri_pb.ts";
import { Recorded, RUNTIMES } from "../../kit/cri_recordings.ts";

const STATUS = create(ContainerStatusSchema, { id: "c", state: CriState.CONTAINER_RUNNING });
const POD_STATUS = create(PodSandboxStatusSchema, { id: "p" });

const KEYS = [
  "pid",
  "config",
  "runtimeSpec",
  "linux",
  "resources",
  "cpu",
  "memory",
  "limit",
  "quota",
  "shares",
]
  .concat("cpus", "cgroupsPath", "cgroup_parent", "cpu_quota", "__proto__");

/** A running container of which the runtime tells only `info`. */
function containerOf(info: unknown): Container {
  return nriContainer("p", STATUS, { info: typeof info === "string" ? info : JSON.stringify(info) });
}

function cpuOf(cpu: unknown) {
  return containerOf({ runtimeSpec: { linux: { resources: { cpu } } } }).linux?.resources?.cpu;
}

function parentOf(info: unknown): string | undefined {
  return nriPod(POD_STATUS, { info: JSON.stringify(info) }).linux?.cgroupParent;
}

for (const runtime of RUNTIMES) {
  const { containers: [shared, exclusive, created], pods: [sharedPod, exclusivePod] } = new Recorded(runtime);
  assert(shared?.status && exclusive?.status && created?.status && sharedPod?.status && exclusivePod?.status);
  const told = { shared: shared.status, exclusive: exclusive.status, created: created.status };

  Deno.test(`${runtime}: an exclusive container has its CPUs and figures`, () => {
    const container = nriContainer("pod", told.exclusive, exclusive.info);
    assert.deepEqual(toJson(ContainerSchema, container), {
      id: told.exclusive.id,
      podSandboxId: "pod",
      name: "main",
      state: "CONTAINER_RUNNING",
      pid: container.pid,
      createdAt: `${told.exclusive.createdAt}`,
      startedAt: `${told.exclusive.startedAt}`,
      linux: {
        resources: {
          memory: { limit: { value: "67108864" } },
          cpu: {
            shares: { value: "1024" },
            quota: { value: "100000" },
            period: { value: "100000" },
            cpus: "1",
          },
        },
        cgroupsPath: `/kubepods/poduid-p2/${told.exclusive.id}`,
      },
    });
    assert(container.pid > 0);
  });

  Deno.test(`${runtime}: the resources are those of the last update, not those of the creation`, () => {
    const { resources } = nriContainer("pod", told.shared, shared.info).linux ?? {};
    assert.equal(resources?.cpu?.cpus, "0"); // the exclusive one has the other
    assert.equal(resources.memory?.limit?.value, 96n << 20n); // none at its creation
    assert.equal(resources.cpu.quota, undefined);
  });

  Deno.test(`${runtime}: a container that isn't started is created, and has no process`, () => {
    const { state, pid, name } = nriContainer("pod", told.created, created.info);
    assert.deepEqual({ state, pid, name }, {
      state: ContainerState.CONTAINER_CREATED,
      pid: 0,
      name: "second",
    });
  });

  Deno.test(`${runtime}: a pod has its names, annotations, cgroup and resources`, () => {
    assert(sharedPod.status && exclusivePod.status);
    const pod = nriPod(sharedPod.status, sharedPod.info);
    assert(pod.pid > 1);
    assert.deepEqual(toJson(PodSandboxSchema, { ...pod, pid: 0 }), {
      id: sharedPod.status.id,
      name: "p1",
      uid: "uid-p1",
      namespace: "default",
      annotations: { "weka.io/forbid-core-ids": "4095" },
      linux: {
        podResources: {
          memory: { limit: {} },
          cpu: { shares: { value: "2" }, quota: {}, period: { value: "100000" } },
        },
        cgroupParent: "/kubepods/besteffort/poduid-p1",
      },
    });
    const { podResources } = nriPod(exclusivePod.status, exclusivePod.info).linux ?? {};
    assert.equal(podResources?.cpu?.quota?.value, 100_000n);
    assert.equal(podResources.memory?.limit?.value, 64n << 20n);
  });
}

Deno.test("a container in an unknown state may run, so it counts as running", () => {
  const status = create(ContainerStatusSchema, { id: "c", state: CriState.CONTAINER_UNKNOWN });
  assert.equal(nriContainer("p", status, {}).state, ContainerState.CONTAINER_RUNNING);
});

Deno.test("without a specification the status' resources count, in which 0 means unset", () => {
  const linux = { cpuShares: 2n, cpuPeriod: 100_000n, cpusetCpus: "3", cpusetMems: "0" };
  const status = create(ContainerStatusSchema, { id: "c", resources: { linux } });
  for (const info of ["", "not JSON", '{"pid":1}', '{"runtimeSpec":null}']) {
    const { linux, pid } = nriContainer("p", status, { info });
    assert.deepEqual(toJson(ContainerSchema, create(ContainerSchema, linux ? { linux } : {})), {
      linux: {
        resources: { cpu: { shares: { value: "2" }, period: { value: "100000" }, cpus: "3", mems: "0" } },
      },
    });
    assert.equal(pid, info.includes("pid") ? 1 : 0);
  }
});

Deno.test("a pod whose runtime doesn't repeat its configuration has the parent of its own cgroup", () => {
  const inSpec = (cgroupsPath: unknown) => ({ pid: 1, runtimeSpec: { linux: { cgroupsPath } } });
  assert.equal(parentOf(inSpec("kubepods-burstable-pod1.slice:crio:abc")), "kubepods-burstable-pod1.slice");
  assert.equal(parentOf(inSpec("/kubepods/burstable/pod1/crio-abc")), "/kubepods/burstable/pod1");
  for (const odd of ["", "abc", "/abc", 7, null]) assert.equal(parentOf(inSpec(odd)), "");
  assert.equal(nriPod(POD_STATUS, {}).linux?.podResources, undefined);
});

Deno.test("figures that are no whole numbers count as unset, and too large ones are clamped", () => {
  const odd = cpuOf({ shares: "1024", quota: 1.5, period: null, cpus: 3, mems: ["0"] });
  assert.deepEqual([odd?.shares, odd?.quota, odd?.period, odd?.cpus, odd?.mems], [
    undefined,
    undefined,
    undefined,
    "",
    "",
  ]);
  const large = cpuOf({ shares: 1e300, quota: -1e300, period: -1 });
  assert.equal(large?.shares?.value, (1n << 64n) - 1n);
  assert.equal(large.quota?.value, -(1n << 63n));
  assert.equal(large.period?.value, 0n);
  assert.equal(cpuOf({ quota: -1 })?.quota?.value, -1n);
});

Deno.test("whatever the verbose part holds, nothing is thrown and the result can be encoded", () => {
  const { value } = fc.letrec((tie) => ({
    value: fc.oneof(
      { maxDepth: 6 },
      fc.jsonValue({ maxDepth: 1 }),
      fc.double(),
      fc.maxSafeInteger(),
      fc.dictionary(fc.constantFrom(...KEYS), tie("value"), { maxKeys: 4 }),
    ),
  }));
  const text = fc.oneof(value.map((it) => JSON.stringify(it) ?? ""), fc.string());
  fc.assert(fc.property(text, (info) => {
    toBinary(ContainerSchema, containerOf(info));
    toBinary(PodSandboxSchema, nriPod(POD_STATUS, { info }));
  }));
  const deep = "[".repeat(100_000);
  assert.equal(containerOf(`{"pid":${deep}`).pid, 0);
  assert.equal(containerOf(`{"a":${deep}${"]".repeat(100_000)},"pid":9}`).pid, 9);
});
