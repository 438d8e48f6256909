/**
 * One container's cgroup compared with the ledger, as a comparison reads it: what differs is repaired, and logged once per
 * container and cause.
 */
import type { CpusetReading, CpusetValues } from "../cgroup/port.ts";
import type { CpuSet } from "../cpu/cpu_set.ts";
import { type Assignment, isUnconfined } from "../ledger/assignment.ts";
import { isAnywhere, VOID } from "../ledger/bound.ts";
import {
  confirm,
  failed,
  failureOf,
  hasNoProcess,
  isConfirmed,
  isStarting,
  observe,
  resolved,
  runs,
  seemsToRun,
  unreadable,
} from "../ledger/delivery.ts";
import { withId, withoutId } from "../ledger/id_map.ts";
import { isFence, isGroup, lossOf, withoutFence, withWeakness } from "../ledger/groups.ts";
import type { Ledger } from "../ledger/ledger.ts";
import { ownCpus, writablePort } from "./apply_mode.ts";
import { withGroupRetried } from "./fences.ts";
import { withLimitOf } from "./limits.ts";
import type { Logged } from "./logged.ts";
import { logOf, unfencedLog, weakLog } from "./logs.ts";
import type { AgentState } from "./state.ts";

type Read = Exclude<CpusetReading, { readonly kind: "absent" }>;

/** What a reading means for a container, and what is to be logged of it. */
interface Verdict {
  readonly after: Assignment;
  readonly message?: string;
  readonly reason?: string;
  /** It differs; at the next comparison it is taken for true. */
  readonly isSuspect?: true;
}

const UNREADABLE = "cpuset not readable";
const DRIFT = "cpuset changed by another program; repairing";

/** Takes in what was read of a container, or of a group. */
export function compare(all: Logged, assignment: Assignment, reading: CpusetReading): Logged {
  // A container without a cgroup hasn't started yet, or has ended, which will be reported.
  if (reading.kind === "absent" || isUnconfined(assignment)) return all;
  const { state } = all;
  if (isGroup(assignment) && reading.kind === "unverified") {
    const isNew = isFence(assignment) && lossOf(assignment) === undefined;
    const logs = isNew ? [unfencedLog(assignment.container, reading.reason)] : [];
    const ledger = withoutFence(state.ledger, assignment.container.id);
    return { state: { ...state, ledger }, logs: [...all.logs, ...logs] };
  }
  if (isGroup(assignment) && reading.kind === "values") return compareGroup(all, assignment, reading);
  const compared = isAsBefore(state, assignment, reading) ? all : compareContainer(all, assignment, reading);
  remember(all, assignment, reading, compared);
  const now = compared.state.ledger.assignments.get(assignment.container.id);
  // Its set may be as it should be, and not all of it be in force.
  return now !== undefined && isConfirmed(now) && writablePort(compared.state) !== undefined
    ? withLimitOf(compared, now.container.id, reading)
    : compared;
}

/** What a comparison was of that has found a container where it should be, and changed nothing. */
const unchanged = new WeakMap<Assignment, { readonly ledger: Ledger; readonly reading: CpusetReading }>();

/** Whether it would be compared with the same ledger by the same reading, and nothing come of it again. */
function isAsBefore(state: AgentState, assignment: Assignment, reading: CpusetReading): boolean {
  const before = unchanged.get(assignment);
  return before?.ledger === state.ledger && before.reading === reading && writablePort(state) !== undefined;
}

/** What was read of a container when nothing came of it, if that was with this ledger. */
export function unchangedBy(ledger: Ledger, assignment: Assignment): CpusetReading | undefined {
  const before = unchanged.get(assignment);
  return before?.ledger === ledger ? before.reading : undefined;
}

function remember(before: Logged, assignment: Assignment, reading: CpusetReading, { state, logs }: Logged) {
  const isSame = state.ledger === before.state.ledger && logs === before.logs;
  if (!isSame || !isConfirmed(assignment) || writablePort(state) === undefined) return;
  if (state.reconcile.suspects.has(assignment.container.id)) return;
  unchanged.set(assignment, { ledger: state.ledger, reading });
}

function compareContainer(all: Logged, assignment: Assignment, reading: Read): Logged {
  const { state } = all;
  const isWritten = writablePort(state) !== undefined;
  if (reading.kind === "values") {
    return report(all, assignment, verdictOn(state, assignment, isWritten ? ownCpus(reading) : reading.cpus));
  }
  // No write of ours empties a set: whatever it was, it isn't what it should be.
  const isEmptied = reading.isEmpty && isWritten && !isStarting(assignment);
  const verdict = isEmptied
    ? verdictOn(state, assignment, VOID)
    : { after: unreadableIn(state, assignment), message: UNREADABLE, reason: reading.reason };
  return report(all, assignment, verdict);
}

