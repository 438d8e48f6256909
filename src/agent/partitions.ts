/**
 * Partitions of claims that ask for one (`weka.io/isolation: partition`). What the kernel should have follows from the
 * ledger: a container that runs on exactly its CPUs, which are no other's, has a partition of these. So whatever has changed
 * them, what differs is settled before the reply to a call, and between calls.
 */
import type { PartitionPort } from "../cgroup/port.ts";
import { type Assignment, isIsolated, isOfPod } from "../ledger/assignment.ts";
import { describe } from "../ledger/claim.ts";
import { hasNoProcess, isConfirmed } from "../ledger/delivery.ts";
import { isGroup } from "../ledger/groups.ts";
import type { Ledger } from "../ledger/ledger.ts";
import type { LogRecord } from "../log_record.ts";
import { sandboxingOf } from "../nri/rules.ts";
import { writablePort } from "./apply_mode.ts";
import type { Logged } from "./logged.ts";
import { logOf } from "./logs.ts";
import type { AgentState, Partition, Partitions } from "./state.ts";

/**
 * Ends partitions of what the ledger has no more, and makes those that it has by now. A failure is only logged, once for
 * each container and cause: it runs on its CPUs all the same.
 *
 * @param isMaking false: only ends are settled, since what isn't in order isn't known to stay
 */
export function settlePartitions(state: AgentState, isMaking = true): Logged {
  const { partitions: before, rules, phase, dryRun, standby } = state;
  const port = writablePort(state)?.partitions;
  const isStale = port !== undefined && state.hasStalePartitions;
  const isIdle = rules.isolationNamespaces.length === 0 && before.size === 0 && !isStale;
  if (isIdle || phase !== "serving" || dryRun || standby) return { state, logs: [] };
  const logs: LogRecord[] = isStale ? clearStale(port, state.ledger) : [];
  const partitions = new Map(before);
  for (const [id, each] of before) {
    if (!isOutdated(state.ledger, each)) continue;
    const left = released(port, each, logs);
    if (left === undefined) partitions.delete(id);
    else partitions.set(id, left);
  }
  for (const assignment of isMaking ? isolatedIn(state.ledger) : []) {
    const { id } = assignment.container;
    const misfit = misfitOf(state, assignment);
    const next = partitionOf(port, { ledger: state.ledger, assignment, misfit }, partitions.get(id));
    if (next === undefined) continue;
    logs.push(...logsOf(before.get(id), next));
    partitions.set(id, next);
  }
  const isSame = partitions.size === before.size &&
    [...partitions].every(([id, each]) => before.get(id) === each);
  if (isSame && !isStale) return { state, logs };
  const hasStalePartitions = state.hasStalePartitions && !isStale;
  return { state: { ...state, partitions: isSame ? before : partitions, hasStalePartitions }, logs };
}

/** What they are in the kernel is looked at again. */
export function unsurePartitions(partitions: Partitions): Partitions {
  if (partitions.size === 0) return partitions;
  return new Map(
    [...partitions].map((
      [id, each],
    ) => [id, each.state === "in force" ? { ...each, state: "unsure" } : each]),
  );
}

/** The containers that ask for a partition, and have CPUs of their own. */
function isolatedIn(ledger: Ledger): Assignment[] {
  return ledger.those("claimants").filter((each) => isIsolated(each) && !each.grant.isEmpty && !each.isHeld);
}

/** What isn't true of its container any more: it has ended, has other CPUs, or shares those of a partition by now. */
function isOutdated(ledger: Ledger, { container: { id }, cpus, state }: Partition): boolean {
  const now = ledger.assignments.get(id);
  if (now === undefined || !isIsolated(now) || !now.grant.equals(cpus) || state === "stuck") return true;
  return (state === "in force" || state === "unsure") && sharerOf(ledger, now) !== undefined;
}

/** Another container with one of its CPUs, pinned too or of its pod: a partition would take that from it. */
function sharerOf(ledger: Ledger, assignment: Assignment): Assignment | undefined {
  const { container: { id }, claim, grant } = assignment;
  if (claim.kind !== "pinned" && !isOfPod(assignment)) return undefined;
  return ledger.those("claimants").find((other) =>
    other.container.id !== id && !other.isHeld && other.grant.intersects(grant)
  );
}

