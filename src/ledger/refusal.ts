import { withheldText } from "../cpu/withheld.ts";
import { type ContainerRef, describe } from "./claim.ts";
import type { Ledger } from "./ledger.ts";

/**
 * A claim that isn't served. `reason` tells a claim that can never be served on this node (`invalid`) from
 * one that may be served later (`unavailable`); `message` is a sentence the pod's owner can act on.
 */
export interface Refusal {
  readonly kind: "refusal";
  readonly reason: "invalid" | "unavailable";
  readonly message: string;
}

/** Why a claim can't be met, without the container's name before it. */
export interface Obstacle {
  readonly kind: "obstacle";
  readonly reason: Refusal["reason"];
  readonly why: string;
}

/** A refusal about one container, in the one form that all of them have. */
export function refuse(container: ContainerRef, reason: Refusal["reason"], why: string): Refusal {
  return { kind: "refusal", reason, message: `cpuset: pod ${describe(container)}: ${why}` };
}

/** An {@link Obstacle}; most may be gone later. */
export function obstacle(why: string, reason: Refusal["reason"] = "unavailable"): Obstacle {
  return { kind: "obstacle", reason, why };
}

/** `64 online, 2 reserved, 56 claimed, 1 kept for the shared pool`, and who keeps CPUs that are online from all containers. */
export function numbers({ topology, policy, claimed }: Ledger): string {
  const withheld = withheldText(topology.withheld);
  return `${topology.online.size} online, ${policy.systemReserved.size} reserved, ${claimed.size} claimed, ` +
    `${policy.minShared} kept for the shared pool${withheld && `; ${withheld}`}`;
}

/** Begins the refusal of a claim for which there are too few CPUs; the word is the scheduler's (`Insufficient cpu`). */
export const INSUFFICIENT = "insufficient CPUs: ";

/** `1 is free`, `6 are free`. */
export function countFree(count: number): string {
  return `${count} ${count === 1 ? "is" : "are"} free`;
}
