/** CPUs on which somebody still runs although it was to leave them. */
import type { CpuSet } from "../cpu/cpu_set.ts";
import type { Assignment } from "./assignment.ts";
import type { Ledger } from "./ledger.ts";

export interface Contested {
  readonly cpus: CpuSet;
  readonly holder: Assignment;
  /** One sentence. */
  readonly reason: string;
}

/** The first that holds some of `wanted`; undefined where nobody does. */
export function contestedIn(ledger: Ledger, wanted: CpuSet): Contested | undefined {
  for (const [id, { cpus, reason }] of ledger.writeFailures) {
    const holder = ledger.assignments.get(id);
    if (holder === undefined) continue;
    const held = cpus.intersection(ledger.observed(holder)).intersection(wanted);
    if (!held.isEmpty) return { cpus: held, holder, reason };
  }
  return undefined;
}
