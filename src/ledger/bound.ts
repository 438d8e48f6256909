/** Where one may be running whose own set doesn't say it; see delivery.ts. */
import { CpuSet, MAX_CPU_ID } from "../cpu/cpu_set.ts";

/** The bound of a container whose record names no CPUs: the kernel lets it run on all that there are. */
export const ANYWHERE = CpuSet.range(0, MAX_CPU_ID);

/**
 * The bound of one whose own set has nothing in common with the cgroup above (cgroup v2). It runs on all that this has, or is
 * given, and on what its own set names once some of that is there: so it may be anywhere, and hasn't what it should have,
 * whatever that is.
 */
export const VOID = CpuSet.range(0, MAX_CPU_ID);

/** Whether a bound is all that the cgroup above has or may be given. */
export function isAnywhere(bound: CpuSet): boolean {
  return bound === ANYWHERE || bound === VOID;
}

/** Whether two bounds are the same. */
export function isSameBound(a: CpuSet, b: CpuSet): boolean {
  return (a === VOID) === (b === VOID) && a.equals(b);
}
