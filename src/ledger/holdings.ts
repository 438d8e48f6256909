/** What one assignment adds to the pools, and the rules that it has to keep there. */
import { assert } from "../assert.ts";
import type { CpuSet } from "../cpu/cpu_set.ts";
import { footprint } from "../cpu/footprint.ts";
import type { Topology } from "../cpu/topology.ts";
import { type Assignment, isExclusive, isOfPod, podOf } from "./assignment.ts";
import { describe } from "./claim.ts";
import type { Policy } from "./policy.ts";
import { ClaimedCpus } from "./claimed_cpus.ts";

/** Where things are held, and what is held by all. */
interface Held {
  readonly topology: Topology;
  readonly policy: Policy;
  readonly pools: ClaimedCpus;
}

/** What a container keeps from others: its grant, and the threads beside it that its placement leaves idle. */
export function heldIn(topology: Topology, assignment: Assignment): CpuSet {
  return isExclusive(assignment) && !assignment.grant.isEmpty
    ? footprint(topology, assignment.grant, assignment.claim.placement)
    : assignment.grant;
}

/** The pools after one container's assignment has changed; either may be absent. Throws as {@link add} does. */
export function poolsAfter(
  held: Held,
  before: Assignment | undefined,
  after: Assignment | undefined,
): ClaimedCpus {
  const same = before !== undefined && after !== undefined && before.grant.equals(after.grant) &&
    before.claim.kind === after.claim.kind && placementOf(before) === placementOf(after) &&
    isOfPod(before) === isOfPod(after);
  if (same) return held.pools;
  const pools = before === undefined ? held.pools : remove(held, before);
  return after === undefined ? pools : add({ ...held, pools }, after);
}

/** Throws where a CPU would have two exclusive owners, or a reserved one any, or a grant isn't as large as claimed. */
export function add({ topology, policy, pools }: Held, assignment: Assignment): ClaimedCpus {
  const { container, claim, grant, degraded } = assignment;
  if (grant.isEmpty) return pools;
  if (claim.kind === "pinned") return pools.withPinned(grant);
  assert(!grant.intersects(policy.systemReserved), `${describe(container)}: holds reserved CPUs`);
  const held = heldIn(topology, assignment);
  if (isOfPod(assignment)) return pools.withOfPod(podOf(assignment), held);
  const count = claim.kind === "exclusive" ? claim.count : 0;
  const whole = grant.size === count || (grant.size < count && degraded !== undefined);
  assert(whole, `${describe(container)}: holds ${grant.size} of ${count} CPUs`);
  return pools.withExclusive(held);
}

function remove({ topology, pools }: Held, assignment: Assignment): ClaimedCpus {
  if (assignment.grant.isEmpty) return pools;
  if (assignment.claim.kind === "pinned") return pools.withoutPinned(assignment.grant);
  const held = heldIn(topology, assignment);
  return isOfPod(assignment) ? pools.withoutOfPod(podOf(assignment), held) : pools.withoutExclusive(held);
}

function placementOf({ claim }: Assignment): string {
  return claim.kind === "exclusive" ? claim.placement : "";
}

/** A ledger as far as its sums are concerned. */
interface Summed extends Pick<Held, "topology" | "policy"> {
  readonly assignments: { values(): Assignment[] };
  readonly exclusive: CpuSet;
  readonly pinned: CpuSet;
}

/**
 * Throws unless no CPU has two exclusive owners, no reserved CPU has one, the sums are right, and no pod has more than its
 * limit.
 */
export function checkPools({ topology, policy, assignments, exclusive, pinned }: Summed): void {
  const pools = assignments.values().reduce(
    (pools, assignment) => add({ topology, policy, pools }, assignment),
    ClaimedCpus.none,
  );
  assert(pools.exclusive.equals(exclusive), `exclusive is ${exclusive}, not ${pools.exclusive}`);
  assert(pools.pinned.equals(pinned), `pinned is ${pinned}, not ${pools.pinned}`);
  for (const [pod, all] of Map.groupBy(assignments.values(), podOf)) {
    checkPod(
      pod,
      all.filter(({ grant }) => !grant.isEmpty),
    );
  }
}

/** Throws unless those of a pod that share CPUs have the same, and with what others of it have not more than its limit. */
function checkPod(pod: string, all: readonly Assignment[]): void {
  const sharers = all.filter(isOfPod);
  const [owner] = sharers.filter(isExclusive);
  assert(owner !== undefined || sharers.length === 0, `pod ${pod} shares CPUs without a limit`);
  if (owner === undefined) return;
  const { claim: { count }, grant } = owner;
  assert(
    sharers.every((each) => each.grant.equals(grant)),
    `pod ${pod} shares ${sharers.map((each) => `${each.grant}`)}`,
  );
  const certain = all.filter((each) => isExclusive(each) && !isOfPod(each));
  const used = certain.reduce((sum, each) => sum + each.grant.size, grant.size);
  assert(used <= count, `pod ${pod} has ${used} CPUs, but its limit is ${count}`);
}
