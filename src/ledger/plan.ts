/**
 * Deciding. A plan is the next ledger and what the container is granted; a refusal says why there is
 * none. Neither changes anything: the caller adopts the plan's ledger, or keeps the old one.
 */
import { CpuSet } from "../cpu/cpu_set.ts";
import { take } from "../cpu/take.ts";
import type { Claim, ContainerRef, ExclusiveClaim, PinnedClaim, SharedClaim } from "./claim.ts";
import type { Assignment, Ledger } from "./ledger.ts";
import { moveBack } from "./move.ts";
import { makeRoom } from "./pin.ts";
import { countFree, numbers, type Refusal, refuse } from "./refusal.ts";

/** What the new container starts with. An absent part is left as the runtime has it. */
export interface Grant {
  readonly cpus?: CpuSet;
  /** NUMA nodes for `cpuset.mems`; only ever written at creation (later it would migrate memory). */
  readonly mems?: CpuSet;
}

export interface Plan {
  readonly kind: "plan";
  readonly next: Ledger;
  readonly grant: Grant;
}

/** One container that is being created, and the ledger without it and without whom it supersedes. */
interface Admission {
  readonly ledger: Ledger;
  readonly container: ContainerRef;
  /** The CPU set that the creation request already names, if any. */
  readonly record?: CpuSet | undefined;
  /** What the same container of the same pod was assigned before, under another id. */
  readonly predecessor?: Assignment | undefined;
}

/**
 * Decides where a container that is being created may run. `record` is the CPU set that its creation
 * request already names, if any.
 *
 * The same pod and container name as one in the ledger supersedes that one at once: kubelet has restarted it,
 * and the end of the old one may be told later or never.
 */
export function admit(
  ledger: Ledger,
  container: ContainerRef,
  claim: Claim,
  record?: CpuSet,
): Plan | Refusal {
  const predecessor = predecessorOf(ledger, container);
  const rest = ledger.without(container.id);
  const others = predecessor === undefined ? rest : rest.without(predecessor.container.id);
  const admission = { ledger: others, container, record, predecessor };
  switch (claim.kind) {
    case "pinned":
      return admitPinned(admission, claim);
    case "exclusive":
      return admitExclusive(admission, claim);
    case "shared":
      return admitShared(admission, claim);
  }
}

/**
 * The ledger after a container has stopped, was removed, or was never started: then those who were moved for it
 * go back. Unknown ids are harmless.
 */
export function release(ledger: Ledger, id: string): Ledger {
  return moveBack(ledger.without(id), ledger.assignments.get(id)?.displaced ?? []);
}

/** The ledger without all containers of a sandbox: it has ended, and so have they, said or unsaid. */
export function releaseSandbox(ledger: Ledger, sandboxId: string): Ledger {
  const ended = [...ledger.assignments.values()].filter(({ container }) => container.sandboxId === sandboxId);
  return ended.reduce((next, { container }) => release(next, container.id), ledger);
}

/** The ledger once a container runs: what it is sent from now on arrives. */
export function running(ledger: Ledger, id: string): Ledger {
  const assignment = ledger.assignments.get(id);
  if (assignment?.starting === undefined) return ledger;
  const { starting: _, ...rest } = assignment;
  return ledger.with(rest);
}

/** The ledger once a container starts: whoever was moved for it stays where it is now. */
export function settle(ledger: Ledger, id: string): Ledger {
  const assignment = ledger.assignments.get(id);
  if (assignment?.displaced === undefined) return ledger;
  const { displaced: _, ...settled } = assignment;
  return ledger.with(settled);
}

/** CPUs an exclusive claim may choose from. */
export function freeFor(ledger: Ledger, forbidden: CpuSet): CpuSet {
  return ledger.sharedPool.difference(ledger.policy.systemReserved).difference(forbidden);
}

/** How many CPUs may still leave the shared pool. */
export function spare(ledger: Ledger): number {
  return Math.max(0, ledger.sharedPool.size - ledger.policy.minShared);
}

