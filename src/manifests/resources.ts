// What kubelet makes of a pod's requests and limits before it talks to the runtime. Amounts are thousandths of a
// CPU and bytes. Source: kubelet's kuberuntime (calculateLinuxResources, calculateSandboxResources), its cgroup
// manager (MilliCPUToShares) and the API machinery's pod QoS and pod resources.

/** Requests or limits: CPU in thousandths, memory in bytes; a field that isn't there was not given. */
export interface Amounts {
  cpu?: number;
  memory?: number;
}

/** A container's (or, with pod-level resources, a pod's) requests and limits. */
export interface Demands {
  requests: Amounts;
  limits: Amounts;
}

/** What the pod's resources depend on. `initContainers` are in the order in which they run. */
export interface PodDemands {
  containers: readonly Demands[];
  initContainers: readonly (Demands & { restarts: boolean })[];
  /** `spec.resources`: pod-level resources, Kubernetes 1.32 and newer. */
  podLevel?: Demands;
}

/** What CRI and NRI call LinuxResources; fields that kubelet leaves at zero aren't there. Period, quota: µs. */
export interface Resources {
  shares?: number;
  quota?: number;
  period?: number;
  /** Bytes. */
  memory?: number;
  /** Linux list format. */
  cpus?: string;
  /** Linux list format. */
  mems?: string;
}

export type QosClass = "Guaranteed" | "Burstable" | "BestEffort";

const MIN_SHARES = 2;
const MAX_SHARES = 262_144;
const PERIOD = 100_000;
const MIN_QUOTA = 1000;

/**
 * A container's resources. `cfsQuota: false` is kubelet's `--cpu-cfs-quota=false`; otherwise the period is always
 * there, and the quota when there is a limit.
 */
export function containerResources(container: Demands, pod: PodDemands, cfsQuota = true): Resources {
  const limits = {
    cpu: container.limits.cpu || (pod.podLevel?.limits.cpu ?? 0),
    memory: container.limits.memory || (pod.podLevel?.limits.memory ?? 0),
  };
  return linuxResources(container.requests.cpu, limits, cfsQuota);
}

/** The pod's sum, as kubelet gives it with the sandbox: containers without a limit add nothing to the limits. */
export function podResources(pod: PodDemands, cfsQuota = true): Resources {
  const requests = { ...podSum(pod, "requests"), ...pod.podLevel?.requests };
  const limits = { ...podSum(pod, "limits"), ...pod.podLevel?.limits };
  return linuxResources(requests.cpu, limits, cfsQuota);
}

/** The record after an update: what the update doesn't give, or gives as zero, stays. */
export function merged(record: Resources, update: Resources): Resources {
  const given = Object.entries(update).filter(([, value]) =>
    value !== undefined && value !== 0 && value !== ""
  );
  return { ...record, ...Object.fromEntries(given) };
}

/** The class of service, over all containers, init containers too; with pod-level resources from those alone. */
export function qosClass(pod: PodDemands): QosClass {
  const all = pod.podLevel ? [pod.podLevel] : [...pod.containers, ...pod.initContainers];
  const asked = all.some(({ requests, limits }) =>
    [requests.cpu, requests.memory, limits.cpu, limits.memory].some((amount) =>
      amount !== undefined && amount > 0
    )
  );
  if (!asked) return "BestEffort";
  const bounded = all.every(({ limits }) => Boolean(limits.cpu) && Boolean(limits.memory));
  const requests = total(all.map((each) => each.requests));
  const limits = total(all.map((each) => each.limits));
  return bounded && requests.cpu === limits.cpu && requests.memory === limits.memory
    ? "Guaranteed"
    : "Burstable";
}

function linuxResources(request: number | undefined, limits: Amounts, cfsQuota: boolean): Resources {
  const limit = limits.cpu ?? 0;
  return {
    shares: sharesOf(request ?? limit),
    ...(cfsQuota ? { period: PERIOD } : {}),
    ...(cfsQuota && limit > 0 ? { quota: Math.max(MIN_QUOTA, Math.floor(limit * PERIOD / 1000)) } : {}),
    ...(limits.memory ? { memory: limits.memory } : {}),
  };
}

function sharesOf(milliCpu: number): number {
  return Math.min(MAX_SHARES, Math.max(MIN_SHARES, Math.floor(milliCpu * 1024 / 1000)));
}

/** Main containers and side-cars run together; each init container runs beside the side-cars before it. */
function podSum(pod: PodDemands, which: keyof Demands): Amounts {
  let sidecars: Amounts = {};
  let peak: Amounts = {};
  for (const container of pod.initContainers) {
    const beside = total([sidecars, container[which]]);
    peak = greater(peak, beside);
    if (container.restarts) sidecars = beside;
  }
  return greater(peak, total([sidecars, ...pod.containers.map((each) => each[which])]));
}

function total(amounts: readonly Amounts[]): Amounts {
  return amounts.reduce<Amounts>((sum, each) => combined(sum, each, (a, b) => a + b), {});
}

function greater(a: Amounts, b: Amounts): Amounts {
  return combined(a, b, Math.max);
}

function combined(a: Amounts, b: Amounts, combine: (a: number, b: number) => number): Amounts {
  const result: Amounts = { ...a };
  if (b.cpu !== undefined) result.cpu = combine(a.cpu ?? 0, b.cpu);
  if (b.memory !== undefined) result.memory = combine(a.memory ?? 0, b.memory);
  return result;
}
