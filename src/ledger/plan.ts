/**
 * Deciding. A plan is the next ledger and what the container is granted; a refusal says why there is
 * none. Neither changes anything: the caller adopts the plan's ledger, or keeps the old one.
 */
import { assert } from "../assert.ts";
import { CpuSet } from "../cpu/cpu_set.ts";
import { type Assignment, byOrder } from "./assignment.ts";
import { created } from "./delivery.ts";
import {
  type Claim,
  type ContainerRef,
  describe,
  type ExclusiveClaim,
  type PinnedClaim,
  type SharedClaim,
} from "./claim.ts";
import { contestedCpus } from "./contested.ts";
import type { Ledger } from "./ledger.ts";
import { makeRoom } from "./pin.ts";
import { type Refusal, refuse } from "./refusal.ts";
import { candidatesFor, canKeep, closedTo } from "./candidates.ts";
import { asInPod, podSetOf, sized } from "./pod_members.ts";
import { madeRoomInPod, overPodLimit, settledPod } from "./pod_set.ts";
import { shortage, takeExclusive } from "./room.ts";
import { retryDegraded } from "./degraded.ts";

/** What the new container starts with. An absent part is left as the runtime has it. */
export interface Adjustment {
  readonly cpus?: CpuSet;
  /** NUMA nodes for `cpuset.mems`; only ever written at creation (later it would migrate memory). */
  readonly mems?: CpuSet;
}

export interface Plan {
  readonly kind: "plan";
  readonly next: Ledger;
  readonly adjustment: Adjustment;
}

/** A container that is being created. */
export interface AdmissionRequest {
  readonly container: ContainerRef;
  readonly claim: Claim;
  /** The group that is around it, where there is one. */
  readonly fence?: Pick<Assignment, "fence" | "isWithin">;
  /** The CPU set that the creation request already names, if any. */
  readonly record?: CpuSet | undefined;
  /** Why the claim is less than the pod asked for, if it is. */
  readonly degraded?: string | undefined;
  /** When, in the milliseconds of whoever asks. */
  readonly since?: number;
  /** How it gets its CPUs; absent: by the runtime's record. */
  readonly deliverBy?: DeliverBy | undefined;
}

/**
 * By the runtime's record; by its cgroup when it starts, with only a grant in the record as well; or all in both.
 */
export type DeliverBy = "record" | "cgroup" | "both";

/** An admission request, and the ledger without that container and without those that it supersedes. */
interface Admission<C extends Claim> extends AdmissionRequest {
  readonly claim: C;
  readonly ledger: Ledger;
  /** What the same container of the same pod was assigned before, under other ids; the latest last. */
  readonly predecessors: readonly Assignment[];
}

/**
 * Decides where a container that is being created may run.
 *
 * The same pod and container name as others in the ledger supersedes those at once: kubelet has restarted it,
 * and the end of the old ones may be reported later or never.
 */
export function admit(ledger: Ledger, request: AdmissionRequest): Plan | Refusal {
  const { container } = request;
  const predecessors = predecessorsOf(ledger, container);
  const others = predecessors.reduce(
    (next, { container: { id } }) => next.without(id),
    ledger.without(container.id),
  );
  const claim = request.claim.kind === "exclusive"
    ? asInPod(others, { container, claim: request.claim })
    : request.claim;
  const placement = place({ ...request, claim, ledger: others, predecessors });
  if (placement.kind === "refusal") return placement;
  const { fence, degraded, since, deliverBy = "record" } = request;
  const placed = placement.ledger.with({
    container,
    claim,
    ...created(deliverBy === "record" ? "record" : "cgroup"),
    ...fence,
    ...(degraded === undefined ? {} : { degraded }),
    ...(since === undefined ? {} : { since }),
    ...placement.placed,
  });
  const next = settledPod(placed, container);
  // It ends the predecessors: what they had and it doesn't claim goes to degraded containers.
  return granted(predecessors.length === 0 ? next : retryDegraded(next), request, placement.mems);
}

/** Where it may run, in a ledger in which there is room for it. */
interface Placement {
  readonly kind: "placement";
  readonly ledger: Ledger;
  readonly placed: Pick<Assignment, "grant" | "mems" | "displaced" | "degraded">;
  readonly mems?: CpuSet;
}

function place(admission: Admission<Claim>): Placement | Refusal {
  const { claim } = admission;
  switch (claim.kind) {
    case "pinned":
      return admitPinned({ ...admission, claim });
    case "exclusive":
      return admitExclusive({ ...admission, claim });
    case "shared":
      return admitShared({ ...admission, claim });
  }
}

