/**
 * The ledger compared with what the kernel has, again and again: somebody else may have written there, an update of the
 * runtime may have failed or come late. What differs is put right, counted, and said once a container and cause.
 */
import type { CpuSet } from "../cpu/cpu_set.ts";
import { type Assignment, confirmedSet, withRecord } from "../ledger/assignment.ts";
import type { Ledger } from "../ledger/ledger.ts";
import { markRunning, markUnverified, observedAtStart, observedRunning } from "../ledger/progress.ts";
import { failedAgain } from "../ledger/write_failure.ts";
import type { LogRecord } from "../log_record.ts";
import type { ReconcileState } from "./audit.ts";
import type { CpusetPort, CpusetReading } from "../cgroup/port.ts";
import { kernelOf } from "./kernel_first.ts";
import { logOf } from "./logs.ts";
import type { AgentState } from "./state.ts";
import { withLedger } from "./pending.ts";

/** How many cgroups are read at a time, so that no call waits for long: each takes some 50 µs. */
const BATCH = 64;

/** A part of a comparison. */
export interface Reconciled {
  readonly state: AgentState;
  readonly logs: readonly LogRecord[];
  /** It has come to its end: what the runtime lists may be compared now. */
  readonly ended: boolean;
}

/** Goes on comparing, if it is time to; `node.audit.queue` is what is left of it. */
export function reconcile(state: AgentState): Reconciled {
  const { cpusets, reconcile, now, reconcileMs } = state;
  if (reconcileMs === 0 || state.standby) return { state, logs: [], ended: false };
  const nextAt = reconcile.nextAt ?? now + jittered(reconcileMs, now);
  if (reconcile.queue.length === 0 && now < nextAt) {
    return {
      state: reconcile.nextAt === undefined ? withAudit(state, { nextAt }) : state,
      logs: [],
      ended: false,
    };
  }
  const begun = reconcile.queue.length > 0 ? reconcile : beginning(state, now + jittered(reconcileMs, now));
  const next = { ...state, reconcile: { ...begun, queue: begun.queue.slice(BATCH) } };
  const compared = cpusets === undefined || state.dryRun
    ? { state: next, logs: [] }
    : begun.queue.slice(0, BATCH).reduce<Compared>((all, id) => compare(all, id, cpusets), {
      state: next,
      logs: [],
    });
  return {
    state: withLedger(compared.state, compared.state.ledger),
    logs: compared.logs,
    ended: next.reconcile.queue.length === 0,
  };
}

function beginning({ reconcile, ledger }: AgentState, nextAt: number): ReconcileState {
  const causes = new Map([...reconcile.reasons].filter(([id]) => ledger.assignments.has(id)));
  const suspects = new Set([...reconcile.suspects].filter((id) => ledger.assignments.has(id)));
  return { ...reconcile, reasons: causes, suspects, nextAt, queue: [...ledger.assignments.keys()] };
}

function toggled(ids: ReadonlySet<string>, id: string): ReadonlySet<string> {
  const next = new Set(ids);
  if (!next.delete(id)) next.add(id);
  return next;
}

function withAudit(state: AgentState, change: Partial<ReconcileState>): AgentState {
  return { ...state, reconcile: { ...state.reconcile, ...change } };
}

/** Between 0.9 and 1.1 of it, so that the nodes of a cluster don't all do it at once; a hash of the time will do. */
function jittered(every: number, now: number): number {
  const hash = Math.imul(Math.floor(now * 1000) | 0, 0x9E3779B1) >>> 0;
  return every * (0.9 + 0.2 * (hash / 2 ** 32));
}

interface Compared {
  readonly state: AgentState;
  readonly logs: readonly LogRecord[];
}

function compare(all: Compared, id: string, cpusets: CpusetPort): Compared {
  const { state } = all;
  const assignment = state.ledger.assignments.get(id);
  if (assignment === undefined) return all;
  const reading = cpusets.read(assignment.container);
  // A container without a cgroup hasn't started yet, or has ended, which will be told.
  if (reading.kind === "absent") return all;
  const compared = kernelOf(state) === undefined ? compareRuntime : compareKernel;
  const isAhead = assignment.starting && confirmedSet(assignment) === undefined;
  return report(all, assignment, (isAhead ? compareStarting : compared)(state, assignment, reading));
}

