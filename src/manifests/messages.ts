/** Kubernetes pods → NRI's messages about them, as kubelet and a runtime would bring them about. */
import { create } from "@bufbuild/protobuf";
import {
  type Container,
  ContainerSchema,
  type LinuxResources,
  LinuxResourcesSchema,
  type PodSandbox,
  PodSandboxSchema,
} from "../nri/gen/nri_pb.ts";
import { containerCgroup, podCgroup } from "./cgroup_paths.ts";
import { type ContainerSpec, demandsOf, type PodSpec } from "./manifest.ts";
import { containerResources, podResources, qosClass, type Resources } from "./resources.ts";

/** The sandbox of a pod that runs as `uid`. */
export function sandboxOf(spec: PodSpec, uid: string): PodSandbox {
  const demands = demandsOf(spec);
  return create(PodSandboxSchema, {
    id: uid,
    name: spec.name,
    uid,
    namespace: spec.namespace,
    annotations: spec.annotations,
    linux: {
      cgroupParent: podCgroup(qosClass(demands), uid, "cgroupfs"),
      podResources: resourcesMessage(podResources(demands)),
    },
  });
}

/** A container of it. */
export function containerOf(pod: PodSandbox, spec: PodSpec, container: ContainerSpec): Container {
  const id = `${pod.uid}/${container.name}`;
  return create(ContainerSchema, {
    id,
    podSandboxId: pod.id,
    name: container.name,
    linux: {
      cgroupsPath: containerCgroup(pod.linux?.cgroupParent ?? "", container.name).cgroupsPath,
      resources: resourcesMessage(containerResources(container, demandsOf(spec))),
    },
  });
}

export function resourcesMessage(resources: Resources): LinuxResources {
  const { shares, quota, period, memory, cpus = "", mems = "" } = resources;
  return create(LinuxResourcesSchema, {
    cpu: { ...boxed("shares", shares), ...boxed("quota", quota), ...boxed("period", period), cpus, mems },
    memory: boxed("limit", memory),
  });
}

function boxed<Name extends string>(
  name: Name,
  value: number | undefined,
): Partial<Record<Name, { value: bigint }>> {
  return value === undefined
    ? {}
    : { [name]: { value: BigInt(value) } } as Partial<Record<Name, { value: bigint }>>;
}
