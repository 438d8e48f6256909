/** Room for an exclusive claim: the choice among the candidates, and why there is none. */
import { CpuSet } from "../cpu/cpu_set.ts";
import { countProblem, footprint } from "../cpu/footprint.ts";
import { retake } from "../cpu/retake.ts";
import { take, type TakeRequest } from "../cpu/take.ts";
import { withheldText } from "../cpu/withheld.ts";
import { type ContainerRef, describe, type ExclusiveClaim } from "./claim.ts";
import { candidatesFor, closedTo, freeFor, leavesEnough, spare } from "./candidates.ts";
import { contestedIn } from "./contested.ts";
import type { Ledger } from "./ledger.ts";
import { countFree, numbers } from "./refusal.ts";

/**
 * The CPUs for an exclusive claim, out of `free`: unless there are too few, or the shared pool would fall below its
 * minimum. With `home`, CPUs that it has now, it keeps of them what it can, and stays near.
 */
export function takeExclusive(
  ledger: Ledger,
  container: ContainerRef,
  claim: ExclusiveClaim,
  free: CpuSet,
  home = CpuSet.empty,
): CpuSet | undefined {
  if (claim.count > spare(ledger)) return undefined;
  const request = requestOf(ledger, container, claim, free);
  const cpus = home.isEmpty ? take(request) : retake({ ...request, own: home.intersection(free), home });
  return cpus !== undefined && leavesEnough(ledger, claim, cpus) ? cpus : undefined;
}

/** What is asked of the take ladder on behalf of a claim. */
export function requestOf(
  { topology, policy, claimed, recent }: Ledger,
  { podUid }: ContainerRef,
  { count, placement }: ExclusiveClaim,
  free: CpuSet,
): TakeRequest {
  // Containers of its own pod that have ended, such as init containers, make room for it.
  const others = recent.filter((r) => r.podUid !== podUid).map(({ cpus }) => cpus);
  return {
    topology,
    free,
    claimed,
    count,
    placement,
    ...(others.length === 0 ? {} : { penalized: CpuSet.unionOf(others) }),
    ...(policy.isolatedCpus === "avoid" ? { avoid: topology.isolated } : {}),
    ...(policy.isolatedCpus === "prefer" ? { preferred: topology.isolated } : {}),
  };
}

/** Why there is no room for an exclusive claim: `needs 8 exclusive CPUs, 6 are free (…)`. */
export function shortage(ledger: Ledger, claim: ExclusiveClaim): string {
  const { count, forbidden: named, placement, limit } = claim;
  const wanted = `${count} exclusive ${count === 1 ? "CPU" : "CPUs"}`;
  const closed = closedTo(ledger, claim);
  const candidates = freeFor(ledger, closed);
  const unfit = countProblem(ledger.topology, placement, count, candidates);
  const free = Math.min(candidatesFor(ledger, closed).size, spare(ledger));
  const forbidden = named.intersection(ledger.topology.online);
  const beyond = limit === undefined ? CpuSet.empty : ledger.topology.online.difference(limit.cpus);
  const suffix = (forbidden.isEmpty ? "" : `; ${forbidden.size} forbidden by the pod`) +
    (limit === undefined || beyond.isEmpty ? "" : `; ${withheldText([{ ...limit, cpus: beyond }])}`) +
    (contestedClause(ledger, candidates) ?? "");
  const why = unfit === undefined || free < count ? countFree(free) : `but ${unfit}`;
  const held = idle(ledger, claim, candidates);
  return `needs ${wanted}${held}, ${why} (${numbers(ledger)}${suffix})`;
}

/** The container that couldn't be made to give up some of these CPUs, and why; undefined where there is none. */
function contestedClause(ledger: Ledger, cpus: CpuSet): string | undefined {
  const held = contestedIn(ledger, cpus);
  return held && `; ${held.cpus} still held by ${describe(held.holder.container)}: ${held.reason}`;
}

/** What a claim keeps from others besides its own CPUs, for people; nothing where that is nothing. */
function idle({ topology, claimed }: Ledger, { count, placement }: ExclusiveClaim, free: CpuSet): string {
  const cpus = take({ topology, free, claimed, count, placement }) ?? CpuSet.empty;
  const beside = footprint(topology, cpus, placement).size - cpus.size;
  return beside === 0 ? "" : ` and ${beside} idle beside them`;
}
