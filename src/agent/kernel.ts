/** What is read of the kernel and written there for the ledger's containers, and what comes of it. */
import type { CpusetPort, CpusetReading, CpusetWriteFailure, CpusetWriteResult } from "../cgroup/port.ts";
import type { Assignment } from "../ledger/assignment.ts";
import type { ContainerRef } from "../ledger/claim.ts";
import { failed, isConfirmed, observe, unreadable } from "../ledger/delivery.ts";
import type { Ledger } from "../ledger/ledger.ts";
import type { PlannedWrite } from "../ledger/plan_writes.ts";
import type { LogRecord } from "../log_record.ts";
import type { Readings, WriteFailed } from "./decision.ts";
import { logOf } from "./logs.ts";

/** What the kernel has for each of them. */
export function readAll(cpusets: CpusetPort | undefined, containers: readonly ContainerRef[]): Readings {
  const readings = new Map<string, CpusetReading>();
  if (cpusets === undefined) return readings;
  for (const container of containers) readings.set(container.id, cpusets.read(container));
  return readings;
}

/** The planned writes as the port takes them. */
export function writeAll(
  cpusets: CpusetPort,
  writes: readonly PlannedWrite[],
  deadlineMs: number,
): CpusetWriteResult {
  return cpusets.write(
    writes.map(({ assignment: { container }, cpus }) => ({ container, cpus })),
    deadlineMs,
  );
}

/** A write that didn't succeed. */
export type Undone = Exclude<CpusetWriteResult, { kind: "done" }>;

/** What a failure has shown. The kernel is read now, the result can be applied to any ledger. */
export function knowledgeOf(
  cpusets: CpusetPort,
  ledger: Ledger,
  writes: readonly PlannedWrite[],
  result: Undone,
  now: number,
): Pick<WriteFailed, "learn" | "logs"> {
  if (result.kind === "unverified") return fallBackToRecord(result.containers, result.reason);
  const touched = writes.filter(({ assignment: { container: { id } } }) =>
    id === result.container || result.notRolledBack.has(id)
  );
  const readings = readAll(cpusets, touched.map(({ assignment }) => assignment.container));
  const learn = (before: Ledger) =>
    touched.reduce((next, write) => {
      const { id } = write.assignment.container;
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

/** Where a container may be running after a write of it: where it was read; else on what it had or on what was written. */
function boundOf({ mayRunOn }: Assignment, { cpus }: PlannedWrite, reading: CpusetReading | undefined) {
  return reading?.kind === "values" ? reading.cpus : mayRunOn.union(cpus);
}

/** Logged once per container and cause. */
function failureLogs(
  touched: readonly PlannedWrite[],
  { container, reason, code }: CpusetWriteFailure,
): LogRecord[] {
  return touched.filter(({ assignment }) => assignment.container.id === container)
    .filter(({ assignment: { delivery } }) =>
      delivery.state !== "failed" || delivery.failure.reason !== reason
    )
    .map(({ assignment, cpus }) =>
      logOf("warn", "cpuset write failed; retrying", assignment.container, { cpus: `${cpus}`, code, reason })
    );
}

/** These get their CPUs by the runtime until their cgroups can be read. */
function fallBackToRecord(
  containers: ReadonlySet<string>,
  reason: string,
): Pick<WriteFailed, "learn" | "logs"> {
  const learn = (before: Ledger) => [...containers].reduce((next, id) => next.update(id, unreadable), before);
  const message = "cpuset not readable; falling back to runtime updates";
  return { learn, logs: [logOf("warn", message, undefined, { containers: containers.size, reason })] };
}

/** The ledger with what was read of containers that run: confirmed, or left to the record where it can't be read. */
export function withReadings(ledger: Ledger, readings: Readings): Ledger {
  return [...readings].reduce((next, [id, reading]) =>
    next.update(id, (assignment) => {
      if (reading.kind === "values") return observe(assignment, reading.cpus);
      return reading.kind === "unverified" && isConfirmed(assignment) ? unreadable(assignment) : assignment;
    }), ledger);
}
