/** What is done between requests: cgroups are written, each for itself, and compared with the ledger. */
import type { CpusetPort } from "../cgroup/port.ts";
import { resolved } from "../ledger/delivery.ts";
import { retryDegraded } from "../ledger/degraded.ts";
import type { Ledger } from "../ledger/ledger.ts";
import type { CpuUpdate } from "../ledger/updates.ts";
import { afterWrites, type PlannedWrite, planWrites } from "../ledger/writes.ts";
import type { LogRecord } from "../log_record.ts";
import { type Agent, idle, logOutput, type Output, type Step, wakeFor } from "./agent.ts";
import { writablePort } from "./apply_mode.ts";
import { deliveryLogs, logOf } from "./logs.ts";
import { hasWrites, immediateUpdates, withLedger } from "./pending.ts";
import { reconcile } from "./reconcile.ts";
import type { AgentState } from "./state.ts";
import { lessonOf, writeAll } from "./transaction.ts";

/** How many cgroups a slice writes, and in how many milliseconds: requests are answered between two slices. */
const SLICE = 64;
const SLICE_MS = 50;
/** Milliseconds that one write may take. */
const WRITE_DEADLINE_MS = 300;

/** Does a slice of what there is to do, and asks for a tick at once if that isn't all. */
export function runBackgroundWork(agent: Agent): Step {
  if (agent.state.phase !== "serving") return idle(agent);
  const applied = applyPending(agent.state);
  const { state, logs, ended } = reconcile(applied.state);
  const isMore = state.reconcile.queue.length > 0 || (hasWrites(state) && writablePort(state) !== undefined);
  const outputs: Output[] = [
    ...[...applied.logs, ...logs].map(logOutput),
    ...(applied.updates.length === 0 ? [] : [{ kind: "apply", changes: applied.updates } as const]),
    ...(ended ? [{ kind: "count" } as const] : []),
    ...(isMore ? [{ kind: "wake", after: 0 } as const] : wakeFor(agent.state, state)),
  ];
  return { agent: { ...agent, state }, outputs };
}

interface Applied {
  readonly state: AgentState;
  readonly logs: readonly LogRecord[];
  /** What the runtime is to be asked for at once: a degraded container has got its CPUs, and others are still there. */
  readonly updates: readonly CpuUpdate[];
}

function applyPending(state: AgentState): Applied {
  const cpusets = writablePort(state);
  const { ledger } = state;
  if (cpusets === undefined || (ledger.failed.length === 0 && !hasWrites(state))) {
    return { state, logs: [], updates: [] };
  }
  const slice = applySlice(cpusets, clearResolved(ledger), state.now);
  // Who had to do without CPUs that couldn't be taken from another may have them now.
  const isFree = slice.ledger.failed.length < ledger.failed.length;
  const next = isFree ? retryDegraded(slice.ledger) : slice.ledger;
  return {
    state: withLedger(state, next),
    logs: slice.logs,
    updates: next === slice.ledger ? [] : immediateUpdates(state, next),
  };
}

/** Whose delivery has failed and who has, by now, what it should have: that failure is over. */
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

/** Writes what is due, in order; after a failure what is left is planned anew, without the container that failed. */
function applySlice(cpusets: CpusetPort, before: Ledger, now: number): Slice {
  const logs: LogRecord[] = [];
  let ledger = before;
  let [leftMs, left] = [SLICE_MS, SLICE];
  while (left > 0 && leftMs > 0) {
    const plan = planWrites(ledger, { kind: "due", now }).slice(0, left);
    if (plan.length === 0) break;
    const done: PlannedWrite[] = [];
    for (const write of plan) {
      const result = writeAll(cpusets, [write], WRITE_DEADLINE_MS);
      [leftMs, left] = [leftMs - result.tookMs, left - 1];
      if (result.kind !== "done") {
        const lesson = lessonOf(cpusets, ledger, [write], result, now);
        ledger = lesson.learn(ledger);
        logs.push(...lesson.logs);
        break;
      }
      done.push(write);
      if (leftMs <= 0) break;
    }
    logs.push(...writtenLogs(ledger, done), ...deliveryLogs(done));
    ledger = afterWrites(ledger, done);
    if (done.length === plan.length) break;
  }
  return { ledger, logs };
}

function writtenLogs(ledger: Ledger, done: readonly PlannedWrite[]): LogRecord[] {
  return done.flatMap(({ assignment: { container }, cpus }) => {
    const delivery = ledger.assignments.get(container.id)?.delivery;
    return delivery?.state !== "failed"
      ? []
      : [logOf("info", "cpuset written", container, { cpus: `${cpus}`, retries: delivery.failure.tries })];
  });
}

/** Those whose CPUs couldn't be taken are tried once more, each for itself: a claim is about to depend on it. */
export function retryFailed(state: AgentState): Slice {
  const cpusets = writablePort(state);
  const cleared = clearResolved(state.ledger);
  if (cpusets === undefined || cleared.failed.length === 0) return { ledger: cleared, logs: [] };
  const ids = new Set(cleared.failed.map(({ container }) => container.id));
  const plan = planWrites(cleared, { kind: "losses", retryFailed: true })
    .filter(({ assignment }) => ids.has(assignment.container.id)).slice(0, SLICE);
  let ledger = cleared;
  for (const write of plan) {
    const result = writeAll(cpusets, [write], WRITE_DEADLINE_MS);
    ledger = result.kind === "done"
      ? afterWrites(ledger, [write])
      : lessonOf(cpusets, ledger, [write], result, state.now).learn(ledger);
  }
  return { ledger, logs: [] };
}