/** The CPUs for an exclusive claim out of `free`, unless the shared pool would fall below its minimum. */
export function takeExclusive(ledger: Ledger, claim: ExclusiveClaim, free: CpuSet): CpuSet | undefined {
  if (claim.count > spare(ledger)) return undefined;
  return take({ topology: ledger.topology, free, claimed: ledger.claimed, count: claim.count });
}

/** Why there is no room for an exclusive claim: `needs 8 exclusive CPUs, 6 are free (…)`. */
export function shortage(ledger: Ledger, claim: ExclusiveClaim): string {
  const free = Math.min(freeFor(ledger, claim.forbidden).size, spare(ledger));
  const forbidden = claim.forbidden.intersection(ledger.topology.online);
  const suffix = forbidden.isEmpty ? "" : `; ${forbidden.size} forbidden by the pod`;
  const wanted = `${claim.count} exclusive ${claim.count === 1 ? "CPU" : "CPUs"}`;
  return `needs ${wanted}, ${countFree(free)} (${numbers(ledger)}${suffix})`;
}

function predecessorOf(ledger: Ledger, { id, podUid, name }: ContainerRef): Assignment | undefined {
  if (podUid === "") return undefined;
  for (const assignment of ledger.assignments.values()) {
    const { container } = assignment;
    if (container.podUid === podUid && container.name === name && container.id !== id) return assignment;
  }
  return undefined;
}

function admitPinned(admission: Admission, claim: PinnedClaim): Plan | Refusal {
  const { ledger, container, predecessor } = admission;
  const room = makeRoom(ledger, claim);
  if ("why" in room) return refuse(container, room.reason, room.why);
  const mems = ledger.topology.memoryNodesOf(claim.cpus);
  // Whom a predecessor moved that never started: the container that takes its place has moved them now.
  const displaced = [...predecessor?.displaced ?? [], ...room.displaced];
  return plan({ ...admission, ledger: room.next }, {
    container,
    claim,
    grant: claim.cpus,
    ...(displaced.length === 0 ? {} : { displaced }),
  }, mems);
}

function admitExclusive(admission: Admission, claim: ExclusiveClaim): Plan | Refusal {
  const { ledger, container, predecessor } = admission;
  const free = freeFor(ledger, claim.forbidden);
  const before = predecessor?.grant ?? CpuSet.empty;
  const same = before.size === claim.count && before.isSubsetOf(free) && claim.count <= spare(ledger);
  const grant = same ? before : takeExclusive(ledger, claim, free);
  if (grant === undefined) return refuse(container, "unavailable", shortage(ledger, claim));
  return plan(admission, { container, claim, grant });
}

function admitShared(admission: Admission, claim: SharedClaim): Plan | Refusal {
  const { ledger: { sharedPool }, container } = admission;
  if (sharedPool.isSubsetOf(claim.forbidden)) {
    const why = `weka.io/forbid-core-ids ${claim.forbidden} forbids all of the shared pool (${sharedPool})`;
    return refuse(container, "unavailable", `${why}; allow at least one of these CPUs`);
  }
  return plan(admission, { container, claim, grant: CpuSet.empty });
}

function plan({ ledger, record: given }: Admission, wanted: Assignment, mems = CpuSet.empty): Plan {
  const assignment: Assignment = { ...wanted, starting: true };
  const placed = ledger.with(assignment);
  const cpus = placed.effective(assignment);
  // A shared container without a set may run everywhere; that only needs saying when it shouldn't.
  const before = given ?? (wanted.claim.kind === "shared" ? ledger.topology.online : CpuSet.empty);
  const unchanged = cpus.equals(before);
  const record = unchanged ? given : cpus;
  const next = record === undefined ? placed : placed.with({ ...assignment, record });
  next.check();
  return {
    kind: "plan",
    next,
    grant: { ...(unchanged ? {} : { cpus }), ...(mems.isEmpty ? {} : { mems }) },
  };
}
