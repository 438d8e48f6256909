/** From the runtime's list of containers to what the ledger is rebuilt from. */
import { create } from "@bufbuild/protobuf";
import { CpuSet } from "../cpu/cpu_set.ts";
import type { Claim, ContainerRef } from "../ledger/claim.ts";
import { memsFor } from "../ledger/memory_nodes.ts";
import type { Found } from "../ledger/recover.ts";
import { refuse } from "../ledger/refusal.ts";
import type { LogRecord } from "../log_record.ts";
import type { Listing } from "./early.ts";
import {
  type Container,
  ContainerState,
  LinuxResourcesSchema,
  type PodSandbox,
  PodSandboxSchema,
} from "../nri/gen/nri_pb.ts";
import { mergeResources, withRequestOfLimit } from "../nri/merge_resources.ts";
import { figuresOf, sharesOfLimit, wholeCpus, wholeLimit } from "../nri/whole_cpus.ts";
import { writablePort } from "./apply_mode.ts";
import { logOf, misspeltLogs, warningsOf } from "./logs.ts";
import { unboundText } from "./memory.ts";
import { currentPod, withPodFigures } from "./pod_resources.ts";
import type { AgentState } from "./state.ts";
import { readClaim, recordOf, refOf } from "../nri/read_claim.ts";

/** A listed container that runs or is about to, before its cgroup is looked at. */
export interface ListedContainer extends Omit<Found, "mayRunOn" | "delivery"> {
  /** The CPU set in the runtime's record, if it names one. */
  readonly record: CpuSet | undefined;
  /** False: created, and not running yet. */
  readonly isRunning: boolean;
  /** What it was sent while it was starting: its record may hold that by now. */
  readonly sent?: CpuSet | undefined;
}

/** Containers that run, and what is odd about them. */
export interface FoundContainers {
  readonly found: ListedContainer[];
  readonly logs: LogRecord[];
  /** Ids of those that the runtime lists although a newer one runs in their place: they aren't managed. */
  readonly stale: ReadonlySet<string>;
}

/**
 * Every listed container that runs or is about to, with its claim.
 *
 * @param only of these ids; the others of the list are what they are compared with
 */
export function findContainers(
  state: AgentState,
  listing: Listing,
  only?: ReadonlySet<string>,
): FoundContainers {
  const listedPods = new Map(listing.pods.map((pod) => [pod.id, pod]));
  const pods = new Map(listing.pods.map((pod) => [pod.id, currentPod(state.podResources, pod)]));
  const { ended } = state.reconcile.lostEnds;
  const listed = listing.containers.filter(({ id }) => !ended.has(id));
  const unique = new Map(listed.map((container) => [container.id, container]));
  const replaced = replacedIn([...unique.values()], pods);
  const all = { found: [] as ListedContainer[], logs: [] as LogRecord[], stale: new Set(replaced.keys()) };
  const ofPods = Map.groupBy(unique.values(), ({ podSandboxId }) => podSandboxId);
  for (const container of unique.values()) {
    const pod = pods.get(container.podSandboxId);
    const newer = replaced.get(container.id);
    if (newer !== undefined && pod !== undefined) {
      all.logs.push(...staleLogs(state, refOf(pod, container), newer));
    }
    const isLeftOut = newer !== undefined || only?.has(container.id) === false;
    if (isLeftOut || container.state === ContainerState.CONTAINER_STOPPED) continue;
    const limited = state.exclusiveQuota === "off" ? withLimitOfRecord(container) : container;
    const seen = hasOwnCpus(limited, unique.values()) ? withRequestOfLimit(limited) : container;
    const beside = ofPods.get(container.podSandboxId) ?? [];
    const listedPod = listedPods.get(container.podSandboxId);
    const own = pod && listedPod ? withPodFigures(seen, listedPod, pod, beside) : seen;
    const { found, logs } = findContainer(state, pod, own);
    const names = beside.map(({ name }) => name);
    all.found.push(...found);
    all.logs.push(...logs, ...(pod === undefined ? [] : misspeltLogs(pod, refOf(pod, container), names)));
  }
  return all;
}

/** One without a quota whose shares don't show how many CPUs it asks for, with the quota of as many as its record names. */
function withLimitOfRecord(container: Container): Container {
  const figures = figuresOf(container.linux?.resources?.cpu);
  const record = figures.quota < 0n && typeof wholeCpus(figures) !== "bigint"
    ? recordOf(container)
    : undefined;
  if (record === undefined) return container;
  const cpu = { quota: { value: BigInt(record.size) * 100_000n }, period: { value: 100_000n } };
  return mergeResources(container, create(LinuxResourcesSchema, { cpu }));
}

/**
 * Of the containers that have the pod's uid and their name in common only one can run. Those that aren't the newest running
 * one, each with the id of that: the runtime has missed their end.
 */
