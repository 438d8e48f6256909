import { CpuSet } from "./cpu_set.ts";
import { penaltyOf } from "./score.ts";
import type { Core, Topology } from "./topology.ts";

/** Availability is what there is for a claim to choose from. */
export interface Availability {
  readonly topology: Topology;
  /** What may be taken: online, and already without what is claimed, reserved or forbidden. */
  readonly free: CpuSet;
  /** Held by other claims; tells orphans from strays. */
  readonly claimed: CpuSet;
  /** CPUs with a penalty, as CPU 0's core has one: freed a moment ago, and likely to be claimed again by a restart. */
  readonly penalized?: CpuSet;
}

/** What a claim takes: any threads, or only whole cores, or one thread of each whole core. */
export type TakeUnit = "thread" | "core" | "thread of a core";

/**
 * The state of a core with free CPUs, for one request:
 * - **whole**: all its online threads are free. Taking some of them only *breaks* it;
 * - **orphan**: a thread is claimed by others, so the free ones share the core with a claim whatever happens;
 * - **stray**: a thread is neither free nor claimed. It is reserved, or forbidden to this pod alone.
 */
type CoreState = "whole" | "orphan" | "stray";

/** A core that has CPUs to give, as one request sees it. */
export interface FreeCore {
  readonly core: Core;
  readonly state: CoreState;
  /** Those of its threads that may be taken, in this order: ascending, but penalized ones and then CPU 0 last. */
  readonly threads: readonly number[];
  /** How many these are. */
  readonly free: number;
  /** The higher, the later it is taken where others are as good. */
  readonly penalty: number;
}

/** How many threads of a core are free. */
export function countFree({ threads }: Core, free: CpuSet): number {
  let count = 0;
  for (const id of threads) if (free.has(id)) count++;
  return count;
}

/** The state of a core of which so many threads are free; undefined where it has nothing for a claim of such units. */
export function coreState(core: Core, free: number, claimed: CpuSet, unit: TakeUnit): CoreState | undefined {
  if (free === core.threads.length) return "whole";
  if (free === 0 || unit !== "thread") return undefined;
  return anyIn(core.threads, claimed) ? "orphan" : "stray";
}

/** Those of `cores` that have CPUs to give, in the same order. */
export function freeCores(cores: Iterable<Core>, availability: Availability, unit: TakeUnit): FreeCore[] {
  const { free, claimed, penalized = CpuSet.empty } = availability;
  const found: FreeCore[] = [];
  for (const core of cores) {
    const count = countFree(core, free);
    const state = coreState(core, count, claimed, unit);
    if (state === undefined) continue;
    const penalty = penaltyOf(anyIn(core.threads, penalized) ? 1 : 0, core.id === 0);
    let threads = state === "whole" ? core.threads : core.threads.filter((id) => free.has(id));
    if (unit === "thread of a core") threads = threads.slice(0, 1);
    if (penalty > 0) threads = penalizedLast(threads, penalized);
    found.push({ core, state, threads, free: threads.length, penalty });
  }
  return found;
}

function penalizedLast(ids: readonly number[], penalized: CpuSet): number[] {
  const rank = (id: number) => (penalized.has(id) ? 1 : 0) + (id === 0 ? 2 : 0);
  return ids.toSorted((a, b) => rank(a) - rank(b));
}

function anyIn(ids: readonly number[], set: CpuSet): boolean {
  if (set.isEmpty) return false;
  for (const id of ids) if (set.has(id)) return true;
  return false;
}
