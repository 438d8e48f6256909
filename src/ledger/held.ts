/**
 * Held claims. What a container had for itself stays its pod's when it ends, as long as the pod's sandbox lives: that is how
 * kubelet's static CPU manager does it, and how the scheduler counts. A container that is restarted finds its CPUs again,
 * and an app container has those of the init containers before it.
 *
 * A held claim is an assignment without a process, one for each name of a pod's containers. It is neither written nor
 * sent, nor does it come in the way of a pinned claim ({@link withoutHeld}); for all others its CPUs are claimed.
 *
 * It is certain (pod_members.ts): the set of its pod doesn't grow onto it. A set without owners is held for the last of these.
 */
import { CpuSet } from "../cpu/cpu_set.ts";
import { footprint } from "../cpu/footprint.ts";
import { type Assignment, type ExclusiveAssignment, isExclusive, isOfPod } from "./assignment.ts";
import { canKeep } from "./candidates.ts";
import type { ContainerRef, ExclusiveClaim } from "./claim.ts";
import { created } from "./delivery.ts";
import type { Ledger } from "./ledger.ts";
import { certainIn, ownersIn, vacated } from "./pod_members.ts";

/** The claim of a container that has ended, as it is held for its pod; undefined where there is nothing to be held. */
export function heldClaim({ container, claim, grant, since, order }: Assignment): Assignment | undefined {
  const { podUid, name, cgroup: _, ...rest } = container;
  if (podUid === "" || grant.isEmpty || claim.kind === "shared") return undefined;
  return {
    container: { ...rest, podUid, name, id: `held ${podUid}/${name}` },
    // One that had less than it claimed keeps that.
    claim: claim.kind === "exclusive" ? certain(claim, grant.size) : { kind: "pinned", cpus: grant },
    grant,
    isHeld: true,
    ...(since === undefined ? {} : { since }),
    ...(order === undefined ? {} : { order }),
    ...created("cgroup"),
  };
}

function certain({ ofPod: _, ...claim }: ExclusiveClaim, count: number): ExclusiveClaim {
  return { ...claim, count };
}

/**
 * The ledger with a claim held for its pod, as far as its CPUs are nobody else's; at least `floor` CPUs are left for the
 * shared pool. Where a container of that name lives in the pod, that has the claim, and so have others that share its CPUs.
 */
export function hold(
  ledger: Ledger,
  ended: Assignment,
  floor: number = ledger.policy.minShared,
): Ledger {
  const claim = heldClaim(ended);
  if (claim === undefined) return ledger;
  const { podUid, name } = claim.container;
  const isSucceeded = ledger.ofPod(podUid).some(({ container, isHeld, leftover }) =>
    container.name === name && !isHeld && leftover === undefined
  );
  if (isSucceeded || !isWithinPod(ledger, ended)) return ledger;
  const bare = isOfPod(ended) ? vacated(ledger, ended) : ledger;
  return isFree(bare, claim, floor) ? bare.with(claim) : ledger;
}

/** Whether the pod's limit has room for it beside the set; one that shared this has left it to the others. */
function isWithinPod(ledger: Ledger, { container, claim, grant }: Assignment): boolean {
  const [owner] = ownersIn(ledger, container).filter(({ grant }) => !grant.isEmpty);
  if (owner === undefined || claim.kind !== "exclusive") return true;
  return !claim.ofPod && certainIn(ledger, container) + owner.grant.size + grant.size <= owner.claim.count;
}

/** Whether a claim is held under its name already. */
export function isHeld(ledger: Ledger, ended: Assignment): boolean {
  return ledger.assignments.has(heldClaim(ended)?.container.id ?? "");
}

function isFree(ledger: Ledger, claim: Assignment, floor: number): boolean {
  if (isExclusive(claim)) return canKeep(ledger, claim, claim.grant, floor);
  const { grant } = claim;
  return grant.isSubsetOf(ledger.topology.online) && !grant.intersects(ledger.exclusive) &&
    ledger.sharedPool.difference(grant).size >= floor;
}

/** The claims that are held for a pod. */
export function heldIn(ledger: Ledger, { podUid }: Pick<ContainerRef, "podUid">): Assignment[] {
  return ledger.ofPod(podUid).filter(({ isHeld }) => isHeld);
}

/** The ledger without these held claims. */
export function withoutHeld(ledger: Ledger, held: readonly Assignment[]): Ledger {
  return held.reduce((next, { container: { id } }) => next.without(id), ledger);
}

/** CPUs that were chosen, and the ledger in which they are free. */
export interface Choice {
  readonly ledger: Ledger;
  readonly cpus: CpuSet;
}

/**
 * Chooses CPUs for an exclusive container, for which those that are held for its pod are free too: they come first, since
 * the scheduler counts no more for a pod than the most that it has at a time. Where the pod's own limit has room for both they
 * stay held: then they are another app container's, which will be restarted. What it doesn't take of them is held on. A
 * set that is there keeps off them; a new one is all that living containers leave of the limit, so nothing is held on beside it.
 *
 * @param ledger without that container, and without claims held under its name
 * @param had the CPUs that it has now
 */
export function chooseBesideHeld(
  ledger: Ledger,
  { container, claim }: Pick<ExclusiveAssignment, "container" | "claim">,
  had: CpuSet,
  choose: (ledger: Ledger, held: CpuSet) => CpuSet | undefined,
): Choice | undefined {
  const held = heldIn(ledger, container);
  const exclusive = held.filter(isExclusive);
  const others = CpuSet.unionOf(ledger.ofPod(container.podUid).filter(isExclusive).map(({ grant }) => grant));
  const isRoomForBoth = claim.ofPod
    ? !had.isEmpty
    : claim.podLimit !== undefined && others.size + claim.count <= claim.podLimit;
  const attempts = held.length === 0 ? [held] : [...(isRoomForBoth ? [[]] : []), exclusive, held];
  for (const givenUp of attempts) {
    const bare = withoutHeld(ledger, givenUp);
    const own = CpuSet.unionOf(givenUp.map(({ grant }) => grant));
    const cpus = choose(bare, own);
    if (cpus === undefined) continue;
    const taken = footprint(bare.topology, cpus, claim.placement);
    const isWithin = !claim.ofPod && cpus.difference(had).isSubsetOf(own);
    return { ledger: givenUp.reduce((next, each) => holdRest(next, each, taken, isWithin), bare), cpus };
  }
  return undefined;
}

/** What is left of a claim that was given up; with `isWithin` nothing else was taken instead. */
function holdRest(ledger: Ledger, held: Assignment, taken: CpuSet, isWithin: boolean): Ledger {
  const grant = held.grant.difference(taken);
  if (!isExclusive(held)) return grant.equals(held.grant) ? ledger.with(held) : ledger;
  if (!isWithin || grant.isEmpty) return ledger;
  // Only whole claims have cores to themselves.
  const claim = grant.equals(held.grant)
    ? held.claim
    : { ...held.claim, count: grant.size, placement: "packed" as const };
  return ledger.with({ ...held, claim, grant });
}
