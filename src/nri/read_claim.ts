/**
 * From a pod and a container, as NRI reports them, to what the container claims. The rules are kubelet's static CPU
 * manager's (Guaranteed pod, whole CPU limit equal to the request), decided per container, plus this project's
 * annotations, which are read from the pod.
 */
import { CpuSet } from "../cpu/cpu_set.ts";
import type { Claim, ContainerRef, ExclusiveClaim, Isolation } from "../ledger/claim.ts";
import { type Refusal, refuse } from "../ledger/refusal.ts";
import {
  type AnnotationValue,
  CORES_IDS,
  cpuList,
  CPUSET,
  firstValid,
  FORBID_CORE_IDS,
  InvalidValue,
  ISOLATION,
  isolation,
  MOVABLE,
  movable,
  PLACEMENT,
  placement,
  type ReadValue,
  unmanaged,
  valuesOf,
} from "./annotations.ts";
import type { Container, PodSandbox } from "./gen/nri_pb.ts";
import { isGuaranteed } from "./qos.ts";
import { lists, type Rules, sandboxingOf } from "./rules.ts";
import { figuresOf, isWhole, MAX_CPUS, wholeCpus, wholeLimit } from "./whole_cpus.ts";

/** What a container claims, and what of its pod's annotations had to be ignored. */
export interface ReadClaim {
  readonly kind: "claim";
  readonly claim: Claim;
  readonly warnings: readonly string[];
  /** Why it is a shared claim although more was asked for. */
  readonly degraded?: string;
}

/** The container's CPUs are left alone: its pod asks for that, and its namespace may. */
export interface Unmanaged {
  readonly kind: "unmanaged";
  readonly warnings: readonly string[];
}

/** The claim of `container`, or a refusal when what its pod demands can't be understood or isn't allowed. */
export function readClaim(
  pod: PodSandbox,
  container: Container,
  rules: Rules,
): ReadClaim | Unmanaged | Refusal {
  const ref = refOf(pod, container);
  const { from: out, warnings } = readUnmanaged(pod, container, rules);
  const [pin] = valuesOf(pod, CORES_IDS, container.name);
  if (out !== undefined && (pin === undefined || (out.own && !pin.own))) {
    return { kind: "unmanaged", warnings };
  }
  if (out !== undefined && out.own === pin?.own) {
    return refuse(ref, "invalid", `${pin.key} and ${out.key} contradict each other; remove one of the two`);
  }
  const read = pin === undefined
    ? readUnpinned(pod, container, rules)
    : readPinned(ref, container, pin, rules);
  if (read.kind === "refusal") return read;
  const isolated = withIsolation(read.claim, readIsolation(pod, container, rules));
  const claim = sandboxingOf(rules, ref.handler) === "vm"
    ? { ...isolated.claim, vm: true as const }
    : isolated.claim;
  return { ...read, claim, warnings: [...warnings, ...read.warnings, ...isolated.warnings] };
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
    ...(pod.runtimeHandler === "" ? {} : { handler: pod.runtimeHandler }),
    cgroup: {
      path: container.linux?.cgroupsPath ?? "",
      parent: pod.linux?.cgroupParent ?? "",
      pid: container.pid,
    },
  };
}

/** A pod's sandbox as a container, whose cgroup is one of the pod's. */
export function podRefOf({ id, name, namespace, uid, linux }: PodSandbox): ContainerRef {
  const cgroup = { path: "", parent: linux?.cgroupParent ?? "", pid: 0 };
  return { id, name: "", pod: name, namespace, podUid: uid, sandboxId: id, cgroup };
}

/** The CPU set that the runtime's record of a container names; undefined when it names none. */
export function recordOf(container: Container): CpuSet | undefined {
  const cpus = CpuSet.parse(container.linux?.resources?.cpu?.cpus ?? "");
  return cpus instanceof CpuSet && !cpus.isEmpty ? cpus : undefined;
}

/** Whether the container's CPUs are left alone, as its pod asks and its namespace may; `from` is the annotation. */
function readUnmanaged(pod: PodSandbox, container: Container, rules: Rules): ReadValue<true> {
  const read = firstValid(valuesOf(pod, CPUSET, container.name), unmanaged);
  return onlyIn("unmanagedNamespaces", read, pod, rules);
}

function readIsolation(pod: PodSandbox, container: Container, rules: Rules): ReadValue<Isolation> {
  const read = firstValid(valuesOf(pod, ISOLATION, container.name), isolation);
  return onlyIn("isolationNamespaces", read, pod, rules);
}

/** The value, where the node's configuration lets the pod's namespace use its annotation. */
function onlyIn<T>(
  list: "unmanagedNamespaces" | "isolationNamespaces",
  read: ReadValue<T>,
  { namespace }: PodSandbox,
  rules: Rules,
): ReadValue<T> {
  if (read.from === undefined || lists(rules[list], namespace)) return read;
  const why = `${read.from.key} is ignored, namespace ${namespace} may not use it: ` +
    `the node's ${list} doesn't list it`;
  return { value: undefined, from: undefined, warnings: [...read.warnings, why] };
}

