/** From the runtime's list of containers to what the ledger is rebuilt from. */
import { create } from "@bufbuild/protobuf";
import { CpuSet } from "../cpu/cpu_set.ts";
import type { Topology } from "../cpu/topology.ts";
import type { Assignment } from "../ledger/assignment.ts";
import type { Claim } from "../ledger/claim.ts";
import { created } from "../ledger/delivery.ts";
import type { Found } from "../ledger/recover.ts";
import { refuse } from "../ledger/refusal.ts";
import type { LogRecord } from "../log_record.ts";
import type { Listing } from "./early.ts";
import { type Container, ContainerState, type PodSandbox, PodSandboxSchema } from "../nri/gen/nri_pb.ts";
import { withRequestOfLimit } from "../nri/merge_resources.ts";
import { figuresOf, sharesOfLimit, wholeLimit } from "../nri/whole_cpus.ts";
import { warningsOf } from "./logs.ts";
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
  const pods = new Map(listing.pods.map((pod) => [pod.id, pod]));
  const all: FoundContainers = { found: [], logs: [] };
  const unique = new Map(listing.containers.map((container) => [container.id, container]));
  for (const container of unique.values()) {
    if (container.state === ContainerState.CONTAINER_STOPPED) continue;
    const seen = hasOwnCpus(container, unique.values()) ? withRequestOfLimit(container) : container;
    const { found, logs } = findContainer(state, pods.get(container.podSandboxId), seen);
    all.found.push(...found);
    all.logs.push(...logs);
  }
  return all;
}

/**
 * What may be held for the pods of a list: of its containers that have stopped, as far as the runtime lists them, and what was
 * known before it of those that it doesn't list. The ends of pods may have been missed, so they have to be seen to live.
 */
export function endedIn(state: AgentState, listing: Listing): Assignment[] {
  const living = livingSandboxes(listing);
  const known = state.ledger.inOrder().filter(({ container }) => living.has(container.sandboxId));
  return [...stoppedIn(state, listing), ...known];
}

/** Of the containers of a list that have stopped: what may be held for pods that live. */
export function stoppedIn(state: AgentState, listing: Listing): Assignment[] {
  const living = livingSandboxes(listing);
  return findEnded(state, listing).filter(({ container }) => living.has(container.sandboxId));
}

/** Listed containers that have stopped, each with the CPUs that its record shows it had for itself. */
function findEnded(state: AgentState, { pods, containers }: Listing): Assignment[] {
  const known = new Map(pods.map((pod) => [pod.id, pod]));
  const stopped = containers.filter(({ state }) => state === ContainerState.CONTAINER_STOPPED);
  return stopped.flatMap((container) => {
    const { found } = findContainer(state, known.get(container.podSandboxId), container);
    return found.map(({ container, claim, record = CpuSet.empty }) => {
      const isWhole = claim.kind === "pinned" ? record.equals(claim.cpus) : countOf(claim) === record.size;
      return { container, claim, grant: isWhole ? record : CpuSet.empty, ...created("cgroup") };
    });
  });
}

function countOf(claim: Claim): number | undefined {
  return claim.kind === "exclusive" ? claim.count : undefined;
}

/** The sandboxes of a list that live, by their first process, or by a container in them that hasn't stopped. */
function livingSandboxes({ pods, containers }: Listing): ReadonlySet<string> {
  const used = containers.filter(({ state }) => state !== ContainerState.CONTAINER_STOPPED);
  return new Set([
    ...pods.filter(({ pid }) => pid > 0).map(({ id }) => id),
    ...used.map(({ podSandboxId }) => podSandboxId),
  ]);
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
