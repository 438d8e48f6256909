/** CPUs that the kernel couldn't be made to take from a container. */
import type { CpuSet } from "../cpu/cpu_set.ts";

export interface WriteFailure {
  readonly cpus: CpuSet;
  /** One sentence. */
  readonly reason: string;
  /** How often it was tried in vain. */
  readonly tries: number;
  /** When it may be tried again without being asked for, in the milliseconds of whoever tries. */
  readonly retryAt: number;
}

/** By container id. */
export type WriteFailures = ReadonlyMap<string, WriteFailure>;

export const NO_WRITE_FAILURES: WriteFailures = new Map();

/** Milliseconds from the first failure to the next try, and the most that it comes to. */
const FIRST_RETRY_MS = 1000;
const LAST_RETRY_MS = 60_000;

/** What is known once it has failed again. */
export function failedAgain(
  before: WriteFailure | undefined,
  cpus: CpuSet,
  reason: string,
  now: number,
): WriteFailure {
  const tries = (before?.tries ?? 0) + 1;
  const delay = Math.min(FIRST_RETRY_MS * 2 ** Math.min(tries - 1, 10), LAST_RETRY_MS);
  return { cpus: before === undefined ? cpus : before.cpus.union(cpus), reason, tries, retryAt: now + delay };
}

export function withFailure(all: WriteFailures, id: string, stuck: WriteFailure | undefined): WriteFailures {
  if (stuck !== undefined) return new Map(all).set(id, stuck);
  if (!all.has(id)) return all;
  const left = new Map(all);
  left.delete(id);
  return left;
}
