/**
 * The ledger from already running containers: after a start of the agent or of the runtime, and for
 * containers that were created while no agent was there. The runtime's list is the truth; nothing is
 * ever read from a file of our own.
 *
 * Who wins what, in this order:
 *  1. pinned containers that run get exactly what their pods name, as far as it is online;
 *  2. exclusive ones whose CPUs (by the kernel, else by the record) are as many as claimed, online and not claimed by others keep
 *     them: first those that nobody else was found on, since a degraded one is found on the shared pool, which may be as many;
 *     those with their pod's figures last, since what they may have is what the others leave;
 *  3. pinned ones without a process get what they name as where they are created: an agent before may have refused its
 *     creation for one that isn't to be moved, which isn't reported to an agent on standby;
 *  4. the other exclusive ones are placed anew, within their recorded CPUs if possible, oldest first;
 *  5. what finds no room lives in the shared pool, degraded.
 */
import { CpuSet } from "../cpu/cpu_set.ts";
import type { Topology } from "../cpu/topology.ts";
import type { Affinity } from "./affinity.ts";
import { type Assignment, isExclusive, isOfPod } from "./assignment.ts";
import { isAnywhere } from "./bound.ts";
import { hasNoProcess, isConfirmed } from "./delivery.ts";
import type { Claim, ContainerRef, ExclusiveClaim } from "./claim.ts";
import { runsOn } from "./groups.ts";
import { Ledger } from "./ledger.ts";
import { canKeep } from "./candidates.ts";
import { hold, withoutHeld } from "./held.ts";
import { certainIn, podSetOf, sized, withGrant } from "./pod_members.ts";
import { settledPod } from "./pod_set.ts";
import type { Policy } from "./policy.ts";
import { pin, placeExclusive } from "./degraded.ts";

/** One container as the runtime reports it. */
export interface Found extends Pick<Assignment, "mayRunOn" | "delivery" | "fence" | "isWithin" | "chosen"> {
  readonly container: ContainerRef;
  readonly claim: Claim;
  /** The memory nodes in the runtime's record, if it names some. */
  readonly mems?: CpuSet;
  /** Nanoseconds since 1970; 0 where the runtime doesn't report it (NRI before 0.10). */
  readonly createdAt: bigint;
  /** When it was found, in the milliseconds of whoever looked. */
  readonly since?: number;
  /** What has been seen of its threads. */
  readonly affinity?: Affinity | undefined;
  /** Why the claim is less than the pod asked for (a bad annotation), if it is. */
  readonly degraded?: string;
}

type Of<C extends Claim> = Found & { readonly claim: C };

/**
 * The ledger that follows from what was found, on top of what is known already. Deterministic: the order of `found`
 * doesn't matter.
 *
 * @param ended what is to be held for pods, of which what their containers share doesn't grow onto it
 */
export function recover(
  topology: Topology,
  policy: Policy,
  found: readonly Found[],
  known = Ledger.empty(topology, policy),
  ended: readonly Assignment[] = [],
): Ledger {
  const inOrder = [...found].sort(byAge);
  let ledger = withoutHeld(known, known.heldClaims.filter((held) => found.some((f) => isOf(held, f))))
    .withAll(inOrder.map(unplaced));
  const pinned = Map.groupBy(ofKind(inOrder, "pinned"), ({ delivery }) => hasNoProcess(delivery));
  for (const f of pinned.get(false) ?? []) ledger = pin(ledger, { ...unplaced(f), claim: f.claim });
  const misplaced: Of<ExclusiveClaim>[] = [];
  const common = foundTwice(ledger, found);
  const rank = (f: Of<ExclusiveClaim>) =>
    f.claim.ofPod ? 2 : Number(lastKnown(f)?.intersects(common) ?? false);
  const exclusive = ofKind(inOrder, "exclusive").sort((a, b) => rank(a) - rank(b));
  const shared = exclusive.find(({ claim }) => claim.ofPod);
  for (const each of exclusive) {
    if (each === shared) ledger = heldBeside(ledger, exclusive, ended);
    const f = asKept(ledger, each);
    const set = f.claim.ofPod ? podSetOf(ledger, f.container) : CpuSet.empty;
    const at = set.isEmpty ? lastKnown(f) : set;
    if (at !== undefined && canStay(ledger, f, at)) {
      ledger = withGrant(ledger, { ...unplaced(f), claim: f.claim, grant: at });
    } else misplaced.push(f);
  }
  for (const f of pinned.get(true) ?? []) ledger = pin(ledger, { ...unplaced(f), claim: f.claim });
  for (const f of misplaced) if (!placedIn(ledger, f)) ledger = replace(ledger, f);
  return exclusive.reduce((next, { container }) => settledPod(next, container), ledger);
}

