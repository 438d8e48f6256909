/**
 * Carries out what a decision needs of the kernel before its reply: reads, and writes that are all or nothing. It owns the
 * one deadline of a call, a share of the time after which the runtime drops the plugin.
 */
import type { CpusetPort, CpusetReading, CpusetWriteFailure, CpusetWriteResult } from "../cgroup/port.ts";
import type { Assignment } from "../ledger/assignment.ts";
import type { ContainerRef } from "../ledger/claim.ts";
import { failed, isConfirmed, observe, unreadable } from "../ledger/delivery.ts";
import type { Ledger } from "../ledger/ledger.ts";
import { afterWrites, type PlannedWrite } from "../ledger/plan_writes.ts";
import type { LogRecord } from "../log_record.ts";
import type { Decision, Readings, Response, WriteFailed, WriteFirst } from "./decision.ts";
import { logOf } from "./logs.ts";

/**
 * The share of the runtime's request time-out in which the writes of one call may begin; rolling them back may take as
 * long again. Together they leave half of it for all else.
 */
const WRITE_SHARE = 0.25;
/** containerd's default, for a runtime that doesn't name its own. */
const DEFAULT_REQUEST_TIMEOUT_MS = 2000;
/** Each try has shown CPUs more that a container keeps; the deadline is the bound that counts. */
const MAX_TRIES = 64;

/** What a call's writes are done with. */
export interface Means {
  /** Absent: cgroups can't be read. */
  readonly cpusets: CpusetPort | undefined;
  /** In milliseconds of any clock that never goes back. */
  readonly now: number;
  /** After which the runtime drops the plugin; absent or 0: it hasn't said. */
  readonly requestTimeoutMs?: number | undefined;
}

/** The response to a call, once all that it needs of the kernel is done. */
export function carryOut(first: Decision, { cpusets, now, requestTimeoutMs }: Means): Response {
  let leftMs = (requestTimeoutMs || DEFAULT_REQUEST_TIMEOUT_MS) * WRITE_SHARE;
  let tries = 0;
  for (let decision = first;;) {
    switch (decision.kind) {
      case "response":
        return decision;
      case "read":
        decision = decision.then(readAll(cpusets, decision.containers));
        continue;
      case "write": {
        const { ledger, writes } = decision;
        if (writes.length === 0 || cpusets === undefined) {
          decision = decision.written(ledger);
          continue;
        }
        const result = writeAll(cpusets, writes, Math.max(leftMs, 0));
        leftMs -= result.tookMs;
        tries++;
        decision = result.kind === "done"
          ? decision.written(afterWrites(ledger, writes))
          : decision.failed(failureOf(cpusets, decision, result, now, tries >= MAX_TRIES || leftMs <= 0));
      }
    }
  }
}

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

type Undone = Exclude<CpusetWriteResult, { kind: "done" }>;

function failureOf(
  cpusets: CpusetPort,
  { ledger, writes }: WriteFirst,
  result: Undone,
  now: number,
  isFinal: boolean,
): WriteFailed {
  const { learn, logs } = knowledgeOf(cpusets, ledger, writes, result, now);
  return { learn, logs, reason: result.reason, isFinal };
}

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
