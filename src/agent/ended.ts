/** Ends that the runtime hasn't reported, found by counting what lives. */
import { isStarting } from "../ledger/delivery.ts";
import type { Ledger } from "../ledger/ledger.ts";
import { mayLeave } from "../ledger/leftover.ts";
import { release, releaseSandbox } from "../ledger/release.ts";
import { pendingUpdates } from "../ledger/updates.ts";
import { readablePort } from "./apply_mode.ts";
import { lookAtAll } from "./kernel.ts";
import type { Adopted } from "./adopt.ts";
import type { Living } from "./early.ts";
import { released, withLeftovers } from "./handlers/ends.ts";
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
  const left = leftIn(state, ended);
  const over = released(state, (before) => withoutEnded(before, ended, sandboxes, left), ended);
  const { ledger, logs } = withLeftovers(state, over, left, ({ sandboxId }) => !sandboxes.has(sandboxId));
  const untracked = new Set([...before].filter((id) => ledger.assignments.has(id)));
  const missing = new Set(gone.filter((id) => ledger.assignments.has(id)));
  return {
    state: withLedger({ ...state, untracked, reconcile: { ...reconcile, missing } }, ledger),
    updates: state.dryRun || ended.length === 0 ? [] : pendingUpdates(ledger),
    logs,
  };
}

/** Those of them whose processes live on. */
function leftIn(state: AgentState, ended: readonly string[]): ReadonlySet<string> {
  const known = ended.flatMap((id) => state.ledger.assignments.get(id) ?? []).filter((each) =>
    mayLeave(state.ledger, each)
  );
  const populations = lookAtAll(readablePort(state), known.map(({ container }) => container));
  return new Set(ended.filter((id) => populations.get(id) === "populated"));
}

/** A container whose end isn't reported has a pod whose end may not be, either. */
function withoutEnded(
  before: Ledger,
  ended: readonly string[],
  sandboxes: Living["sandboxes"],
  left: ReadonlySet<string>,
): Ledger {
  const containers = ended.flatMap((id) => before.assignments.get(id)?.container ?? []);
  return containers.reduce(
    (next, { podUid, sandboxId }) =>
      sandboxes.has(sandboxId) ? next : releaseSandbox(next, sandboxId, podUid, left),
    ended.filter((id) => !left.has(id)).reduce(release, before),
  );
}
