/** CPUs on which somebody still runs although it was to leave them. */
import type { CpuSet } from "../cpu/cpu_set.ts";
import type { Assignment } from "./assignment.ts";
import { failureOf } from "./delivery.ts";
import type { Ledger } from "./ledger.ts";

export interface Contested {
  readonly cpus: CpuSet;
  readonly holder: Assignment;
  /** One sentence. */
  readonly reason: string;
}

/** The first that holds some of `wanted`; undefined where nobody does. */
export function contestedIn(ledger: Ledger, wanted: CpuSet): Contested | undefined {
  for (const holder of ledger.failed) {
    const failure = failureOf(holder);
    const held = failure?.cpus.intersection(ledger.mayRunOn(holder)).intersection(wanted);
    if (failure !== undefined && !held?.isEmpty) {
      return { cpus: held ?? wanted, holder, reason: failure.reason };
    }
  }
  return undefined;
}