/** What a reading means for the ledger, and why it is worth saying. */
interface Found {
  readonly ledger: Ledger;
  readonly cause?: string;
  readonly drifted?: boolean;
  /** It differs, for whatever reason. */
  readonly suspect?: boolean;
}

/** One that has a cgroup at two looks has started, and that was told while nobody was connected. */
function compareStarting(state: AgentState, assignment: Assignment, reading: CpusetReading): Found {
  const { ledger, reconcile } = state;
  const { id } = assignment.container;
  if (reading.kind !== "values") return { ledger };
  if (!reconcile.suspects.has(id)) return { ledger, suspect: true };
  return {
    ledger: kernelOf(state) === undefined
      ? markRunning(ledger, id)
      : observedRunning(ledger, id, reading.cpus),
  };
}

function compareKernel({ ledger }: AgentState, assignment: Assignment, reading: CpusetReading): Found {
  const { id } = assignment.container;
  if (reading.kind !== "values") {
    return {
      ledger: markUnverified(ledger, id),
      ...(reading.kind === "unverified" ? { cause: reading.reason } : {}),
    };
  }
  const next = (assignment.starting ? observedAtStart : observedRunning)(ledger, id, reading.cpus);
  const same = next === ledger || ledger.observed(assignment).equals(reading.cpus);
  if (confirmedSet(assignment) === undefined || same) return { ledger: next };
  return { ledger: next, cause: driftOf(ledger, assignment, reading.cpus), drifted: true };
}

/**
 * Where the runtime writes the kernel: CPUs that a container shouldn't have are contested, and it is told anew, after
 * ever longer times. What differs for the first time may be an update that is under way. Fewer than it should have can
 * come from a cgroup above it.
 */
function compareRuntime(
  { ledger, now, reconcile }: AgentState,
  assignment: Assignment,
  reading: CpusetReading,
): Found {
  const { id } = assignment.container;
  if (reading.kind === "unverified") return { ledger, cause: reading.reason };
  if (reading.kind !== "values") return { ledger };
  const over = reading.cpus.intersection(ledger.topology.online).difference(ledger.desired(assignment));
  const before = ledger.writeFailures.get(id);
  if (over.isEmpty) return { ledger: ledger.withWriteFailure(id, undefined) };
  if (!reconcile.suspects.has(id)) return { ledger, suspect: true };
  if (before !== undefined && before.retryAt > now) return { ledger, suspect: true };
  const cause = driftOf(ledger, assignment, reading.cpus);
  const next = ledger.with(withRecord(assignment, reading.cpus));
  const stuck = failedAgain(before, over, cause, now);
  return { ledger: next.withWriteFailure(id, stuck), cause, drifted: true, suspect: true };
}

function driftOf(ledger: Ledger, assignment: Assignment, cpus: CpuSet): string {
  return `it was found on the CPUs ${cpus} instead of ${
    ledger.observed(assignment)
  }: somebody else has written its cpuset`;
}

function report({ state, logs }: Compared, { container }: Assignment, found: Found): Compared {
  const { ledger, cause, drifted = false, suspect = false } = found;
  const { reconcile } = state;
  const isNew = cause !== undefined && reconcile.reasons.get(container.id) !== cause;
  const next = withAudit({ ...state, ledger }, {
    drifts: reconcile.drifts + (drifted ? 1 : 0),
    ...(suspect === reconcile.suspects.has(container.id)
      ? {}
      : { suspects: toggled(reconcile.suspects, container.id) }),
    ...(isNew ? { reasons: new Map(reconcile.reasons).set(container.id, cause) } : {}),
  });
  const message = drifted
    ? "a container ran on other CPUs than it should; it is put right"
    : "a container's CPUs can't be verified";
  return {
    state: next,
    logs: isNew ? [...logs, logOf("warn", message, container, { reason: cause })] : logs,
  };
}
