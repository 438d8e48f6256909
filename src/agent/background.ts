/** What is done between requests: cgroups are written, each for itself, and compared with the ledger. */
import type { CpusetPort } from "../cgroup/port.ts";
import { resolved } from "../ledger/delivery.ts";
import { retryDegraded } from "../ledger/degraded.ts";
import { age } from "../ledger/recent.ts";
import type { Ledger } from "../ledger/ledger.ts";
import { afterWrites, type PlannedWrite, planWrites, type WriteScope } from "../ledger/plan_writes.ts";
import type { LogRecord } from "../log_record.ts";
import { type Agent, idle, logOutput, type Output, type Step, wakeFor } from "./agent.ts";
import { readablePort, writablePort } from "./apply_mode.ts";
import { deliveryLogs, logOf, recoveredLogs } from "./logs.ts";
import { hasFallenBack, hasWrites, immediateUpdates, withLedger } from "./pending.ts";
import { reconcile } from "./reconcile.ts";
import { withoutId } from "../ledger/id_map.ts";
import type { WriteFailed } from "./decision.ts";
import type { AgentState } from "./state.ts";
import { knowledgeOf, writeAll } from "./transaction.ts";

/** How many cgroups a slice writes, and in how many milliseconds: requests are answered between two slices. */
const SLICE = 64;
const SLICE_MS = 50;
/** Milliseconds that one write may take. */
const WRITE_DEADLINE_MS = 300;

/** Does a slice of what there is to do, and asks for a tick at once if that isn't all. */
export function runBackgroundWork(agent: Agent): Step {
  if (agent.state.phase !== "serving") return idle(agent);
  const current = withoutOldEnds(agent.state);
  const retried = withDegradedRetried(current);
  // In the same step: who gets CPUs isn't the only one on them before the others are written.
  const applied = applyPending(retried);
  const compared = reconcile(applied.state);
  const { state } = compared;
  // A degraded container has got its CPUs, and others are still there; or one that has to give up CPUs can't be written.
  const isUrgent = retried !== current || hasFallenBack(agent.state.ledger, state.ledger);
  const updates = isUrgent ? immediateUpdates(state, state.ledger) : [];
  const isMore = state.reconcile.queue.length > 0 || (hasWrites(state) && writablePort(state) !== undefined);
  const outputs: Output[] = [
    ...[...recoveredLogs(current.ledger, retried.ledger), ...applied.logs, ...compared.logs].map(logOutput),
    ...(updates.length === 0 ? [] : [{ kind: "apply", changes: updates } as const]),
    ...(compared.ended ? [{ kind: "count" } as const] : []),
    ...(isMore ? [{ kind: "wake", after: 0 } as const] : wakeFor(agent.state, state)),
  ];
  return { agent: { ...agent, state }, outputs };
}

/** CPUs that were freed too long ago are like all others. */
function withoutOldEnds(state: AgentState): AgentState {
  const ledger = state.ledger.withRecent(age(state.ledger.recent, state.now));
  return ledger === state.ledger ? state : withLedger(state, ledger);
}

/** A degraded container may get CPUs that couldn't be taken from another container once that one has given them up. */
function withDegradedRetried(state: AgentState): AgentState {
  const { ledger } = state;
  if (ledger.degraded.length === 0) return state;
  const retried = retryDegraded(clearResolved(ledger));
  const isServed = ledger.degraded.some(({ container: { id }, grant }) =>
    retried.assignments.get(id)?.grant.equals(grant) === false
  );
  return isServed ? withLedger(state, retried) : state;
}

function applyPending(
  state: AgentState,
): { readonly state: AgentState; readonly logs: readonly LogRecord[] } {
  const cpusets = writablePort(state);
  const { ledger, now } = state;
  if (cpusets === undefined || (ledger.failed.length === 0 && !hasWrites(state))) return { state, logs: [] };
  const slice = applySlice(cpusets, clearResolved(ledger), now, { kind: "due", now });
  return { state: withLedger(state, slice.ledger), logs: slice.logs };
}