/** A program that is to be alone on its CPUs pins its threads, as a rule: so an exclusive one isn't moved. */
function withIsolation(
  claim: Claim,
  { value, from, warnings }: ReadValue<Isolation>,
): Pick<ReadClaim, "claim" | "warnings"> {
  if (value === undefined || from === undefined) return { claim, warnings };
  if (claim.kind === "shared") {
    return {
      claim,
      warnings: [...warnings, `${from.key} is ignored, the container has no CPUs of its own`],
    };
  }
  const fixed = claim.kind === "exclusive" ? { ...claim, movable: false } : claim;
  return { claim: { ...fixed, isolation: value }, warnings };
}

function readPinned(
  ref: ContainerRef,
  container: Container,
  { key, text, own }: AnnotationValue,
  rules: Rules,
): ReadClaim | Refusal {
  if (!lists(rules.pinnedNamespaces, ref.namespace)) {
    const why =
      `namespace ${ref.namespace} may not use ${key}: the node's pinnedNamespaces doesn't list it; ` +
      "remove the annotation, or have the namespace added";
    return refuse(ref, "invalid", why);
  }
  const cpus = cpuList(text);
  if (cpus instanceof InvalidValue) return refuse(ref, "invalid", `${key} ${cpus.why}`);
  if (cpus.isEmpty) {
    const why = `${key} is empty; name the CPUs as in "0,2-3", or remove the annotation`;
    return refuse(ref, "invalid", why);
  }
  const why = rules.pinnedCpu0 === "allow" || !cpus.has(0)
    ? undefined
    : `${key} names CPU 0, which can't be taken offline and serves timers and interrupts of the whole machine`;
  if (why !== undefined && rules.pinnedCpu0 === "refuse") {
    return refuse(ref, "invalid", `${why}: the node's pinnedCpu0 is refuse; name other CPUs`);
  }
  const warnings = why === undefined ? [] : [`${why}; name another CPU, or set pinnedCpu0: allow`];
  const { quota, period } = figuresOf(container.linux?.resources?.cpu);
  const asked = quota > 0n && period > 0n ? { quota: { quota: Number(quota), period: Number(period) } } : {};
  return { kind: "claim", claim: { kind: "pinned", cpus, ...(own ? { key } : {}), ...asked }, warnings };
}

/** Annotations about placement are read whatever the kind of claim, so that a mistake shows at once. */
function readUnpinned(pod: PodSandbox, container: Container, rules: Rules): ReadClaim | Refusal {
  const forbid = firstValid(valuesOf(pod, FORBID_CORE_IDS, container.name), cpuList);
  const place = firstValid(valuesOf(pod, PLACEMENT, container.name), placement);
  const move = firstValid(valuesOf(pod, MOVABLE, container.name), movable);
  const warnings = [...forbid.warnings, ...place.warnings, ...move.warnings];
  const forbidden = forbid.value ?? CpuSet.empty;
  const count = isGuaranteed(pod, container)
    ? wholeCpus(figuresOf(container.linux?.resources?.cpu))
    : undefined;
  if (count === undefined || count === "ambiguous") {
    const system = lists(rules.reservedNamespaces, pod.namespace) ? { system: true as const } : {};
    const degraded = count === undefined ? {} : { degraded: AMBIGUOUS };
    const key = forbid.from?.own ? { key: forbid.from.key } : {};
    const ofPod = hasOwnLimit(pod, container) ? { ofPod: true as const } : {};
    const claim = { kind: "shared", forbidden, ...key, ...system, ...ofPod } as const;
    return { kind: "claim", claim, warnings, ...degraded };
  }
  if (count > MAX_CPUS) {
    const why = `needs ${count} exclusive CPUs, but a node has ${MAX_CPUS} at most; lower its CPU limit`;
    return refuse(refOf(pod, container), "invalid", why);
  }
  const wanted = {
    kind: "exclusive",
    count: Number(count),
    forbidden,
    ...(move.value === undefined ? {} : { movable: move.value }),
    placement: place.value ?? rules.placement,
  } as const;
  return { kind: "claim", claim: { ...wanted, ...podLimit(pod, wanted.count) }, warnings };
}

const AMBIGUOUS =
  "without a CFS quota, kubelet's cap of 262144 CPU shares doesn't show how many CPUs are requested";

/**
 * What the pod as a whole may use: with resources of the pod's own, kubelet gives each container the pod's figures.
 * A limit below that of one of its containers isn't true any more, since kubelet lets no pod have it: containerd goes
 * on telling what the pod was created with when its containers have grown since.
 */
function podLimit(pod: PodSandbox, count: number): Pick<ExclusiveClaim, "podLimit" | "ofPod"> {
  const figures = figuresOf(pod.linux?.podResources?.cpu);
  const limit = wholeLimit(figures);
  if (limit === undefined || limit < count) return {};
  const isAll = limit === count && isWhole(figures);
  return { podLimit: limit, ...(isAll ? { ofPod: true } : {}) };
}

/** Whether a container of a Guaranteed pod with a whole limit has one of its own, which isn't whole or isn't its request. */
function hasOwnLimit(pod: PodSandbox, container: Container): boolean {
  return isGuaranteed(pod, container) && figuresOf(container.linux?.resources?.cpu).quota > 0n &&
    isWhole(figuresOf(pod.linux?.podResources?.cpu));
}
