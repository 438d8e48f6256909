/** Room for an exclusive claim: the choice among the candidates, and why there is none. */
import { CpuSet } from "../cpu/cpu_set.ts";
import { countProblem, footprint } from "../cpu/footprint.ts";
import { retake } from "../cpu/retake.ts";
import { take, type TakeRequest } from "../cpu/take.ts";
import { withheldText } from "../cpu/withheld.ts";
import { type ContainerRef, describe, type ExclusiveClaim } from "./claim.ts";
import { candidatesFor, closedTo, freeFor, leavesEnough, mostFor } from "./candidates.ts";
import { contestedIn } from "./contested.ts";
import { keptIsolated, ofOneKind } from "./isolated.ts";
import type { Ledger } from "./ledger.ts";
import { perLedger } from "./per_ledger.ts";
import { countFree, INSUFFICIENT, numbers } from "./refusal.ts";

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
  if (claim.count <= 0 || claim.count > mostFor(ledger, free)) return undefined;
  return ofOneKind(ledger, free, home, (free) => {
    const request = requestOf(ledger, container, claim, free);
    const cpus = home.isEmpty ? take(request) : retake({ ...request, own: home.intersection(free), home });
    return cpus !== undefined && leavesEnough(ledger, claim, cpus) ? cpus : undefined;
  });
}

/** What is asked of the take ladder on behalf of a claim. */
export function requestOf(
  ledger: Ledger,
  { id }: ContainerRef,
  { count, placement }: ExclusiveClaim,
  free: CpuSet,
): TakeRequest {
  const { topology, policy, claimed } = ledger;
  const others = homes(ledger).filter(({ container }) => container.id !== id).map(({ home }) => home);
  const penalized = CpuSet.unionOf([...others, laidOut(ledger)]);
  return {
    topology,
    free,
    claimed,
    count,
    placement,
    ...(penalized.isEmpty ? {} : { penalized }),
    ...(policy.isolatedCpus === "avoid" ? { avoid: topology.isolated } : {}),
    ...(policy.isolatedCpus === "prefer" ? { preferred: topology.isolated } : {}),
  };
}

/** Those that were resized into the shared pool may be resized back, and get the same CPUs then. */
const homes = perLedger((ledger) =>
  ledger.those("homes").flatMap(({ container, home }) => home === undefined ? [] : [{ container, home }])
);

/** CPUs to which containers of the pool were last seen to have pinned threads: they would lose that by an exclusive owner. */
const laidOut = perLedger((ledger) =>
  CpuSet.unionOf(
    ledger.those("homes").flatMap(({ grant, affinity }) => grant.isEmpty ? affinity?.own ?? [] : []),
  )
);

/** Why there is no room for an exclusive claim: `insufficient CPUs: needs 8 exclusive CPUs, 6 are free (…)`. */
export function shortage(ledger: Ledger, claim: ExclusiveClaim): string {
  const { count, forbidden: named, placement, limit } = claim;
  // With its pod's figures it has what others leave, and one of them may have been resized beyond these.
  if (count <= 0) {
    return "needs exclusive CPUs, but its pod's other containers have all that its pod may have";
  }
  const wanted = `${count} exclusive ${count === 1 ? "CPU" : "CPUs"}`;
  const closed = closedTo(ledger, claim);
  const candidates = freeFor(ledger, closed);
  const unfit = countProblem(ledger.topology, placement, count, candidates);
  const free = mostFor(ledger, candidatesFor(ledger, closed));
  const forbidden = named.intersection(ledger.topology.online);
  const beyond = limit === undefined ? CpuSet.empty : ledger.topology.online.difference(limit.cpus);
  const isolated = keptIsolated(ledger);
  const suffix = (forbidden.isEmpty ? "" : `; ${forbidden.size} forbidden by the pod`) +
    (limit === undefined || beyond.isEmpty ? "" : `; ${withheldText([{ ...limit, cpus: beyond }])}`) +
    (isolated.isEmpty ? "" : `; ${isolated.size} isolated, and a claim gets only such CPUs or none`) +
    (contestedClause(ledger, candidates) ?? "");
  const why = unfit === undefined || free < count ? countFree(free) : `but ${unfit}`;
  const held = idle(ledger, claim, candidates);
  return `${free < count ? INSUFFICIENT : ""}needs ${wanted}${held}, ${why} (${numbers(ledger)}${suffix})`;
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
