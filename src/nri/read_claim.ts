/**
 * From a pod and a container, as NRI reports them, to what the container claims. The rules are
 * kubelet's static CPU manager's (Guaranteed pod, whole CPU limit equal to the request), decided per
 * container, plus this project's annotations, which are read from the pod.
 */
import { CpuListError, CpuSet } from "../cpu/cpu_set.ts";
import type { Claim, ContainerRef } from "../ledger/claim.ts";
import { type Refusal, refuse } from "../ledger/refusal.ts";
import type { Container, LinuxResources, PodSandbox } from "./gen/nri_pb.ts";

export const CORES_IDS = "weka.io/cores-ids";
export const FORBID_CORE_IDS = "weka.io/forbid-core-ids";
export const MOVABLE = "weka.io/movable";

/** kubelet's cap on cpu shares (pkg/kubelet/cm: MaxShares). */
const MAX_SHARES = 262144n;
const SHARES_PER_CPU = 1024n;

/** What a container claims, and what of its pod's annotations had to be ignored. */
export interface ReadClaim {
  readonly kind: "claim";
  readonly claim: Claim;
  readonly warnings: readonly string[];
}

/** The claim of `container`, or a refusal when the pod's `cores-ids` is not a CPU list. */
export function readClaim(pod: PodSandbox, container: Container): ReadClaim | Refusal {
  const coresIds = pod.annotations[CORES_IDS];
  if (coresIds !== undefined) return readPinned(refOf(pod, container), coresIds);
  const { forbidden, warnings } = readForbidden(pod);
  const count = isGuaranteed(pod, container) ? wholeCpus(container.linux?.resources) : undefined;
  const { movable, warnings: more } = readMovable(pod);
  const claim: Claim = count === undefined
    ? { kind: "shared", forbidden }
    : { kind: "exclusive", count, forbidden, movable };
  return { kind: "claim", claim, warnings: [...warnings, ...more] };
}

/** The names and ids by which the ledger knows a container. */
export function refOf(pod: PodSandbox, container: Container): ContainerRef {
  return {
    id: container.id,
    name: container.name,
    pod: pod.name,
    namespace: pod.namespace,
    podUid: pod.uid,
    sandboxId: container.podSandboxId,
  };
}

/** The CPU set that the runtime's record of a container names; undefined when it names none. */
export function recordOf(container: Container): CpuSet | undefined {
  const cpus = CpuSet.parse(container.linux?.resources?.cpu?.cpus ?? "");
  return cpus instanceof CpuListError || cpus.isEmpty ? undefined : cpus;
}

function readPinned(container: ContainerRef, text: string): ReadClaim | Refusal {
  const cpus = CpuSet.parse(text);
  if (cpus instanceof CpuListError) {
    return refuse(container, "invalid", `${CORES_IDS} is not a CPU list: ${cpus}`);
  }
  if (cpus.isEmpty) {
    const why = `${CORES_IDS} is empty; name the CPUs as in "0,2-3", or remove the annotation`;
    return refuse(container, "invalid", why);
  }
  return { kind: "claim", claim: { kind: "pinned", cpus }, warnings: [] };
}

function readForbidden(pod: PodSandbox): { forbidden: CpuSet; warnings: string[] } {
  const forbidden = CpuSet.parse(pod.annotations[FORBID_CORE_IDS] ?? "");
  if (!(forbidden instanceof CpuListError)) return { forbidden, warnings: [] };
  return {
    forbidden: CpuSet.empty,
    warnings: [`${FORBID_CORE_IDS} is ignored, it is not a CPU list: ${forbidden}`],
  };
}

function readMovable(pod: PodSandbox): { movable: boolean; warnings: string[] } {
  const text = pod.annotations[MOVABLE]?.trim() ?? "true";
  if (text === "true" || text === "false") return { movable: text === "true", warnings: [] };
  return { movable: true, warnings: [`${MOVABLE} is ignored, it must be "true" or "false"`] };
}

/**
 * Whether the pod's QoS class is Guaranteed, which only shows in its cgroup parent: kubelet puts the
 * other classes below a `burstable` or `besteffort` group. Outside kubelet's tree (a bare CRI client) a
 * memory limit stands in for it.
 */
function isGuaranteed(pod: PodSandbox, container: Container): boolean {
  const words = wordsBelowKubepods(pod.linux?.cgroupParent ?? "");
  if (words !== undefined) return !words.includes("burstable") && !words.includes("besteffort");
  return (container.linux?.resources?.memory?.limit?.value ?? 0n) > 0n;
}

/**
 * What follows the last `kubepods` in a cgroup path, for both drivers:
 * `/kubepods/burstable/pod1` and `/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod1.slice`.
 */
function wordsBelowKubepods(cgroupParent: string): string[] | undefined {
  const words = cgroupParent.split("/").flatMap((part) => part.replace(/\.slice$/, "").split("-"));
  const at = words.lastIndexOf("kubepods");
  return at < 0 ? undefined : words.slice(at + 1);
}

/** The number of CPUs when limit and request are the same whole number of CPUs. */
function wholeCpus(resources: LinuxResources | undefined): number | undefined {
  const quota = resources?.cpu?.quota?.value ?? 0n;
  const period = resources?.cpu?.period?.value ?? 0n;
  if (quota <= 0n || period <= 0n || quota % period !== 0n) return undefined;
  const count = quota / period;
  const shares = count * SHARES_PER_CPU;
  const requested = resources?.cpu?.shares?.value ?? 0n;
  return requested === (shares < MAX_SHARES ? shares : MAX_SHARES) ? Number(count) : undefined;
}