function predecessorsOf(ledger: Ledger, { id, podUid, name }: ContainerRef): Assignment[] {
  if (podUid === "") return [];
  return ledger.ofPod(podUid)
    .filter(({ container }) => container.name === name && container.id !== id).sort(byOrder);
}

function admitPinned(admission: Admission<PinnedClaim>): Placement | Refusal {
  const { ledger, container, claim, predecessors } = admission;
  const room = makeRoom(ledger, claim);
  if ("why" in room) return refuse(container, room.reason, room.why);
  const mems = ledger.topology.memoryNodesOf(claim.cpus);
  // Containers moved for a predecessor that never started: the container that takes its place has moved them now.
  const displaced = [...predecessors.flatMap(({ displaced = [] }) => displaced), ...room.displaced];
  const more = displaced.length === 0 ? {} : { displaced };
  return { kind: "placement", ledger: room.next, placed: { grant: claim.cpus, ...more }, mems };
}

function admitExclusive(admission: Admission<ExclusiveClaim>): Placement | Refusal {
  const { container, predecessors } = admission;
  const over = overPodLimit(admission.ledger, admission);
  if (over !== undefined) {
    return { kind: "placement", ledger: admission.ledger, placed: { grant: CpuSet.empty, degraded: over } };
  }
  const ledger = madeRoomInPod(admission.ledger, admission);
  const set = admission.claim.ofPod ? podSetOf(ledger, container) : CpuSet.empty;
  if (!set.isEmpty) return { kind: "placement", ledger, ...boundTo(ledger, set) };
  const claim = sized(ledger, admission);
  const free = candidatesFor(ledger, closedTo(ledger, claim));
  const before = predecessors.at(-1)?.grant ?? recentOf(ledger, container) ?? CpuSet.empty;
  const same = before.size === claim.count && !before.intersects(contestedCpus(ledger)) &&
    canKeep(ledger, { container, claim }, before);
  const grant = same ? before : takeExclusive(ledger, container, claim, free, before);
  if (grant === undefined) return refuse(container, "unavailable", shortage(ledger, claim));
  const next = ledger.forgetting(container.podUid, container.name);
  return { kind: "placement", ledger: next, ...boundTo(ledger, grant) };
}

/** With those CPUs, and the memory beside them where the policy says so. */
function boundTo({ policy, topology }: Ledger, grant: CpuSet): Pick<Placement, "placed" | "mems"> {
  const mems = policy.exclusiveMems === "local" ? topology.memoryNodesOf(grant) : CpuSet.empty;
  return { placed: { grant, ...(mems.isEmpty ? {} : { mems }) }, mems };
}

function recentOf({ recent }: Ledger, { podUid, name }: ContainerRef): CpuSet | undefined {
  return recent.find((r) => r.podUid === podUid && r.name === name)?.cpus;
}

function admitShared(admission: Admission<SharedClaim>): Placement | Refusal {
  const { ledger, container, claim: { forbidden, system, key = "weka.io/forbid-core-ids" } } = admission;
  const pool = system ? ledger.systemPool : ledger.sharedPool;
  if (pool.isSubsetOf(forbidden)) {
    const why = `${key} ${forbidden} forbids all of the shared pool (${pool})`;
    return refuse(container, "unavailable", `${why}; allow at least one of these CPUs`);
  }
  return { kind: "placement", ledger, placed: { grant: CpuSet.empty } };
}

/** What the request starts with, by what it is assigned in `next`. */
function granted(next: Ledger, request: AdmissionRequest, mems = CpuSet.empty): Plan {
  const { container, record: given, deliverBy = "record" } = request;
  const placed = next.assignments.get(container.id);
  assert(placed !== undefined, `${describe(container)}: planned without being placed`);
  const cpus = next.desired(placed);
  // A shared container without a set may run everywhere; that only needs saying when it shouldn't.
  const everywhere = placed.grant.isEmpty ? next.topology.online : CpuSet.empty;
  const isAtStart = deliverBy === "cgroup" && placed.grant.isEmpty;
  const unchanged = isAtStart || cpus.equals(given ?? everywhere) || cpus.isEmpty;
  const record = unchanged ? given : cpus;
  return {
    kind: "plan",
    next: next.with({ ...placed, ...created(deliverBy === "record" ? "record" : "cgroup", record) }),
    adjustment: { ...(unchanged ? {} : { cpus }), ...(mems.isEmpty ? {} : { mems }) },
  };
}
