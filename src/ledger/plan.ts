/**
 * Deciding. A plan is the next ledger and what the container is granted; a refusal says why there is
 * none. Neither changes anything: the caller adopts the plan's ledger, or keeps the old one.
 */
import { CpuSet } from "../cpu/cpu_set.ts";
import { take } from "../cpu/take.ts";
import {
  type Claim,
  type ContainerRef,
  describe,
  type ExclusiveClaim,
  type PinnedClaim,
  type SharedClaim,
} from "./claim.ts";
import type { Assignment, Ledger } from "./ledger.ts";

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

/**
 * The domain says no. `reason` tells a claim that can never be served on this node (`invalid`) from
 * one that may be served later (`unavailable`); `message` is a sentence the pod's owner can act on.
 */
export interface Refusal {
  readonly kind: "refusal";
  readonly reason: "invalid" | "unavailable";
  readonly message: string;
}

/** A refusal about one container, in the one form that all of them have. */
export function refuse(container: ContainerRef, reason: Refusal["reason"], why: string): Refusal {
  return { kind: "refusal", reason, message: `cpuset: pod ${describe(container)}: ${why}` };
}

/**
 * Decides where a container that is being created may run. `record` is the CPU set that its creation
 * request already names, if any.
 */
export function admit(
  ledger: Ledger,
  container: ContainerRef,
  claim: Claim,
  record?: CpuSet,
): Plan | Refusal {
  const others = ledger.without(container.id);
  switch (claim.kind) {
    case "pinned":
      return admitPinned(others, container, claim, record);
    case "exclusive":
      return admitExclusive(others, container, claim, record);
    case "shared":
      return admitShared(others, container, claim, record);
  }
}

/** The ledger after a container has stopped, was removed, or was never started. Unknown ids are harmless. */
export function release(ledger: Ledger, id: string): Ledger {
  return ledger.without(id);
}

/** CPUs an exclusive claim may choose from. */
export function freeFor(ledger: Ledger, forbidden: CpuSet): CpuSet {
  return ledger.sharedPool.difference(ledger.policy.systemReserved).difference(forbidden);
}

/** How many CPUs may still leave the shared pool. */
export function spare(ledger: Ledger): number {
  return Math.max(0, ledger.sharedPool.size - ledger.policy.minShared);
}

/** Why a pinned claim can't be met, as a clause; undefined when it can. */
export function pinnedObstacle(
  ledger: Ledger,
  claim: PinnedClaim,
): Pick<Refusal, "reason"> & { why: string } | undefined {
  const missing = claim.cpus.difference(ledger.topology.online);
  if (!missing.isEmpty) {
    const why = `weka.io/cores-ids names ${
      plural(missing, "CPU")
    } ${missing}, not online on this node (online: ${ledger.topology.online})`;
    return { reason: "invalid", why };
  }
  const taken = claim.cpus.intersection(ledger.exclusive);
  if (!taken.isEmpty) {
    const holders = ledger.holders(taken).map((a) => describe(a.container));
    return {
      reason: "unavailable",
      why: `needs CPUs ${claim.cpus}, but ${taken} ${taken.size === 1 ? "is" : "are"} held exclusively by ${
        listed(holders)
      }`,
    };
  }
  const left = ledger.sharedPool.difference(claim.cpus).size;
  if (left < ledger.policy.minShared && left < ledger.sharedPool.size) {
    return {
      reason: "unavailable",
      why: `needs CPUs ${claim.cpus}, which would leave ${left} for the shared pool (${numbers(ledger)})`,
    };
  }
  return undefined;
}

/** `64 online, 2 reserved, 56 claimed, 1 kept for the shared pool`. */
export function numbers(ledger: Ledger): string {
  const { topology, policy, claimed } = ledger;
  return `${topology.online.size} online, ${policy.systemReserved.size} reserved, ${claimed.size} claimed, ` +
    `${policy.minShared} kept for the shared pool`;
}

function admitPinned(
  ledger: Ledger,
  container: ContainerRef,
  claim: PinnedClaim,
  record?: CpuSet,
): Plan | Refusal {
  const obstacle = pinnedObstacle(ledger, claim);
  if (obstacle !== undefined) return refuse(container, obstacle.reason, obstacle.why);
  const mems = ledger.topology.memoryNodesOf(claim.cpus);
  return plan(ledger, { container, claim, grant: claim.cpus }, record, mems);
}

function admitExclusive(
  ledger: Ledger,
  container: ContainerRef,
  claim: ExclusiveClaim,
  record?: CpuSet,
): Plan | Refusal {
  const grant = takeExclusive(ledger, claim, freeFor(ledger, claim.forbidden));
  if (grant === undefined) return refuse(container, "unavailable", shortage(ledger, claim));
  return plan(ledger, { container, claim, grant }, record);
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
  return `needs ${claim.count} exclusive ${claim.count === 1 ? "CPU" : "CPUs"}, ${free} ${
    free === 1 ? "is" : "are"
  } free (${numbers(ledger)}${suffix})`;
}

function admitShared(
  ledger: Ledger,
  container: ContainerRef,
  claim: SharedClaim,
  record?: CpuSet,
): Plan | Refusal {
  if (ledger.sharedPool.isSubsetOf(claim.forbidden)) {
    const why =
      `weka.io/forbid-core-ids ${claim.forbidden} forbids all of the shared pool (${ledger.sharedPool}); allow at least one of these CPUs`;
    return refuse(container, "unavailable", why);
  }
  return plan(ledger, { container, claim, grant: CpuSet.empty }, record);
}

function plan(
  ledger: Ledger,
  wanted: Omit<Assignment, "record">,
  given: CpuSet | undefined,
  mems = CpuSet.empty,
): Plan {
  const placed = ledger.with(wanted);
  const cpus = placed.effective(wanted);
  // A shared container without a set may run everywhere; that only needs saying when it shouldn't.
  const before = given ?? (wanted.claim.kind === "shared" ? ledger.topology.online : CpuSet.empty);
  const unchanged = cpus.equals(before);
  const record = unchanged ? given : cpus;
  const next = record === undefined ? placed : placed.with({ ...wanted, record });
  next.check();
  return {
    kind: "plan",
    next,
    grant: { ...(unchanged ? {} : { cpus }), ...(mems.isEmpty ? {} : { mems }) },
  };
}

function plural(cpus: CpuSet, word: string): string {
  return cpus.size === 1 ? word : `${word}s`;
}

/** At most three names: a message travels through the runtime and kubelet into an event. */
function listed(names: readonly string[]): string {
  const more = names.length - 3;
  return names.slice(0, 3).join(", ") + (more > 0 ? ` and ${more} more` : "");
}