/** Where its set may not last, that is logged once for each reason. */
function compareGroup(all: Logged, assignment: Assignment, reading: CpusetValues): Logged {
  const { state, logs } = report(all, assignment, verdictOn(all.state, assignment, ownCpus(reading)));
  const { id } = assignment.container;
  const { weakness } = reading;
  const ledger = state.ledger.update(id, (group) => withWeakness(group, weakness));
  const isNew = weakness !== undefined && ledger !== state.ledger;
  const more = isNew ? [weakLog(assignment.container, weakness)] : [];
  const group = ledger.assignments.get(id);
  const retried = group === undefined
    ? { ledger, logs: [] }
    : withGroupRetried({ ...state, ledger }, group, reading);
  return { state: { ...state, ledger: retried.ledger }, logs: [...logs, ...more, ...retried.logs] };
}

function unreadableIn(state: AgentState, assignment: Assignment): Assignment {
  const isLost = writablePort(state) !== undefined && !hasNoProcess(assignment.delivery);
  return isLost ? unreadable(assignment) : assignment;
}

function verdictOn(state: AgentState, assignment: Assignment, cpus: CpuSet): Verdict {
  const { delivery } = assignment;
  if (hasNoProcess(delivery) || (delivery.by === "record" && delivery.state === "starting")) {
    return startedVerdict(state, assignment, cpus);
  }
  return writablePort(state) === undefined
    ? runtimeVerdict(state, assignment, cpus)
    : cgroupVerdict(state, assignment, cpus);
}

/** One that has a cgroup at two comparisons has started, while no agent was connected. */
function startedVerdict(state: AgentState, assignment: Assignment, cpus: CpuSet): Verdict {
  if (!state.reconcile.suspects.has(assignment.container.id)) return { after: assignment, isSuspect: true };
  const isWritten = writablePort(state) !== undefined;
  return isWritten ? { after: confirm(assignment, cpus, "running") } : { after: seemsToRun(assignment) };
}

function cgroupVerdict({ ledger, reconcile }: AgentState, assignment: Assignment, cpus: CpuSet): Verdict {
  const after = observe(assignment, cpus);
  const isSame = after === assignment || ledger.mayRunOn(assignment).equals(asOnline(ledger, cpus));
  const drift = !isConfirmed(assignment) || isSame
    ? {}
    : { message: DRIFT, reason: driftOf(ledger, assignment, cpus) };
  if (assignment.delivery.state !== "starting") return { after, ...drift };
  // It has been started for a whole comparison, so it runs.
  return reconcile.suspects.has(assignment.container.id)
    ? { after: runs(after), ...drift }
    : { after, ...drift, isSuspect: true };
}

/**
 * Where the runtime writes the kernel: CPUs that a container shouldn't have are contested, and it is sent its set again,
 * after ever longer times. What differs for the first time may be an update that is under way. Fewer than it should have
 * can come from a cgroup above it.
 */
function runtimeVerdict(
  { ledger, now, reconcile }: AgentState,
  assignment: Assignment,
  cpus: CpuSet,
): Verdict {
  const over = cpus.intersection(ledger.topology.online).difference(ledger.desired(assignment));
  if (over.isEmpty) return { after: resolved(assignment) };
  const isNew = !reconcile.suspects.has(assignment.container.id);
  if (isNew || (failureOf(assignment)?.retryAt ?? -Infinity) > now) {
    return { after: assignment, isSuspect: true };
  }
  const reason = driftOf(ledger, assignment, cpus);
  return {
    after: failed(assignment, cpus, { cpus: over, reason, now }),
    message: DRIFT,
    reason,
    isSuspect: true,
  };
}

function driftOf(ledger: Ledger, assignment: Assignment, cpus: CpuSet): string {
  return `found on CPUs ${asOnline(ledger, cpus)} instead of ${ledger.mayRunOn(assignment)}`;
}

/** An inherited set counts as all CPUs that there may ever be; now it is those that are online. */
function asOnline({ topology: { online } }: Ledger, cpus: CpuSet): CpuSet {
  return isAnywhere(cpus) ? online : cpus;
}

function report({ state, logs }: Logged, { container }: Assignment, verdict: Verdict): Logged {
  const { after, message, reason, isSuspect = false } = verdict;
  const { reconcile } = state;
  const { id } = container;
  const isNew = message !== undefined && reason !== undefined && reconcile.reasons.get(id) !== reason;
  const next = {
    ...reconcile,
    suspects: (isSuspect ? withId : withoutId)(reconcile.suspects, id),
    reasons: isNew ? new Map(reconcile.reasons).set(id, reason) : reconcile.reasons,
    drifts: reconcile.drifts + (message === DRIFT ? 1 : 0),
  };
  return {
    state: { ...state, reconcile: next, ledger: state.ledger.update(id, () => after) },
    logs: isNew ? [...logs, logOf("warn", message, container, { reason })] : logs,
  };
}
