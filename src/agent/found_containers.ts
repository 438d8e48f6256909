/** From the runtime's list of containers to what the ledger is rebuilt from. */
import { create } from "@bufbuild/protobuf";
import { CpuSet } from "../cpu/cpu_set.ts";
import type { Topology } from "../cpu/topology.ts";
import type { Claim } from "../ledger/claim.ts";
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
import { warningsOf } from "./logs.ts";
import { currentPod } from "./pod_resources.ts";
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
}

/** Every listed container that runs or is about to, with its claim. */
export function findContainers(state: AgentState, listing: Listing): FoundContainers {
  const pods = new Map(listing.pods.map((pod) => [pod.id, currentPod(state.podResources, pod)]));
  const all: FoundContainers = { found: [], logs: [] };
  const unique = new Map(listing.containers.map((container) => [container.id, container]));
  for (const container of unique.values()) {
    if (container.state === ContainerState.CONTAINER_STOPPED) continue;
    const limited = state.exclusiveQuota === "off" ? withLimitOfRecord(container) : container;
    const seen = hasOwnCpus(limited, unique.values()) ? withRequestOfLimit(limited) : container;
    const { found, logs } = findContainer(state, pods.get(container.podSandboxId), seen);
    all.found.push(...found);
    all.logs.push(...logs);
  }
  return all;
}

/** One without a quota whose shares don't tell how many CPUs it asks for, with the quota of as many as its record names. */
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

function findContainer(
  { ledger: { topology }, rules }: AgentState,
  pod: PodSandbox | undefined,
  container: Container,
): FoundContainers {
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
    : readClaim(pod, container, rules);
  if (read.kind === "refusal") {
    // It runs already, so it can't be refused any more; it gets the pool until its pod is mended.
    const claim = { kind: "shared", forbidden: CpuSet.empty } as const;
    return { found: [{ ...base, claim, degraded: read.message }], logs: [] };
  }
  if (read.kind === "unmanaged") return { found: [], logs: warningsOf(read.warnings, ref) };
  const logs = [...read.warnings, ...memoryWarnings(topology, read.claim, container)];
  return {
    found: [{
      ...base,
      claim: read.claim,
      ...(read.degraded === undefined ? {} : { degraded: read.degraded }),
    }],
    logs: warningsOf(logs, ref),
  };
}

/** Rewriting `cpuset.mems` of a live container would migrate its memory, so a wrong one is only reported. */
function memoryWarnings(topology: Topology, claim: Claim, container: Container): string[] {
  if (claim.kind !== "pinned") return [];
  const wanted = topology.memoryNodesOf(claim.cpus);
  const mems = container.linux?.resources?.cpu?.mems ?? "";
  const single = topology.nodes.length < 2;
  if (single || wanted.isEmpty || mems === wanted.toString()) return [];
  return [`memory nodes not set to ${wanted}, recreate the pod`];
}

function memsOf(container: Container): CpuSet | undefined {
  const mems = CpuSet.parse(container.linux?.resources?.cpu?.mems ?? "");
  return mems instanceof CpuSet && !mems.isEmpty ? mems : undefined;
}
