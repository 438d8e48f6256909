/** What is read of the kernel and written there for the ledger's containers, and what comes of it. */
import type {
  AffinityOf,
  CpusetFailureCode,
  CpusetPort,
  CpusetReading,
  CpusetWriteFailure,
  CpusetWriteResult,
} from "../cgroup/port.ts";
import { type Assignment, isIsolated } from "../ledger/assignment.ts";
import type { ContainerRef, CpuLimit } from "../ledger/claim.ts";
import { CpuSet } from "../cpu/cpu_set.ts";
import { failed, failureOf, isConfirmed, observe, unreadable } from "../ledger/delivery.ts";
import type { Cause } from "../ledger/failure.ts";
import { isGroup, lossOf, withoutFence } from "../ledger/groups.ts";
import type { Ledger } from "../ledger/ledger.ts";
import { limitOf, withLimit } from "../ledger/limit.ts";
import type { PlannedWrite } from "../ledger/plan_writes.ts";
import type { LogRecord } from "../log_record.ts";
import { qosClassesOf } from "../nri/qos.ts";
import type { Affinities, Populations, Readings, WriteFailed } from "./decision.ts";
import { ownCpus } from "./apply_mode.ts";
import { logOf, unfencedLog } from "./logs.ts";

/** What the kernel has for each of them. */
export function readAll(cpusets: CpusetPort | undefined, containers: readonly ContainerRef[]): Readings {
  return byId(containers, (container) => cpusets?.read(container));
}

/** Whether processes are in the cgroup of each of them. */
export function lookAtAll(cpusets: CpusetPort | undefined, containers: readonly ContainerRef[]): Populations {
  return byId(containers, (container) => cpusets?.population(container));
}

/** What is left to the threads of each of them. */
export function lookAt(
  cpusets: CpusetPort | undefined,
  containers: readonly ContainerRef[],
  of: AffinityOf,
): Affinities {
  return byId(containers, (container) => cpusets?.affinity?.(container, of));
}

/** What is found of each of them, where it can be known at all. */
function byId<T>(
  containers: readonly ContainerRef[],
  find: (container: ContainerRef) => T | undefined,
): ReadonlyMap<string, T> {
  const found = new Map<string, T>();
  for (const container of containers) {
    const each = find(container);
    if (each !== undefined) found.set(container.id, each);
  }
  return found;
}

/** Nothing was written: containers have other sets than those by which it was planned. */
interface Outdated {
  readonly kind: "outdated";
  readonly readings: Readings;
  readonly reason: string;
  readonly tookMs: number;
}

/**
 * The planned writes as the port takes them. What is written to the root of a partition changes nothing for its processes, so
 * that is ended first; it is made anew of what is written.
 */
export function writeAll(
  cpusets: CpusetPort,
  ledger: Ledger,
  writes: readonly PlannedWrite[],
  deadlineMs: number,
): CpusetWriteResult | Outdated {
  const readings = readAll(cpusets, exposedBy(cpusets, ledger, writes));
  if (withReadings(ledger, readings) !== ledger) {
    return { kind: "outdated", readings, reason: "the CPU sets of others have changed", tookMs: 0 };
  }
  for (const { assignment } of writes) {
    if (isIsolated(assignment)) cpusets.partitions?.release(assignment.container, CpuSet.empty);
  }
  return cpusets.write(
    writes.map(({ assignment: { container, grant }, ...write }) => ({
      container,
      ...write,
      ...(!grant.isEmpty && write.cpus.equals(grant) ? { isGranted: true as const } : {}),
    })),
    deadlineMs,
  );
}

/**
 * What alone keeps containers off claimed CPUs once these are written (cgroup v2): the own sets of those in a group that is about
 * to gain some, and the groups around containers whose own sets are. What others have written there since it was read may have
 * been without effect so far. Each is read once, and only in groups that are opened so.
 */
function exposedBy(
  { version }: CpusetPort,
  ledger: Ledger,
  writes: readonly PlannedWrite[],
): ContainerRef[] {
  const opened = version === 1 ? [] : writes.flatMap(({ assignment, cpus }) => {
    const gained = cpus.difference(ledger.mayRunOn(assignment)).difference(assignment.grant);
    return gained.intersects(ledger.claimed) ? [assignment] : [];
  });
  if (opened.length === 0) return [];
  const groups = new Set(opened.filter(isGroup).map(({ container: { id } }) => id));
  const around = new Set(opened.flatMap(({ fence = [] }) => fence));
  return ledger.assignments.values().filter(isConfirmed).map(({ container }) => container)
    .filter(({ id, cgroup }) => around.has(id) || groups.has((cgroup && qosClassesOf(cgroup)?.own) ?? ""));
}

/** A write that didn't succeed. */
export type Undone = Exclude<CpusetWriteResult, { kind: "done" }> | Outdated;

