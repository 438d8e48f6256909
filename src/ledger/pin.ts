/** Making room for a pinned claim: the CPUs are named, so all there is to decide is which containers are moved off them. */
import type { CpuSet } from "../cpu/cpu_set.ts";
import { type Withheld, withheldOf, withheldText } from "../cpu/withheld.ts";
import { isExclusive } from "./assignment.ts";
import { describe, type PinnedClaim } from "./claim.ts";
import { contestedIn } from "./contested.ts";
import type { Ledger } from "./ledger.ts";
import { hold, withoutHeld } from "./held.ts";
import { moveAway, type Moved } from "./make_way.ts";
import { INSUFFICIENT, numbers, type Obstacle, obstacle } from "./refusal.ts";

/** The ledger in which the claim's CPUs are free of exclusive owners, or why that can't be. */
export function makeRoom(ledger: Ledger, claim: PinnedClaim): Moved | Obstacle {
  const { cpus } = claim;
  const missing = offlineOf(ledger, claim);
  if (missing !== undefined) return obstacle(missing, "invalid");
  const holder = contesting(ledger, cpus);
  if (holder !== undefined) return obstacle(holder);
  const held = ledger.heldClaims;
  const inTheWay = held.filter((each) => isExclusive(each) && ledger.held(each).intersects(cpus));
  const room = roomIn(withoutHeld(ledger, inTheWay), cpus);
  if (held.length === inTheWay.length || !("why" in room)) return room;
  // Nor does any other held claim come in the way of one that has to be moved.
  const moved = roomIn(withoutHeld(ledger, held), cpus);
  if ("why" in moved) return room;
  const floor = ledger.policy.minShared + moved.next.sharedPool.intersection(cpus).size;
  const others = held.filter((each) => !inTheWay.includes(each));
  return { ...moved, next: others.reduce((next, each) => hold(next, each, floor), moved.next) };
}

function roomIn(ledger: Ledger, cpus: CpuSet): Moved | Obstacle {
  const moved = moveAway(ledger, cpus);
  if (typeof moved === "string") {
    return obstacle(`needs CPUs ${cpus}, but of these ${moved} (${numbers(ledger)})`);
  }
  const left = moved.next.sharedPool.difference(cpus).size;
  if (left < ledger.policy.minShared && left < ledger.sharedPool.size) {
    const needs = `needs CPUs ${cpus}, which would leave ${left} for the shared pool`;
    return obstacle(`${INSUFFICIENT}${needs} (${numbers(ledger)})`);
  }
  return moved;
}

/** The container that couldn't be made to give up one of these CPUs, and why; undefined where there is none. */
function contesting(ledger: Ledger, wanted: CpuSet): string | undefined {
  const held = contestedIn(ledger, wanted);
  if (held === undefined) return undefined;
  const which = `${held.cpus} ${held.cpus.size === 1 ? "is" : "are"}`;
  return `needs CPUs ${wanted}, but of these ${which} still held by ${
    describe(held.holder.container)
  }: ${held.reason}`;
}

/** The CPUs that are there for a pinned claim. */
export function openTo({ topology: { online } }: Ledger, { limit }: PinnedClaim): CpuSet {
  return limit === undefined ? online : online.intersection(limit.cpus);
}

/**
 * `weka.io/cores-ids names CPU 9, not online on this node (online: 0-7)`, or who keeps it from containers; undefined where all
 * are there.
 */
export function offlineOf(ledger: Ledger, claim: PinnedClaim): string | undefined {
  const { topology: { online, withheld } } = ledger;
  const { cpus, key = "weka.io/cores-ids", limit } = claim;
  const missing = cpus.difference(openTo(ledger, claim));
  if (missing.isEmpty) return undefined;
  const beyond: Withheld[] = limit === undefined ? [] : [{ ...limit, cpus: online.difference(limit.cpus) }];
  const kept = withheldText(withheldOf([...withheld, ...beyond], missing));
  if (kept !== "") return `${key} names ${missing}, but ${kept}`;
  const named = `${missing.size === 1 ? "CPU" : "CPUs"} ${missing}`;
  return `${key} names ${named}, not online on this node (online: ${online})`;
}
