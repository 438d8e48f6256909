/** Pods and containers as NRI reports them, made from what a test cares about. */
import { create } from "@bufbuild/protobuf";
import type { Living } from "../../src/agent/early.ts";
import {
  type Container,
  ContainerSchema,
  ContainerState,
  type PodSandbox,
  PodSandboxSchema,
} from "../../src/nri/gen/nri_pb.ts";

/** What a test asks for in a pod and its one container; CPU figures as kubelet sends them. */
export interface Wanted {
  name?: string;
  /** The container's id; absent: of its pod's name. */
  id?: string;
  /** The container's own name. */
  container?: string;
  namespace?: string;
  annotations?: Record<string, string>;
  cgroupParent?: string;
  cgroupsPath?: string;
  /** A whole number of CPUs as request and limit. */
  cpus?: number;
  shares?: bigint;
  quota?: bigint;
  period?: bigint;
  memory?: bigint;
  /** What the pod as a whole may use, as kubelet reports it. */
  podQuota?: bigint;
  podPeriod?: bigint;
  podShares?: bigint;
  /** The set in the record. */
  record?: string;
  mems?: string;
  /** Of its resources, besides. */
  resources?: { hugepageLimits?: { pageSize: string; limit: bigint }[] };
  state?: ContainerState;
  createdAt?: bigint;
  /** What runs the pod. */
  handler?: string;
}

export function podOf(wanted: Wanted = {}): PodSandbox {
  const name = wanted.name ?? "p";
  return create(PodSandboxSchema, {
    id: `sandbox-${name}`,
    name,
    uid: `uid-${name}`,
    namespace: wanted.namespace ?? "ns",
    annotations: wanted.annotations ?? {},
    runtimeHandler: wanted.handler ?? "",
    linux: { cgroupParent: wanted.cgroupParent ?? defaultParent(wanted), ...podResourcesOf(wanted) },
  });
}

export function containerOf(wanted: Wanted = {}): Container {
  const { shares, quota, period } = cpuOf(wanted);
  return create(ContainerSchema, {
    id: wanted.id ?? `id-${wanted.name ?? "p"}`,
    podSandboxId: `sandbox-${wanted.name ?? "p"}`,
    name: wanted.container ?? "c",
    state: wanted.state ?? ContainerState.CONTAINER_RUNNING,
    createdAt: wanted.createdAt ?? 0n,
    linux: {
      cgroupsPath: wanted.cgroupsPath ?? "",
      resources: {
        ...wanted.resources,
        ...(wanted.memory === undefined ? {} : { memory: { limit: { value: wanted.memory } } }),
        cpu: {
          ...(shares === undefined ? {} : { shares: { value: shares } }),
          ...(quota === undefined ? {} : { quota: { value: quota } }),
          ...(period === undefined ? {} : { period: { value: period } }),
          cpus: wanted.record ?? "",
          mems: wanted.mems ?? "",
        },
      },
    },
  });
}

function defaultParent(wanted: Wanted): string {
  return wanted.cpus === undefined ? "/kubepods/besteffort/pod1" : "/kubepods/pod1";
}

function podResourcesOf({ podQuota, podPeriod = 100_000n, podShares }: Wanted) {
  if (podQuota === undefined) return {};
  const shares = podShares === undefined ? {} : { shares: { value: podShares } };
  return { podResources: { cpu: { quota: { value: podQuota }, period: { value: podPeriod }, ...shares } } };
}

function cpuOf({ cpus, shares, quota, period }: Wanted): Pick<Wanted, "shares" | "quota" | "period"> {
  if (cpus === undefined) {
    return {
      ...(shares === undefined ? {} : { shares }),
      ...(quota === undefined ? {} : { quota }),
      ...(period === undefined ? {} : { period }),
    };
  }
  const capped = Math.min(cpus * 1024, 262144);
  return {
    shares: shares ?? BigInt(capped),
    quota: quota ?? BigInt(cpus * 100_000),
    period: period ?? 100_000n,
  };
}

/** These containers live, and so do their pods. */
export function livingOf(ids: Iterable<string>): Living {
  const containers = new Set(ids);
  return { containers, sandboxes: new Set([...containers].map((id) => id.replace(/^id-/, "sandbox-"))) };
}
