/** Ends that the runtime hasn't reported, found by counting what lives. */
import { isStarting } from "../ledger/delivery.ts";
import type { Ledger } from "../ledger/ledger.ts";
import { release, releaseSandbox } from "../ledger/release.ts";
import { pendingUpdates } from "../ledger/updates.ts";
import type { Adopted } from "./adopt.ts";
import type { Living } from "./early.ts";
import { released } from "./handlers/ends.ts";
import { withLedger } from "./pending.ts";
import type { AgentState } from "./state.ts";

/**
 * Containers that aren't among the living are released when they have been missing twice, since one that is being created
 * in this moment isn't listed yet; and so are claims that are held for pods.
 */
export function forgetEnded(state: AgentState, { containers: living, sandboxes }: Living): Adopted {
  const { untracked: before, reconcile } = state;
  const gone = state.ledger.assignments.values().filter((assignment) => {
    const { id, sandboxId } = assignment.container;
    if (assignment.leftover !== undefined) return false;
    if (assignment.isHeld) return !sandboxes.has(sandboxId);
    return !living.has(id) && (before.has(id) || (!isStarting(assignment) && sandboxId !== ""));
  }).map(({ container }) => container.id);
  const ended = gone.filter((id) => reconcile.missing.has(id));
  const { ledger, logs } = released(state, (before) => withoutEnded(before, ended, sandboxes), ended);
  const untracked = new Set([...before].filter((id) => ledger.assignments.has(id)));
  const missing = new Set(gone.filter((id) => ledger.assignments.has(id)));
  return {
    state: withLedger({ ...state, untracked, reconcile: { ...reconcile, missing } }, ledger),
    updates: state.dryRun || ended.length === 0 ? [] : pendingUpdates(ledger),
    logs,
  };
}

/** A container whose end isn't reported has a pod whose end may not be, either. */
function withoutEnded(before: Ledger, ended: readonly string[], sandboxes: Living["sandboxes"]): Ledger {
  const containers = ended.flatMap((id) => before.assignments.get(id)?.container ?? []);
  return containers.reduce(
    (next, { podUid, sandboxId }) =>
      sandboxes.has(sandboxId) ? next : releaseSandbox(next, sandboxId, podUid),
    ended.reduce(release, before),
  );
}
