import { CpuSet } from "./cpu_set.ts";
import type { Core, Topology } from "./topology.ts";

/** What there is for a claim to choose from. */
export interface Supply {
  readonly topology: Topology;
  readonly free: CpuSet;
  readonly claimed: CpuSet;
  /** See `TakeRequest`. */
  readonly reluctant?: CpuSet;
}

/** What a claim takes: any threads, or only whole cores, or one thread of each whole core. */
export type Unit = "thread" | "core" | "thread of a core";

/**
 * What a core with free CPUs is to one request:
 * - **whole**: all its online threads are free. Taking some of them only *breaks* it;
 * - **orphan**: a thread is claimed by others, so the free ones share the core with a claim whatever happens;
 * - **stray**: a thread is neither free nor claimed. It is reserved, or forbidden to this pod alone.
 */
export type Kind = "whole" | "orphan" | "stray";

/** A core that has CPUs to give, as one request sees it. */
export interface FreeCore {
  readonly core: Core;
  readonly kind: Kind;
  /** Those of its threads that may be taken, in this order: ascending, but reluctant ones and then CPU 0 last. */
  readonly threads: readonly number[];
  /** How many these are. */
  readonly free: number;
  /** The higher, the later it is taken where others are as good: 1 for the core of CPU 0, 2 more for reluctant CPUs. */
  readonly shyness: number;
}

/** How many threads of a core are free. */
export function countFree({ threads }: Core, free: CpuSet): number {
  let count = 0;
  for (const id of threads) if (free.has(id)) count++;
  return count;
}

/** The kind of a core of which `count` threads are free; undefined where it has nothing for a claim of such units. */
export function kindOf(core: Core, count: number, claimed: CpuSet, unit: Unit): Kind | undefined {
  if (count === core.threads.length) return "whole";
  if (count === 0 || unit !== "thread") return undefined;
  return anyIn(core.threads, claimed) ? "orphan" : "stray";
}

/** Those of `cores` that have CPUs to give, in the same order. */
export function freeCores(cores: Iterable<Core>, supply: Supply, unit: Unit): FreeCore[] {
  const { free, claimed, reluctant = CpuSet.empty } = supply;
  const found: FreeCore[] = [];
  for (const core of cores) {
    const count = countFree(core, free);
    const kind = kindOf(core, count, claimed, unit);
    if (kind === undefined) continue;
    const shyness = (core.id === 0 ? 1 : 0) + (anyIn(core.threads, reluctant) ? 2 : 0);
    let threads = kind === "whole" ? core.threads : core.threads.filter((id) => free.has(id));
    if (unit === "thread of a core") threads = threads.slice(0, 1);
    if (shyness > 0) threads = lastOnesLast(threads, reluctant);
    found.push({ core, kind, threads, free: threads.length, shyness });
  }
  return found;
}

function lastOnesLast(ids: readonly number[], reluctant: CpuSet): number[] {
  const rank = (id: number) => (reluctant.has(id) ? 1 : 0) + (id === 0 ? 2 : 0);
  return ids.toSorted((a, b) => rank(a) - rank(b));
}

function anyIn(ids: readonly number[], set: CpuSet): boolean {
  if (set.isEmpty) return false;
  for (const id of ids) if (set.has(id)) return true;
  return false;
}
