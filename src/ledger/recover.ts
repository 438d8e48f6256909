/**
 * The ledger from already running containers: after a start of the agent or of the runtime, and for
 * containers that were created while no agent was there. The runtime's list is the truth; nothing is
 * ever read from a file of our own.
 *
 * Who wins what, in this order:
 *  1. pinned containers get exactly what their pods name;
 *  2. exclusive ones whose recorded CPUs are right (as many as claimed, online, nobody else's) keep them;
 *  3. the other exclusive ones are placed anew, within their recorded CPUs if possible, oldest first;
 *  4. what finds no room lives in the shared pool, degraded.
 */
import { CpuSet } from "../cpu/cpu_set.ts";
import type { Topology } from "../cpu/topology.ts";
import type { Claim, ContainerRef, ExclusiveClaim, PinnedClaim } from "./claim.ts";
import { type Assignment, Ledger, type Policy } from "./ledger.ts";
import { makeRoom } from "./pin.ts";
import { freeFor, shortage, spare, takeExclusive } from "./plan.ts";

/** One container as the runtime reports it. */
export interface Found {
  readonly container: ContainerRef;
  readonly claim: Claim;
  /** The CPU set in the runtime's record, if it names one. */
  readonly record?: CpuSet;
  /** Nanoseconds since 1970; 0 where the runtime doesn't say (NRI before 0.10). */
  readonly createdAt: bigint;
  /** Created, and not running yet. */
  readonly starting?: boolean;
  /** Why the claim is less than the pod asked for (a bad annotation), if it is. */
  readonly degraded?: string;
}

type Of<C extends Claim> = Found & { readonly claim: C };

/** The ledger that follows from what was found. Deterministic: the order of `found` doesn't matter. */
export function recover(topology: Topology, policy: Policy, found: readonly Found[]): Ledger {
  const inOrder = [...found].sort(byAge);
  let ledger = Ledger.empty(topology, policy).withAll(ofKind(inOrder, "shared").map((f) => assignment(f)));
  for (const f of ofKind(inOrder, "pinned")) ledger = pin(ledger, f);
  const misplaced: Of<ExclusiveClaim>[] = [];
  for (const f of ofKind(inOrder, "exclusive")) {
    if (isRight(ledger, f)) ledger = ledger.with(assignment(f, f.record));
    else misplaced.push(f);
  }
  for (const f of misplaced) ledger = placeAnew(ledger, f);
  ledger.check();
  return ledger;
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

function pin(ledger: Ledger, f: Of<PinnedClaim>): Ledger {
  const room = makeRoom(ledger, f.claim);
  return ledger.with("why" in room ? assignment(f, CpuSet.empty, room.why) : assignment(f, f.claim.cpus));
}

function isRight(ledger: Ledger, f: Of<ExclusiveClaim>): f is Of<ExclusiveClaim> & { record: CpuSet } {
  return f.record !== undefined && f.record.size === f.claim.count && f.claim.count <= spare(ledger) &&
    f.record.isSubsetOf(freeFor(ledger, f.claim.forbidden));
}

function placeAnew(ledger: Ledger, f: Of<ExclusiveClaim>): Ledger {
  const free = freeFor(ledger, f.claim.forbidden);
  const own = free.intersection(f.record ?? CpuSet.empty);
  const grant = takeExclusive(ledger, f.claim, own.size >= f.claim.count ? own : free);
  return ledger.with(
    grant === undefined ? assignment(f, CpuSet.empty, shortage(ledger, f.claim)) : assignment(f, grant),
  );
}

function assignment(f: Found, grant = CpuSet.empty, degraded = f.degraded): Assignment {
  return {
    container: f.container,
    claim: f.claim,
    grant,
    ...(f.record === undefined ? {} : { record: f.record }),
    ...(f.starting ? { starting: true } : {}),
    ...(degraded === undefined ? {} : { degraded }),
  };
}
