/** What a container's way from created to running means for the ledger. */
import type { CpuSet } from "../cpu/cpu_set.ts";
import { confirmedSet } from "./assignment.ts";
import type { ContainerRef } from "./claim.ts";
import type { Ledger } from "./ledger.ts";

/** The ledger once a container runs: what it is sent from now on arrives. */
export function markRunning(ledger: Ledger, id: string): Ledger {
  const assignment = ledger.assignments.get(id);
  if (assignment?.starting === undefined) return ledger;
  const { starting: _, ...rest } = assignment;
  return ledger.with(rest);
}

/**
 * The ledger in which a container is only about to start that was taken for running: unless `cpus` is what the kernel
 * has for it, what it was sent since is in its record alone.
 */
export function markStarting(ledger: Ledger, id: string, cpus: CpuSet | undefined): Ledger {
  const assignment = ledger.assignments.get(id);
  if (assignment === undefined || assignment.starting) return ledger;
  const { record } = assignment;
  const isThere = record === undefined || cpus?.equals(record) === true;
  return ledger.with({ ...assignment, starting: true, ...(isThere ? {} : { unacknowledged: record }) });
}

/** The ledger once the kernel was seen to have these CPUs for a container that is about to run. */
export function observedAtStart(ledger: Ledger, id: string, cpus: CpuSet): Ledger {
  const assignment = ledger.assignments.get(id);
  if (assignment === undefined) return ledger;
  const { unacknowledged: _, ...rest } = assignment;
  return ledger.with({ ...rest, kernel: cpus });
}

/** The ledger once the kernel was seen to have these CPUs for a container that runs. */
export function observedRunning(ledger: Ledger, id: string, cpus: CpuSet): Ledger {
  const assignment = ledger.assignments.get(id);
  if (assignment === undefined || confirmedSet(assignment)?.equals(cpus)) return ledger;
  const { starting: _, unacknowledged: __, ...rest } = assignment;
  return ledger.with({ ...rest, kernel: cpus });
}

/**
 * The ledger in which what the kernel has for a container can't be known any more: the runtime is told instead. Its
 * record may be older than what the kernel had last, so the container may be on either.
 */
export function markUnverified(ledger: Ledger, id: string): Ledger {
  const assignment = ledger.assignments.get(id);
  if (assignment?.kernel === undefined) return ledger;
  const { kernel: _, ...rest } = assignment;
  const last = confirmedSet(assignment);
  const isSame = last === undefined || assignment.record?.equals(last) === true;
  return ledger.withWriteFailure(id, undefined).with(isSame ? rest : { ...rest, unacknowledged: last });
}

/** The ledger in which a container is told of with what is known of it by now, such as its process. */
export function withRef(ledger: Ledger, container: ContainerRef): Ledger {
  const assignment = ledger.assignments.get(container.id);
  return assignment === undefined ? ledger : ledger.with({ ...assignment, container });
}

/** The ledger once a container starts: whoever was moved for it stays where it is now. */
export function forgetDisplaced(ledger: Ledger, id: string): Ledger {
  const assignment = ledger.assignments.get(id);
  if (assignment?.displaced === undefined) return ledger;
  const { displaced: _, ...settled } = assignment;
  return ledger.with(settled);
}
