/** Cgroups written each for itself, not all or nothing: between requests, and before a claim that may depend on it. */
import type { CpusetPort } from "../cgroup/port.ts";
import { VOID } from "../ledger/bound.ts";
import { resolved } from "../ledger/delivery.ts";
import { withoutId } from "../ledger/id_map.ts";
import type { Ledger } from "../ledger/ledger.ts";
import { afterWrites, type PlannedWrite, planWrites, type WriteScope } from "../ledger/plan_writes.ts";
import { isIn } from "../ledger/updates.ts";
import type { LogRecord } from "../log_record.ts";
import { ownCpus, readablePort, writablePort } from "./apply_mode.ts";
import type { WriteFailed } from "./decision.ts";
import { knowledgeOf, writeAll } from "./kernel.ts";
import { deliveryLogs, logOf } from "./logs.ts";
import type { AgentState } from "./state.ts";

/** How many cgroups a slice writes, and in how many milliseconds: requests are answered between two slices. */
const SLICE = 64;
const SLICE_MS = 50;
/** Milliseconds that one write may take. */
const WRITE_DEADLINE_MS = 300;

/** The ledger without failures of containers that have, by now, what they should have. */
export function clearResolved(ledger: Ledger): Ledger {
  return ledger.failed.reduce((next, holder) => {
    return isIn(next, holder, next.desired(holder)) ? next.update(holder.container.id, resolved) : next;
  }, ledger);
}

/** What a slice has done. */
export interface Slice {
  readonly ledger: Ledger;
  readonly logs: readonly LogRecord[];
  readonly tookMs: number;
}

/**
 * Writes in the planned order, each container for itself; after a failure what is left is planned anew, without the
 * container that failed.
 */
export function applySlice(
  cpusets: CpusetPort,
  before: Ledger,
  now: number,
  first: WriteScope,
  deadlineMs = WRITE_DEADLINE_MS,
): Slice {
  const logs: LogRecord[] = [];
  let [ledger, scope] = [before, first];
  let [tookMs, left] = [0, SLICE];
  while (left > 0 && tookMs < SLICE_MS) {
    const plan = planWrites(ledger, scope).slice(0, left);
    const done: PlannedWrite[] = [];
    let shown: Pick<WriteFailed, "learn" | "logs"> | undefined;
    for (const write of plan) {
      const result = writeAll(cpusets, ledger, [write], deadlineMs);
      [tookMs, left] = [tookMs + result.tookMs, left - 1];
      if (result.kind !== "done") {
        shown = knowledgeOf(cpusets, ledger, [write], result, now);
        scope = withoutRetry(scope, write.assignment.container.id);
        break;
      }
      done.push(write);
      if (tookMs >= SLICE_MS) break;
    }
    logs.push(...writtenLogs(ledger, done), ...deliveryLogs(done));
    ledger = afterWrites(ledger, done);
    if (shown === undefined) break;
    logs.push(...shown.logs);
    ledger = shown.learn(ledger);
  }
  return { ledger, logs, tookMs };
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
export function retryFailed(state: AgentState, deadlineMs: number): Slice {
  const cpusets = writablePort(state);
  const ledger = rereadFailed(state);
  if (cpusets === undefined) return { ledger, logs: [], tookMs: 0 };
  const retried = new Set(ledger.failed.map(({ container }) => container.id));
  const slice = applySlice(cpusets, ledger, state.now, { kind: "losses", retried }, deadlineMs);
  return { ...slice, ledger: withoutVacated(slice.ledger) };
}

/** The ledger with what is read of them now; one that can't be read isn't known to keep any CPU. */
function rereadFailed(state: AgentState): Ledger {
  const { ledger } = state;
  const read = ledger.failed.reduce((next, { container }) => {
    const reading = readablePort(state)?.read(container);
    if (reading?.kind === "values") {
      const cpus = writablePort(state) === undefined ? reading.cpus : ownCpus(reading);
      return next.update(container.id, (a) => ({ ...a, mayRunOn: cpus }));
    }
    return writablePort(state) === undefined ? next.update(container.id, resolved) : next;
  }, ledger);
  return writablePort(state) === undefined ? withoutVacated(read) : read;
}

/** A container that has nothing to give up now may give up other CPUs than before. */
function withoutVacated(ledger: Ledger): Ledger {
  return ledger.failed.reduce(
    (next, holder) =>
      next.overhang(holder).isEmpty && holder.mayRunOn !== VOID
        ? next.update(holder.container.id, resolved)
        : next,
    ledger,
  );
}
