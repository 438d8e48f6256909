/** What one assignment adds to the pools, and the rules that it has to keep there. */
import { assert } from "../assert.ts";
import type { CpuSet } from "../cpu/cpu_set.ts";
import { footprint } from "../cpu/footprint.ts";
import type { Topology } from "../cpu/topology.ts";
import { type Assignment, isExclusive } from "./assignment.ts";
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
    before.claim.kind === after.claim.kind && placementOf(before) === placementOf(after);
  if (same) return held.pools;
  const pools = before === undefined ? held.pools : remove(held, before);
  return after === undefined ? pools : add({ ...held, pools }, after);
}

/** Throws where a CPU would have two exclusive owners, or a reserved one any, or a grant isn't as large as claimed. */
export function add({ topology, policy, pools }: Held, assignment: Assignment): ClaimedCpus {
  const { container, claim, grant, degraded } = assignment;
  if (grant.isEmpty) return pools;
  if (claim.kind !== "exclusive") return pools.withPinned(grant);
  const whole = grant.size === claim.count || (grant.size < claim.count && degraded !== undefined);
  assert(whole, `${describe(container)}: holds ${grant.size} of ${claim.count} CPUs`);
  assert(!grant.intersects(policy.systemReserved), `${describe(container)}: holds reserved CPUs`);
  return pools.withExclusive(heldIn(topology, assignment));
}

function remove({ topology, pools }: Held, assignment: Assignment): ClaimedCpus {
  if (assignment.grant.isEmpty) return pools;
  return isExclusive(assignment)
    ? pools.withoutExclusive(heldIn(topology, assignment))
    : pools.withoutPinned(assignment.grant);
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

/** Throws unless no CPU has two exclusive owners, no reserved CPU has one, and the sums are right. */
export function checkPools({ topology, policy, assignments, exclusive, pinned }: Summed): void {
  const pools = assignments.values().reduce(
    (pools, assignment) => add({ topology, policy, pools }, assignment),
    ClaimedCpus.none,
  );
  assert(pools.exclusive.equals(exclusive), `exclusive is ${exclusive}, not ${pools.exclusive}`);
  assert(pools.pinned.equals(pinned), `pinned is ${pinned}, not ${pools.pinned}`);
}
