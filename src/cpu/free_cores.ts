import type { CpuSet } from "./cpu_set.ts";
import type { Core, Topology } from "./topology.ts";

/**
 * A core that has free CPUs, as one request sees it:
 * - **whole**: all its online threads are free. Taking some of them only *breaks* it;
 * - **orphan**: a thread is claimed by others, so the free ones share the core with a claim whatever happens;
 * - **stray**: a thread is neither free nor claimed. It is reserved, or forbidden to this pod alone.
 */
export interface FreeCore extends Core {
  /** The free ones of its threads, ascending. */
  readonly free: readonly number[];
  readonly kind: "whole" | "orphan" | "stray";
}

/** The cores with free CPUs, ascending by id. */
export function freeCores(topology: Topology, free: CpuSet, claimed: CpuSet): FreeCore[] {
  const cores: FreeCore[] = [];
  for (const core of topology.cores) {
    const left = core.threads.filter((id) => free.has(id));
    if (left.length > 0) cores.push({ ...core, free: left, kind: kindOf(core, left, claimed) });
  }
  return cores;
}

function kindOf(core: Core, left: readonly number[], claimed: CpuSet): FreeCore["kind"] {
  if (left.length === core.threads.length) return "whole";
  return core.threads.some((id) => claimed.has(id)) ? "orphan" : "stray";
}

/** How many CPUs are free in `cores`. */
export function countFree(cores: readonly FreeCore[]): number {
  return cores.reduce((count, core) => count + core.free.length, 0);
}
