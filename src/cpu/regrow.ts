/** More or fewer CPUs for a claim that has some and runs on them, by the ladder of `score.ts`. */
import { assert } from "../assert.ts";
import type { CpuSet } from "./cpu_set.ts";
import type { Placement } from "./placement.ts";
import { extend, take, type TakeRequest } from "./take.ts";
import type { Topology } from "./topology.ts";

interface GrowRequest extends TakeRequest {
  /** What the claim has, and keeps. */
  readonly own: CpuSet;
}

interface ShrinkRequest {
  readonly topology: Topology;
  /** Held by other claims. */
  readonly claimed: CpuSet;
  /** What the claim has. */
  readonly own: CpuSet;
  readonly count: number;
  readonly placement: Placement;
}

/**
 * `count` CPUs, no fewer than it has: all of `own`, then what its cores have left, then the nearest by the ladder.
 * `free` holds what else the claim may have, its own footprint included. Undefined where that can't be.
 */
export function grow(request: GrowRequest): CpuSet | undefined {
  const { own, count } = request;
  assert(count >= own.size, `${count} CPUs are no growth from ${own.size}`);
  return extend(request, own);
}

/**
 * The best `count` of `own` by the ladder: the core of CPU 0 goes first, whole cores in one cache group stay.
 * Undefined only where the placement takes whole cores and `count` can't be put together from those of `own`.
 */
export function shrink({ topology, claimed, own, count, placement }: ShrinkRequest): CpuSet | undefined {
  // One thread of each core is no whole core; any of them may stay.
  const kept = placement === "single-thread" ? "packed" : placement;
  return take({ topology, free: own, claimed, count, placement: kept });
}