/** The ledger without failures of containers that have, by now, what they should have. */
export function clearResolved(ledger: Ledger): Ledger {
  return ledger.failed.reduce((next, holder) => {
    const isRight = next.mayRunOn(holder).equals(next.desired(holder));
    return isRight ? next.update(holder.container.id, resolved) : next;
  }, ledger);
}

interface Slice {
  readonly ledger: Ledger;
  readonly logs: readonly LogRecord[];
}

/**
 * Writes in the planned order, each container for itself; after a failure what is left is planned anew, without the
 * container that failed.
 */
function applySlice(cpusets: CpusetPort, before: Ledger, now: number, first: WriteScope): Slice {
  const logs: LogRecord[] = [];
  let [ledger, scope] = [before, first];
  let [leftMs, left] = [SLICE_MS, SLICE];
  while (left > 0 && leftMs > 0) {
    const plan = planWrites(ledger, scope).slice(0, left);
    const done: PlannedWrite[] = [];
    let shown: Pick<WriteFailed, "learn" | "logs"> | undefined;
    for (const write of plan) {
      const result = writeAll(cpusets, [write], WRITE_DEADLINE_MS);
      [leftMs, left] = [leftMs - result.tookMs, left - 1];
      if (result.kind !== "done") {
        shown = knowledgeOf(cpusets, ledger, [write], result, now);
        scope = withoutRetry(scope, write.assignment.container.id);
        break;
      }
      done.push(write);
      if (leftMs <= 0) break;
    }
    logs.push(...writtenLogs(ledger, done), ...deliveryLogs(done));
    ledger = afterWrites(ledger, done);
    if (shown === undefined) break;
    logs.push(...shown.logs);
    ledger = shown.learn(ledger);
  }
  return { ledger, logs };
}

function withoutRetry(scope: WriteScope, id: string): WriteScope {
  return scope.kind === "due" ? scope : { ...scope, retried: withoutId(scope.retried ?? new Set(), id) };
}

function writtenLogs(ledger: Ledger, done: readonly PlannedWrite[]): LogRecord[] {
  return done.flatMap(({ assignment: { container }, cpus }) => {
    const delivery = ledger.assignments.get(container.id)?.delivery;
    return delivery?.state !== "failed"
      ? []
      : [logOf("info", "cpuset written", container, { cpus: `${cpus}`, retries: delivery.failure.tries })];
  });
}

/**
 * Containers whose CPUs couldn't be taken are looked at once more, and written, before their back-off is over: a claim is
 * about to depend on it. Another program or the runtime may have moved them since.
 */
export function retryFailed(state: AgentState): Slice {
  if (state.ledger.failed.length === 0) return { ledger: state.ledger, logs: [] };
  const cpusets = writablePort(state);
  const ledger = rereadFailed(state);
  if (cpusets === undefined) return { ledger, logs: [] };
  const retried = new Set(ledger.failed.map(({ container }) => container.id));
  const slice = applySlice(cpusets, ledger, state.now, { kind: "losses", retried });
  return { ledger: withoutVacated(slice.ledger), logs: slice.logs };
}

/** The ledger with what is read of them now; one that can't be read isn't known to keep any CPU. */
function rereadFailed(state: AgentState): Ledger {
  const { ledger } = state;
  const read = ledger.failed.reduce((next, { container }) => {
    const reading = readablePort(state)?.read(container);
    if (reading?.kind === "values") {
      return next.update(container.id, (a) => ({ ...a, mayRunOn: reading.cpus }));
    }
    return writablePort(state) === undefined ? next.update(container.id, resolved) : next;
  }, ledger);
  return writablePort(state) === undefined ? withoutVacated(read) : read;
}

/** A container that has nothing to give up now may give up other CPUs than before. */
function withoutVacated(ledger: Ledger): Ledger {
  return ledger.failed.reduce(
    (next, holder) => next.overhang(holder).isEmpty ? next.update(holder.container.id, resolved) : next,
    ledger,
  );
}
