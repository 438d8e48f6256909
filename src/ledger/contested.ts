/** CPUs that a container couldn't be made to give up: others are refused them until it does. */
import { CpuSet } from "../cpu/cpu_set.ts";
import type { Assignment } from "./assignment.ts";
import { failureOf } from "./delivery.ts";
import type { Ledger } from "./ledger.ts";

export interface Contested {
  readonly cpus: CpuSet;
  readonly holder: Assignment;
  /** One sentence. */
  readonly reason: string;
}

/** All such CPUs. */
export function contestedCpus(ledger: Ledger): CpuSet {
  const { failed } = ledger;
  return failed.length === 0 ? CpuSet.empty : CpuSet.unionOf(failed.map((holder) => keptBy(ledger, holder)));
}

/** The first container that holds some of `cpus` in this way; undefined where none does. */
export function contestedIn(ledger: Ledger, cpus: CpuSet): Contested | undefined {
  for (const holder of ledger.failed) {
    const held = keptBy(ledger, holder).intersection(cpus);
    if (!held.isEmpty) return { cpus: held, holder, reason: failureOf(holder)?.reason ?? "" };
  }
  return undefined;
}

/** What a cgroup refused to give up once it refuses again; by the record it was sent an update since, or will be. */
function keptBy(ledger: Ledger, holder: Assignment): CpuSet {
  const refused = failureOf(holder)?.cpus ?? CpuSet.empty;
  return refused.intersection(
    holder.delivery.by === "cgroup" ? ledger.mayRunOn(holder) : ledger.overhang(holder),
  );
}
