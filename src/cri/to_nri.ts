/**
 * Translates the CRI's messages to NRI's. Both show the same record, so that a listing of the one can replace a
 * Synchronize of the other. The record is the OCI `runtimeSpec` in the JSON of a verbose answer (containerd 1.7
 * to 2.x and CRI-O): it has every update, of kubelet's and of an NRI plugin's. The other places have less: `config`
 * is what the container was created with, and `ContainerStatus.resources` shows no CPUs before the first update.
 */
import { create } from "@bufbuild/protobuf";
import {
  type Container,
  ContainerSchema,
  ContainerState,
  type LinuxResources,
  LinuxResourcesSchema,
  type PodSandbox,
  PodSandboxSchema,
} from "../nri/gen/nri_pb.ts";
import {
  ContainerState as CriState,
  type ContainerStatus,
  type LinuxContainerResources,
  PodSandboxState,
  type PodSandboxStatus,
} from "./gen/cri_pb.ts";
import { cgroupAround } from "../cgroup_names.ts";
import { at, INT64, parseJson, textAt, UINT32, UINT64, wholeAt } from "../platform/json_at.ts";

/** The verbose part of an answer: JSON texts; both runtimes use the one key `info`. */
type Info = Readonly<Record<string, string>>;

const STATES = new Map([
  [CriState.CONTAINER_CREATED, ContainerState.CONTAINER_CREATED],
  [CriState.CONTAINER_EXITED, ContainerState.CONTAINER_STOPPED],
]);

/** A container of the pod `podSandboxId`; parts that the runtime doesn't report are missing. */
export function nriContainer(podSandboxId: string, status: ContainerStatus, { info = "" }: Info): Container {
  const details = parseJson(info);
  const linux = at(details, "runtimeSpec", "linux");
  const spec = at(linux, "resources");
  return create(ContainerSchema, {
    id: status.id,
    podSandboxId,
    name: status.metadata?.name ?? "",
    // UNKNOWN may run, so it is treated as if it did: NRI itself leaves such a container out.
    state: STATES.get(status.state) ?? ContainerState.CONTAINER_RUNNING,
    createdAt: status.createdAt,
    startedAt: status.startedAt,
    pid: Number(wholeAt(details, UINT32, "pid") ?? 0n),
    linux: {
      resources: spec === undefined ? ofStatus(status.resources?.linux) : ofSpec(spec),
      cgroupsPath: textAt(linux, "cgroupsPath"),
    },
  });
}

/** A pod; without its cgroup and resources where the runtime doesn't report them. */
export function nriPod(status: PodSandboxStatus, { info = "" }: Info): PodSandbox {
  const details = parseJson(info);
  const config = at(details, "config", "linux");
  const resources = at(config, "resources");
  const { name = "", uid = "", namespace = "" } = status.metadata ?? {};
  return create(PodSandboxSchema, {
    id: status.id,
    name,
    uid,
    namespace,
    annotations: status.annotations,
    runtimeHandler: status.runtimeHandler,
    // Only whether it is 0 counts; CRI-O doesn't report it in this place.
    pid: status.state === PodSandboxState.SANDBOX_READY ? Number(wholeAt(details, UINT32, "pid") || 1n) : 0,
    linux: {
      // CRI-O doesn't repeat the configuration, but its pod has a cgroup like all others.
      cgroupParent: textAt(config, "cgroup_parent") ||
        cgroupAround(textAt(details, "runtimeSpec", "linux", "cgroupsPath")),
      ...(resources === undefined ? {} : { podResources: ofPodConfig(resources) }),
    },
  });
}

interface ResourceFigures {
  readonly shares: bigint | undefined;
  readonly quota: bigint | undefined;
  readonly period: bigint | undefined;
  readonly memory: bigint | undefined;
  readonly cpus: string;
  readonly mems: string;
}

/** By the OCI runtime specification: what isn't set isn't there. */
function ofSpec(spec: unknown): LinuxResources {
  const cpu = at(spec, "cpu");
  return resourcesOf({
    shares: wholeAt(cpu, UINT64, "shares"),
    quota: wholeAt(cpu, INT64, "quota"),
    period: wholeAt(cpu, UINT64, "period"),
    memory: wholeAt(spec, INT64, "memory", "limit"),
    cpus: textAt(cpu, "cpus"),
    mems: textAt(cpu, "mems"),
  });
}

/** For a runtime that doesn't show its specification. In the CRI's form, 0 is what isn't set. */
function ofStatus(linux: LinuxContainerResources | undefined): LinuxResources {
  return resourcesOf({
    shares: linux?.cpuShares || undefined,
    quota: linux?.cpuQuota || undefined,
    period: linux?.cpuPeriod || undefined,
    memory: linux?.memoryLimitInBytes || undefined,
    cpus: linux?.cpusetCpus ?? "",
    mems: linux?.cpusetMems ?? "",
  });
}

/** In the CRI's form, as JSON without its zeros. NRI reports the zeros, and so does this. */
function ofPodConfig(config: unknown): LinuxResources {
  return resourcesOf({
    shares: wholeAt(config, UINT64, "cpu_shares") ?? 0n,
    quota: wholeAt(config, INT64, "cpu_quota") ?? 0n,
    period: wholeAt(config, UINT64, "cpu_period") ?? 0n,
    memory: wholeAt(config, INT64, "memory_limit_in_bytes") ?? 0n,
    cpus: textAt(config, "cpuset_cpus"),
    mems: textAt(config, "cpuset_mems"),
  });
}

function resourcesOf({ shares, quota, period, memory, cpus, mems }: ResourceFigures): LinuxResources {
  return create(LinuxResourcesSchema, {
    cpu: {
      ...(shares === undefined ? {} : { shares: { value: shares } }),
      ...(quota === undefined ? {} : { quota: { value: quota } }),
      ...(period === undefined ? {} : { period: { value: period } }),
      cpus,
      mems,
    },
    ...(memory === undefined ? {} : { memory: { limit: { value: memory } } }),
  });
}
