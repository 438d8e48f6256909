/**
 * Deciding. A plan is the next ledger and what the container is granted; a refusal says why there is
 * none. Neither changes anything: the caller adopts the plan's ledger, or keeps the old one.
 */
import { assert } from "../assert.ts";
import { CpuSet } from "../cpu/cpu_set.ts";
import { type Assignment, byOrder, type Chosen, isExclusive, isUnconfined } from "./assignment.ts";
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
import { cpusWithHugePages, type HugePages } from "./huge_pages.ts";
import type { Ledger } from "./ledger.ts";
import { withoutPredecessor } from "./leftover.ts";
import { memsFor } from "./memory_nodes.ts";
import { limitedInPod } from "./limit.ts";
import { makeRoom } from "./pin.ts";
import { type Refusal, refuse } from "./refusal.ts";
import { candidatesFor, canKeep, closedTo } from "./candidates.ts";
import { type Choice, chooseBesideHeld, heldIn, withoutHeld } from "./held.ts";
import { asInPod, podSetOf, sized } from "./pod_members.ts";
import { madeRoomInPod, overPodLimit, settledHeld, settledPod } from "./pod_set.ts";
import { requestOf, shortage, takeExclusive } from "./room.ts";
import { retryDegraded } from "./degraded.ts";

/** What the new container starts with. An absent part is left as the runtime has it. */
export interface Adjustment {
  readonly cpus?: CpuSet;
  /** NUMA nodes for `cpuset.mems`; written at creation (later it migrates memory: `agent/memory.ts`). */
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
  /** The huge pages that it asks for; absent: none, or what is free of them isn't known. */
  readonly hugePages?: readonly HugePages[];
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
 * The same pod and container name as others in the ledger supersedes those at once, running or held: kubelet has restarted
 * it, and the end of the old ones may be reported later or never.
 */
export function admit(ledger: Ledger, request: AdmissionRequest): Plan | Refusal {
  const { container } = request;
  const predecessors = predecessorsOf(ledger, container);
  const others = superseded(ledger.without(container.id), container);
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
  const next = settledHeld(ledger, settledPod(placed, container));
  // It ends the predecessors: what they had and it doesn't claim goes to degraded containers.
  return granted(predecessors.length === 0 ? next : retryDegraded(next), request, placement.mems);
}

/** Where it may run, in a ledger in which there is room for it. */
interface Placement {
  readonly kind: "placement";
  readonly ledger: Ledger;
  readonly placed: Pick<Assignment, "grant" | "mems" | "displaced" | "degraded" | "chosen">;
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

/** The ledger without those that a container supersedes, by whatever it is known. */
export function superseded(ledger: Ledger, container: ContainerRef): Ledger {
  return predecessorsOf(ledger, container).reduce(withoutPredecessor, ledger);
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
  const mems = memsFor(ledger.topology, ledger.policy.pinnedMems, claim.cpus);
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
  const others = madeRoomInPod(limitedInPod(admission.ledger, admission), admission);
  const set = admission.claim.ofPod ? podSetOf(others, container) : CpuSet.empty;
  if (!set.isEmpty) {
    const ledger = withoutHeld(others, heldIn(others, container).filter(isExclusive));
    return { kind: "placement", ledger, ...boundTo(ledger, set) };
  }
  const claim = sized(others, admission);
  const before = predecessors.findLast(({ grant }) => !grant.isEmpty)?.grant ?? CpuSet.empty;
  // What is held for the pod may be all of its limit: then an owner of its set is sized 0 until that gives way.
  const same = !before.isEmpty && before.size === claim.count && !before.intersects(contestedCpus(others)) &&
    canKeep(others, { container, claim }, before);
  const choice: NewChoice | undefined = same
    ? { ledger: others, cpus: before }
    : chosen({ ...admission, ledger: others }, before);
  if (choice === undefined) {
    const known = withoutHeld(others, heldIn(others, container));
    return refuse(container, "unavailable", shortage(known, sized(known, admission)));
  }
  const { placed, mems = CpuSet.empty } = boundTo(choice.ledger, choice.cpus);
  const { request } = choice;
  const how = request === undefined ? {} : { chosen: { request, cpus: choice.cpus } };
  return { kind: "placement", ledger: choice.ledger, placed: { ...placed, ...how }, mems };
}

/** With what the ladder was asked for it; absent: nothing, since it has what it had before. */
interface NewChoice extends Choice {
  readonly request?: Chosen["request"] | undefined;
}

/** CPUs that it didn't have before, or not all of them. */
function chosen(admission: Admission<ExclusiveClaim>, before: CpuSet): NewChoice | undefined {
  const { ledger, container, hugePages = [] } = admission;
  const withPages = hugePages.length === 0 ? CpuSet.empty : cpusWithHugePages(ledger, hugePages);
  let request: Chosen["request"] | undefined;
  const choice = chooseBesideHeld(ledger, admission, CpuSet.empty, (bare, held) => {
    const claim = sized(bare, admission);
    const free = candidatesFor(bare, closedTo(bare, claim));
    request = requestOf(bare, container, claim, free);
    const choose = (from: CpuSet) =>
      takeExclusive(bare, container, claim, from, before.isEmpty ? held : before);
    return takeExclusive(bare, container, claim, free.intersection(held)) ??
      choose(free.intersection(withPages)) ?? choose(free);
  });
  return choice && { ...choice, request };
}

/** With those CPUs, and the memory beside them where the policy says so. */
function boundTo({ policy, topology }: Ledger, grant: CpuSet): Pick<Placement, "placed" | "mems"> {
  const mems = memsFor(topology, policy.exclusiveMems, grant);
  return { placed: { grant, ...(mems.isEmpty ? {} : { mems }) }, mems };
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

/** What the request starts with, by what it is assigned in `next`: also where that has changed since it was admitted. */
export function granted(next: Ledger, request: AdmissionRequest, mems = CpuSet.empty): Plan {
  const { container, record: given, deliverBy = "record" } = request;
  const placed = next.assignments.get(container.id);
  assert(placed !== undefined, `${describe(container)}: planned without being placed`);
  const cpus = next.desired(placed);
  // A shared container without a set may run everywhere; that only needs saying when it shouldn't.
  const everywhere = placed.grant.isEmpty ? next.topology.online : CpuSet.empty;
  const isAtStart = deliverBy === "cgroup" && placed.grant.isEmpty;
  const unchanged = isAtStart || isUnconfined(placed) || cpus.equals(given ?? everywhere) || cpus.isEmpty;
  const record = unchanged ? given : cpus;
  return {
    kind: "plan",
    next: next.with({ ...placed, ...created(deliverBy === "record" ? "record" : "cgroup", record) }),
    adjustment: { ...(unchanged ? {} : { cpus }), ...(mems.isEmpty ? {} : { mems }) },
  };
}