function replacedIn(
  all: readonly Container[],
  pods: ReadonlyMap<string, PodSandbox>,
): ReadonlyMap<string, string> {
  const newest = new Map<string, Container>();
  const placeOf = ({ podSandboxId, name }: Container) => {
    const uid = pods.get(podSandboxId)?.uid ?? "";
    return uid === "" ? undefined : `${uid} ${name}`;
  };
  for (const container of all.filter(isRunning)) {
    const place = placeOf(container);
    const before = place === undefined ? undefined : newest.get(place);
    const isNewest = before === undefined || !isNewer(before, container);
    if (place !== undefined && isNewest) newest.set(place, container);
  }
  const replaced = new Map<string, string>();
  for (const container of all) {
    const running = newest.get(placeOf(container) ?? "");
    const isReplaced = running !== undefined && running !== container &&
      (isRunning(container) || isNewer(running, container));
    if (isReplaced && container.state !== ContainerState.CONTAINER_STOPPED) {
      replaced.set(container.id, running.id);
    }
  }
  return replaced;
}

function isRunning({ state }: Container): boolean {
  return state !== ContainerState.CONTAINER_CREATED && state !== ContainerState.CONTAINER_STOPPED;
}

/** By when they were created, else started; where neither is reported of both (NRI before 0.10) it isn't known. */
function isNewer(a: Container, b: Container): boolean {
  for (const key of ["createdAt", "startedAt"] as const) {
    if (a[key] > 0n && b[key] > 0n && a[key] !== b[key]) return a[key] > b[key];
  }
  return false;
}

/** Once for each container. */
export function staleLogs({ reconcile }: AgentState, container: ContainerRef, newer: string): LogRecord[] {
  if (reconcile.unmanaged.has(container.id)) return [];
  return [logOf("warn", "container listed as running, but replaced; not managed", container, { by: newer })];
}

/** The state in which these listed containers aren't managed. */
export function withUnmanaged(state: AgentState, ids: ReadonlySet<string>): AgentState {
  const { reconcile } = state;
  return { ...state, reconcile: { ...reconcile, unmanaged: reconcile.unmanaged.union(ids) } };
}

/**
 * Whether its record names as many CPUs as its quota allows, and no other's names one of them: then it was given them
 * for itself, whatever shares it was sent since.
 */
function hasOwnCpus(container: Container, all: Iterable<Container>): boolean {
  const figures = figuresOf(container.linux?.resources?.cpu);
  const isSettled = figures.shares === (sharesOfLimit(figures) ?? figures.shares);
  const record = isSettled ? undefined : recordOf(container);
  if (record === undefined || record.size !== wholeLimit(figures)) return false;
  for (const other of all) {
    const isOther = other.id !== container.id && other.state !== ContainerState.CONTAINER_STOPPED;
    if (isOther && recordOf(other)?.intersects(record)) return false;
  }
  return true;
}

export function findContainer(
  state: AgentState,
  pod: PodSandbox | undefined,
  container: Container,
): Omit<FoundContainers, "stale"> {
  const ref = refOf(pod ?? create(PodSandboxSchema, { name: "unknown", namespace: "unknown" }), container);
  const mems = memsOf(container);
  const base = {
    container: ref,
    createdAt: container.createdAt,
    isRunning: container.state !== ContainerState.CONTAINER_CREATED,
    record: recordOf(container),
    ...(mems === undefined ? {} : { mems }),
  };
  const read = pod === undefined
    ? refuse(ref, "unavailable", "the runtime didn't list its pod")
    : readClaim(pod, container, state.rules);
  if (read.kind === "refusal") {
    // It runs already, so it can't be refused any more; it gets the pool until its pod is mended.
    const claim = { kind: "shared", forbidden: CpuSet.empty } as const;
    return { found: [{ ...base, claim, degraded: read.message }], logs: [] };
  }
  if (read.kind === "unmanaged") return { found: [], logs: warningsOf(read.warnings, ref) };
  const logs = [...read.warnings, ...memoryWarnings(state, read.claim, container)];
  return {
    found: [{
      ...base,
      claim: read.claim,
      ...(read.degraded === undefined ? {} : { degraded: read.degraded }),
    }],
    logs: warningsOf(logs, ref),
  };
}

/** By its record, where the kernel's can't be corrected (memory.ts). */
function memoryWarnings(state: AgentState, claim: Claim, container: Container): string[] {
  if (claim.kind !== "pinned" || writablePort(state)?.memory !== undefined) return [];
  const { topology, policy } = state.ledger;
  const wanted = memsFor(topology, policy.pinnedMems, claim.cpus);
  const mems = container.linux?.resources?.cpu?.mems ?? "";
  const single = topology.nodes.length < 2;
  if (single || wanted.isEmpty || mems === wanted.toString()) return [];
  return [unboundText(wanted)];
}

function memsOf(container: Container): CpuSet | undefined {
  const mems = CpuSet.parse(container.linux?.resources?.cpu?.mems ?? "");
  return mems instanceof CpuSet && !mems.isEmpty ? mems : undefined;
}