/** CPUs on which more than one was found, by its own set and its fence; one whose set isn't known shows nothing. */
function foundTwice(ledger: Ledger, found: readonly Found[]): CpuSet {
  let [once, twice] = [CpuSet.empty, CpuSet.empty];
  for (const f of found) {
    const at = f.fence === undefined ? lastKnown(f) : runsOn(ledger, unplaced(f));
    if (at === undefined || isAnywhere(at)) continue;
    twice = twice.union(once.intersection(at));
    once = once.union(at);
  }
  return twice;
}

/** With the certain claims that are held for pods whose containers share what these leave. */
function heldBeside(
  ledger: Ledger,
  found: readonly Of<ExclusiveClaim>[],
  ended: readonly Assignment[],
): Ledger {
  const pods = new Set(found.filter(({ claim }) => claim.ofPod).map(({ container }) => container.podUid));
  return ended.filter((each) => pods.has(each.container.podUid) && isExclusive(each) && !isOfPod(each))
    .reduce((next, each) => hold(next, each), ledger);
}

/** Whether it has CPUs already, by another of its pod that it shares them with. */
function placedIn(ledger: Ledger, { container: { id } }: Found): boolean {
  return ledger.assignments.get(id)?.grant.isEmpty === false;
}

/**
 * One with all of its pod's limit for itself, beside others that have theirs, has grown since: the runtime goes on telling
 * the limit that its pod was created with.
 */
function asKept(ledger: Ledger, f: Of<ExclusiveClaim>): Of<ExclusiveClaim> {
  const { podLimit: _, ofPod, ...claim } = f.claim;
  const grown = { ...f, claim };
  const at = lastKnown(f);
  return ofPod && at !== undefined && certainIn(ledger, f.container) > 0 && canStay(ledger, grown, at)
    ? grown
    : f;
}

/** Whether the claim is held for a container that is there again. */
function isOf({ container: { podUid, name } }: Assignment, { container }: Found): boolean {
  return container.podUid === podUid && container.name === name;
}

function ofKind<K extends Claim["kind"]>(
  found: readonly Found[],
  kind: K,
): Of<Extract<Claim, { kind: K }>>[] {
  return found.filter((f): f is Of<Extract<Claim, { kind: K }>> => f.claim.kind === kind);
}

function byAge(a: Found, b: Found): number {
  if (a.createdAt !== b.createdAt) return a.createdAt < b.createdAt ? -1 : 1;
  return a.container.id < b.container.id ? -1 : 1;
}

/** Where it was last known to run: by its cgroup, else by the record. */
function lastKnown(f: Found): CpuSet | undefined {
  return isConfirmed(f) ? f.mayRunOn : f.delivery.record;
}

function canStay(ledger: Ledger, f: Of<ExclusiveClaim>, at: CpuSet): boolean {
  return at.size === sized(ledger, f).count && canKeep(ledger, { ...unplaced(f), claim: f.claim }, at);
}

/** Found on more CPUs than it claims, it gets some of them; else its own and others. What is left over isn't kept. */
function replace(ledger: Ledger, f: Of<ExclusiveClaim>): Ledger {
  const at = lastKnown(f) ?? CpuSet.empty;
  const [own, within] = at.size <= sized(ledger, f).count ? [at, undefined] : [CpuSet.empty, at];
  const assignment = { ...unplaced(f), claim: f.claim, grant: own };
  return placeExclusive(ledger, assignment, { within, keepRemaining: false });
}

function unplaced(f: Found): Assignment {
  return {
    container: f.container,
    claim: f.claim,
    grant: CpuSet.empty,
    ...(f.since === undefined ? {} : { since: f.since }),
    mayRunOn: f.mayRunOn,
    delivery: f.delivery,
    ...(f.affinity === undefined ? {} : { affinity: f.affinity }),
    ...(f.chosen === undefined ? {} : { chosen: f.chosen }),
    ...(f.fence === undefined ? {} : { fence: f.fence }),
    ...(f.isWithin ? { isWithin: f.isWithin } : {}),
    ...(f.mems === undefined || f.claim.kind !== "exclusive" ? {} : { mems: f.mems }),
    ...(f.degraded === undefined ? {} : { degraded: f.degraded }),
  };
}
