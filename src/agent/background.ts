/** What is done while nobody waits for an answer: the kernel is written, compared, and the runtime asked what it knows. */
import { type Agent, idle, logOutput, type Output, type Step, wakeFor } from "./agent.ts";
import type { CpuUpdate } from "../ledger/updates.ts";
import { retryDegraded } from "../ledger/degraded.ts";
import { applyWrites, kernelOf } from "./kernel_first.ts";
import type { AgentState } from "./state.ts";
import { immediateUpdates, withLedger } from "./pending.ts";
import { reconcile, type Reconciled } from "./reconcile.ts";

/** Does a part of what there is to do, and asks for a tick at once if that isn't all. */
export function runBackgroundWork(agent: Agent): Step {
  if (agent.state.phase !== "serving") return idle(agent);
  const settled = applyPending(agent.state);
  const { state, logs, ended } = reconcile(settled.state);
  const more = state.reconcile.queue.length > 0 || state.hasWrites;
  const outputs: Output[] = [
    ...[...settled.logs, ...logs].map(logOutput),
    ...(settled.owed.length === 0 ? [] : [{ kind: "apply", changes: settled.owed } as const]),
    ...(ended ? [{ kind: "count" } as const] : []),
    ...(more ? [{ kind: "wake", after: 0 } as const] : wakeFor(agent.state, state)),
  ];
  return { agent: { ...agent, state }, outputs };
}

interface Applied extends Pick<Reconciled, "state" | "logs"> {
  /** What the runtime is to be asked for at once: somebody has got its due, and others are still there. */
  readonly owed: readonly CpuUpdate[];
}

function applyPending(state: AgentState): Applied {
  const kernel = kernelOf(state);
  const waits = state.ledger.writeFailures.size > 0;
  if (kernel === undefined) {
    return { state: state.hasWrites ? { ...state, hasWrites: false } : state, logs: [], owed: [] };
  }
  if (!state.hasWrites && !waits) return { state, logs: [], owed: [] };
  const settled = applyWrites(kernel, state.ledger, state.now);
  const { logs, written } = settled;
  // Who had to do without what somebody couldn't be made to leave may have it now.
  const isFree = settled.ledger.writeFailures.size < state.ledger.writeFailures.size;
  const ledger = isFree ? retryDegraded(settled.ledger) : settled.ledger;
  const { reconcile } = state;
  const repaired = written.filter(({ id }) => reconcile.reasons.has(id)).length;
  const next = withLedger(state, ledger);
  return {
    state: repaired === 0
      ? next
      : { ...next, reconcile: { ...reconcile, repairs: reconcile.repairs + repaired } },
    logs,
    owed: ledger === settled.ledger ? [] : immediateUpdates(next, ledger),
  };
}
