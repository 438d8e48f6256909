/** What is done between requests: cgroups are written, each for itself, and compared with the ledger. */
import { overhangsOf } from "../ledger/conflict.ts";
import { isConfirmed, written } from "../ledger/delivery.ts";
import { retryDegraded } from "../ledger/degraded.ts";
import { perLedger } from "../ledger/per_ledger.ts";
import { needsWrite } from "../ledger/updates.ts";
import { type Agent, idle, logOutput, type Output, type Step, wakeFor } from "./agent.ts";
import { ownCpus, writablePort } from "./apply_mode.ts";
import { lookAtLeftovers } from "./leftovers.ts";
import { withLimitOf } from "./limits.ts";
import type { Logged } from "./logged.ts";
import { recoveredLogs } from "./logs.ts";
import { hasOpenMemory, settleMemory } from "./memory.ts";
import { settlePartitions } from "./partitions.ts";
import { settlePauses } from "./pauses.ts";
import { hasFallenBack, hasWrites, immediateUpdates, withDelivered, withLedger } from "./pending.ts";
import { hasOpenQuotas, settleQuotas } from "./quotas.ts";
import { reconcile } from "./reconcile.ts";
import { hasOpenSandboxes, settleSandboxes } from "./sandboxes.ts";
import { applySlice, clearResolved } from "./slice.ts";
import type { AgentState } from "./state.ts";

/** How many cgroups are read because they are in the way. */
const MAX_READS = 64;

/** Does a slice of what there is to do, and asks for a tick at once if that isn't all. */
export function runBackgroundWork(agent: Agent): Step {
  // On standby another agent does it.
  if (agent.state.phase !== "serving" || agent.state.standby) return idle(agent);
  const looked = lookAtLeftovers(agent.state);
  const current = looked.state;
  const retried = withDegradedRetried(current);
  // In the same step: who gets CPUs isn't the only one on them before the others are written.
  const read = withBlockersRead(retried);
  const applied = applyPending(read.state);
  const compared = reconcile(applied.state);
  const settled = settlePartitions(compared.state);
  const quotas = settleQuotas(settled.state);
  const sandboxes = settleSandboxes(quotas.state);
  const memory = settleMemory(sandboxes.state);
  const state = settlePauses(memory.state);
  // A container has got other CPUs, and others are still there; or one that has to give up CPUs can't be written.
  const isUrgent = retried !== current || !state.ledger.claimed.equals(current.ledger.claimed) ||
    hasFallenBack(agent.state, state) ||
    state.reconcile.lostEnds.count !== current.reconcile.lostEnds.count;
  const updates = isUrgent ? immediateUpdates(state, state.ledger) : [];
  // A comparison may have shown that one may have by now what it lacks.
  const isServable = compared.state.ledger !== applied.state.ledger &&
    withDegradedRetried(compared.state) !== compared.state;
  const isMore = isServable || state.reconcile.queue.length > 0 || hasOpenQuotas(state) ||
    hasOpenSandboxes(state) ||
    hasOpenMemory(state) ||
    (hasWrites(state) && writablePort(state) !== undefined);
  const outputs: Output[] = [
    ...[
      ...looked.logs,
      ...recoveredLogs(current.ledger, retried.ledger),
      ...read.logs,
      ...applied.logs,
      ...compared.logs,
      ...settled.logs,
      ...quotas.logs,
      ...sandboxes.logs,
      ...memory.logs,
    ]
      .map(logOutput),
    ...(updates.length === 0 ? [] : [{ kind: "apply", changes: updates } as const]),
    ...(compared.isCountDue ? [{ kind: "count" } as const] : []),
    ...wakeFor(agent.state, state, isMore),
  ];
  return { agent: { ...agent, state: withDelivered(state) }, outputs };
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

function applyPending(state: AgentState): Logged {
  const cpusets = writablePort(state);
  const { ledger, now } = state;
  if (cpusets === undefined || (ledger.failed.length === 0 && !hasWrites(state))) return { state, logs: [] };
  const slice = applySlice(cpusets, clearResolved(ledger), now, { kind: "due", now });
  return { state: withLedger(state, slice.ledger), logs: slice.logs };
}

const owesWrites = perLedger((ledger) => ledger.dirty.some((assignment) => needsWrite(ledger, assignment)));

/** Where nothing can be written because of containers that aren't known by their cgroups, these are read again. */
function withBlockersRead(state: AgentState): Logged {
  const { ledger } = state;
  const cpusets = writablePort(state);
  const isBlocked = cpusets !== undefined && !hasWrites(state) && owesWrites(ledger);
  if (!isBlocked) return { state, logs: [] };
  const blockers = overhangsOf(ledger).all.filter(({ holder }) => !isConfirmed(holder)).slice(0, MAX_READS);
  return blockers.reduce<Logged>(({ state, logs }, { holder: { container } }) => {
    const reading = cpusets.read(container);
    if (reading.kind !== "values") return { state, logs };
    const next = state.ledger.update(container.id, (each) => written(each, ownCpus(reading)));
    return withLimitOf({ state: withLedger(state, next), logs }, container.id, reading);
  }, { state, logs: [] });
}
