/** A delivery that failed, and when it is tried again. */
import type { CpuSet } from "../cpu/cpu_set.ts";

/** CPUs that a container couldn't be made to give up. */
export interface DeliveryFailure {
  readonly cpus: CpuSet;
  /** One sentence. */
  readonly reason: string;
  /** How often it was tried in vain. */
  readonly tries: number;
  /** When it may be tried again without being asked for, in the milliseconds of whoever tries. */
  readonly retryAt: number;
}

/** What has failed this time, and when, in the milliseconds of whoever tries. */
export interface Cause extends Pick<DeliveryFailure, "cpus" | "reason"> {
  readonly now: number;
}

/** Milliseconds from the first failure to the next try, and the most that it comes to. */
const FIRST_RETRY_MS = 1000;
const LAST_RETRY_MS = 60_000;

/** The failure after another one: what was refused adds up, and the back-off doubles. */
export function failureAfter(
  before: DeliveryFailure | undefined,
  { cpus, reason, now }: Cause,
): DeliveryFailure {
  const tries = (before?.tries ?? 0) + 1;
  const delay = Math.min(FIRST_RETRY_MS * 2 ** Math.min(tries - 1, 10), LAST_RETRY_MS);
  return { cpus: before?.cpus.union(cpus) ?? cpus, reason, tries, retryAt: now + delay };
}
