/**
 * The ledger compared with the kernel, again and again: another program may have written a cgroup, an update of the runtime
 * may have failed or come late. What differs is repaired, and logged once per container and cause.
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
import { lookedAtComparison } from "./affinity.ts";
import { ownCpus, writablePort } from "./apply_mode.ts";
import { withGroupRetried } from "./fences.ts";
import { withLimitOf } from "./limits.ts";
import { concludeLooks, look } from "./lost_ends.ts";
import type { Logged } from "./logged.ts";
import { logOf, unfencedLog, weakLog } from "./logs.ts";
import { unsurePartitions } from "./partitions.ts";
import { unsureMemories } from "./memories.ts";
import { throttledOf, unsureQuotas } from "./quotas.ts";
import { withLedger } from "./pending.ts";
import { unsureSandboxes } from "./sandboxes.ts";
import type { AgentState, ReconcileState } from "./state.ts";

/**
 * How many cgroups are read at a time, so that no call waits for long: each takes some 50 µs, and its threads some 100, at most
 * half a millisecond.
 */
const BATCH = 64;

/** A part of a comparison. */
export interface Reconciled extends Logged {
  /** It has come to its end: what the runtime lists may be compared now. */
  readonly ended: boolean;
}

/** Goes on comparing, if it is time to; `reconcile.queue` is what is left of it. */
export function reconcile(state: AgentState): Reconciled {
  const { cpusets, reconcile, now, reconcileMs } = state;
  if (reconcileMs === 0 || state.standby || state.passive !== undefined) {
    return { state, logs: [], ended: false };
  }
  const nextAt = reconcile.nextAt ?? now + jittered(reconcileMs, now);
  if (reconcile.queue.length === 0 && now < nextAt) {
    return { state: { ...state, reconcile: { ...reconcile, nextAt } }, logs: [], ended: false };
  }
  const isNew = reconcile.queue.length === 0;
  const begun = isNew ? beginning(state, now + jittered(reconcileMs, now)) : reconcile;
  const partitions = isNew ? unsurePartitions(state.partitions) : state.partitions;
  const quotas = isNew ? unsureQuotas(state.quotas) : state.quotas;
  const memories = isNew ? unsureMemories(state.memories) : state.memories;
  const sandboxes = isNew ? unsureSandboxes(state.sandboxes) : state.sandboxes;
  const next = {
    ...state,
    partitions,
    quotas,
    memories,
    sandboxes,
    reconcile: { ...begun, queue: begun.queue.slice(BATCH) },
  };
  const ended = next.reconcile.queue.length === 0;
  if (cpusets === undefined || state.dryRun) return { state: next, logs: [], ended };
  const batch = begun.queue.slice(0, BATCH);
  const looked = look(next, batch.flatMap((id) => next.ledger.assignments.get(id) ?? []), cpusets);
  const compared = batch.reduce<Logged>((all, id) => {
    const assignment = all.state.ledger.assignments.get(id);
    if (assignment === undefined) return all;
    const counted = { ...all, state: withThrottled(all.state, id, throttledOf(cpusets, assignment)) };
    const compared = compare(counted, assignment, cpusets.read(assignment.container));
    const masks = lookedAtComparison(compared.state, assignment.container);
    return { state: masks.state, logs: [...compared.logs, ...masks.logs] };
  }, { state: looked, logs: [] });
  const after = withLedger(compared.state, compared.state.ledger);
  if (!ended) return { state: after, logs: compared.logs, ended };
  const { state: concluded, logs } = concludeLooks(after, cpusets);
  return { state: concluded, logs: [...compared.logs, ...logs], ended };
}

function beginning({ reconcile, ledger }: AgentState, nextAt: number): ReconcileState {
  const reasons = new Map([...reconcile.reasons].filter(([id]) => ledger.assignments.has(id)));
  const suspects = new Set([...reconcile.suspects].filter((id) => ledger.assignments.has(id)));
  const throttled = new Map([...reconcile.throttled].filter(([id]) => ledger.assignments.has(id)));
  return {
    ...reconcile,
    reasons,
    suspects,
    throttled,
    begun: reconcile.begun + 1,
    nextAt,
    queue: ledger.assignments.values().filter(({ isHeld }) => !isHeld).map(({ container }) => container.id),
  };
}

function withThrottled(state: AgentState, id: string, count: number | undefined): AgentState {
  const { throttled } = state.reconcile;
  if (throttled.get(id) === count) return state;
  const next = new Map(throttled);
  if (count === undefined) next.delete(id);
  else next.set(id, count);
  return { ...state, reconcile: { ...state.reconcile, throttled: next } };
}

/** Between 0.9 and 1.1 of it, so that the nodes of a cluster don't all do it at once; a hash of the time will do. */
function jittered(every: number, now: number): number {
  const hash = Math.imul(Math.floor(now * 1000) | 0, 0x9E3779B1) >>> 0;
  return every * (0.9 + 0.2 * (hash / 2 ** 32));
}

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

function compare(all: Logged, assignment: Assignment, reading: CpusetReading): Logged {
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
  const compared = compareContainer(all, assignment, reading);
  const now = compared.state.ledger.assignments.get(assignment.container.id);
  // Its set may be as it should be, and not all of it be in force.
  return now !== undefined && isConfirmed(now) && writablePort(compared.state) !== undefined
    ? withLimitOf(compared, now.container.id, reading)
    : compared;
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