/** What is left of a partition that isn't to be any more; undefined: nothing. */
function released(
  port: PartitionPort | undefined,
  each: Partition,
  logs: LogRecord[],
): Partition | undefined {
  if (each.state === "unfit" || each.state === "failed") return undefined;
  if (port === undefined) return each;
  const { container, cpus } = each;
  const result = port.release(container, cpus);
  if (result.kind === "done") {
    logs.push(logOf("info", "partition released", container, { cpus: `${cpus}` }));
    return undefined;
  }
  const { reason } = result;
  if (each.state !== "stuck" || each.reason !== reason) {
    logs.push(logOf("warn", "partition not released; retrying", container, { cpus: `${cpus}`, reason }));
  }
  return { container, cpus, state: "stuck", reason };
}

/** What becomes of its partition now; undefined: it stays as it is. */
function partitionOf(
  port: PartitionPort | undefined,
  { ledger, assignment, misfit }: {
    readonly ledger: Ledger;
    readonly assignment: Assignment;
    readonly misfit: string | undefined;
  },
  known: Partition | undefined,
): Partition | undefined {
  const { container, grant: cpus, delivery } = assignment;
  if (hasNoProcess(delivery) || known?.state === "stuck") return undefined;
  if (port === undefined || misfit !== undefined) {
    const reason = misfit ?? NO_PORT;
    const isSame = known?.state === "unfit" && known.reason === reason;
    return isSame ? undefined : { container, cpus, state: "unfit", reason };
  }
  const isThere = isConfirmed(assignment) && delivery.state !== "failed" &&
    ledger.mayRunOn(assignment).equals(cpus);
  const isDecided = known?.state === "in force" || known?.state === "failed";
  if (!isThere || isDecided) return undefined;
  const result = port.partition(container, cpus);
  if (result.kind === "failed") {
    // As where it has ended, and its end isn't reported yet: the cgroups above are still given its CPUs.
    if (known?.state === "unsure") port.release(container, cpus);
    return { container, cpus, state: "failed", reason: result.reason };
  }
  return { container, cpus, state: "in force", isNew: result.isNew };
}

/** Why its CPUs can't be a partition; undefined: they can. */
function misfitOf({ ledger, rules }: AgentState, assignment: Assignment): string | undefined {
  const { handler } = assignment.container;
  if (sandboxingOf(rules, handler) !== undefined) {
    return `its runtime (${handler}) keeps no process in its cgroup`;
  }
  const sharer = sharerOf(ledger, assignment);
  return sharer && `${describe(sharer.container)} has some of its CPUs too`;
}

const NO_PORT = "it takes cgroup v2, and CPU sets that the agent itself writes (apply)";

function logsOf(before: Partition | undefined, now: Partition): LogRecord[] {
  const { container, cpus } = now;
  if (!("reason" in now)) {
    const fields = { cpus: `${cpus}` };
    if (before?.state !== "unsure") return [logOf("info", "partition in force", container, fields)];
    return now.isNew ? [logOf("warn", "partition lost; made anew", container, fields)] : [];
  }
  const { reason } = now;
  if (before !== undefined && "reason" in before && before.reason === reason) return [];
  return [
    logOf("warn", "no partition; the container has a plain CPU set", container, { cpus: `${cpus}`, reason }),
  ];
}

function clearStale(port: PartitionPort, ledger: Ledger): LogRecord[] {
  const all = ledger.assignments.values().filter((each) => !isGroup(each) && !each.isHeld);
  const known = isolatedIn(ledger).filter((each) => sharerOf(ledger, each) === undefined);
  const refs = (some: readonly Assignment[]) => some.map(({ container }) => container);
  const result = port.clearStale(refs(known), refs(all));
  return result.kind === "done"
    ? []
    : [logOf("warn", "stale partitions not cleared", undefined, { reason: result.reason })];
}