/** What a failure has shown. The kernel is read now, the result can be applied to any ledger. */
export function knowledgeOf(
  cpusets: CpusetPort,
  ledger: Ledger,
  writes: readonly PlannedWrite[],
  result: Undone,
  now: number,
): Pick<WriteFailed, "learn" | "logs"> {
  if (result.kind === "outdated") {
    return { learn: (before) => withReadings(before, result.readings), logs: [] };
  }
  if (result.kind === "unverified") return fallBackToRecord(ledger, result.containers, result.reason, now);
  const touched = writes.filter(({ assignment: { container: { id } } }) =>
    id === result.container || result.notRolledBack.has(id)
  );
  const readings = readAll(cpusets, touched.map(({ assignment }) => assignment.container));
  const learn = (before: Ledger) =>
    touched.reduce((next, write) => {
      const { id } = write.assignment.container;
      if (id === result.container && result.limit !== undefined) {
        const bound = boundOf(write.assignment, write, readings.get(id));
        const known = next.update(id, (each) => ({ ...each, mayRunOn: bound }));
        const limit = alsoLimited(known.assignments.get(id), result.limit);
        // One that has no others is tried again after a back-off.
        return withLimit(known, id, limit).update(
          id,
          (each) =>
            each.grant.isSubsetOf(limit.cpus) ? each : failed(each, bound, notNow(result.reason, now)),
        );
      }
      if (id === result.container && isGroup(write.assignment) && !MAY_SUCCEED.has(result.code)) {
        return withoutFence(next, id).update(
          id,
          (group) => failed(group, boundOf(group, write, readings.get(id)), notNow(result.reason, now)),
        );
      }
      return next.update(id, (assignment) => {
        const bound = boundOf(assignment, write, readings.get(id));
        const isLate = result.code === "deadline" && writes.length > 1;
        if (id !== result.container || isLate) return { ...assignment, mayRunOn: bound };
        const cpus = ledger.mayRunOn(write.assignment).union(bound).difference(write.cpus);
        return failed(assignment, bound, { cpus, reason: result.reason, now });
      });
    }, before);
  return { learn, logs: result.code === "deadline" ? [] : failureLogs(touched, result) };
}

/** By one write after the other it can only become less, until a comparison looks at it anew. */
function alsoLimited(known: Assignment | undefined, limit: CpuLimit): CpuLimit {
  const before = known && limitOf(known);
  return before === undefined ? limit : { ...limit, cpus: limit.cpus.intersection(before.cpus) };
}

/** A group is written again after a back-off; it keeps no CPU from anybody. */
function notNow(reason: string, now: number): Cause {
  return { cpus: CpuSet.empty, reason, now };
}

/** Where a container may be running after a write of it: where it was read; else on what it had or on what was written. */
function boundOf(assignment: Assignment, { cpus }: PlannedWrite, reading: CpusetReading | undefined) {
  return reading?.kind === "values" ? ownCpus(reading) : assignment.mayRunOn.union(cpus);
}

/** Why a group may be written the next time; with any other code it can't be a fence. */
const MAY_SUCCEED: ReadonlySet<CpusetFailureCode> = new Set([
  ...["deadline", "EBUSY", "EINTR", "EAGAIN", "overwritten"] as const,
]);

/** Logged once per container and cause. */
function failureLogs(
  touched: readonly PlannedWrite[],
  { container, reason, code }: CpusetWriteFailure,
): LogRecord[] {
  return touched.filter(({ assignment }) =>
    assignment.container.id === container && lossOf(assignment) === undefined
  )
    .filter(({ assignment: { delivery } }) =>
      delivery.state !== "failed" || delivery.failure.reason !== reason
    )
    .map(({ assignment, cpus }) =>
      isGroup(assignment) && !MAY_SUCCEED.has(code)
        ? unfencedLog(assignment.container, reason)
        : logOf("warn", "cpuset write failed; retrying", assignment.container, {
          cpus: `${cpus}`,
          code,
          reason,
        })
    );
}

/** These get their CPUs by the runtime until their cgroups can be read. */
function fallBackToRecord(
  { assignments }: Ledger,
  containers: ReadonlySet<string>,
  reason: string,
  now: number,
): Pick<WriteFailed, "learn" | "logs"> {
  const learn = (before: Ledger) =>
    [...containers].reduce((next, id) =>
      byRecord(next, id).update(
        id,
        (each) => isGroup(each) ? failed(each, each.mayRunOn, notNow(reason, now)) : each,
      ), before);
  const isNew = [...containers].some((id) => {
    const known = assignments.get(id);
    return known === undefined || (lossOf(known) === undefined && failureOf(known)?.reason !== reason);
  });
  const message = "cpuset not readable; falling back to runtime updates";
  const logs = isNew ? [logOf("warn", message, undefined, { containers: containers.size, reason })] : [];
  return { learn, logs };
}

/** A container is left to the record; a group that can't be read is no fence. */
export function byRecord(ledger: Ledger, id: string): Ledger {
  const assignment = ledger.assignments.get(id);
  if (assignment === undefined) return ledger;
  return isGroup(assignment) ? withoutFence(ledger, id) : ledger.update(id, unreadable);
}

/** The ledger with what was read of containers that run: confirmed, or left to the record where it can't be read. */
export function withReadings(ledger: Ledger, readings: Readings): Ledger {
  return [...readings].reduce((next, [id, reading]) => {
    const assignment = next.assignments.get(id);
    if (assignment === undefined || reading.kind === "absent") return next;
    if (reading.kind === "unverified") return isConfirmed(assignment) ? byRecord(next, id) : next;
    return next.update(id, () => observe(assignment, ownCpus(reading)));
  }, ledger);
}
