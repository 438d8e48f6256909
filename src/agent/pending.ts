/**
 * What is still to be delivered: writes of cgroups, and updates that replies couldn't carry. Both are derived from the
 * ledger; all that is remembered is since when the runtime lacks an update.
 *
 * Growth of the shared pool is delayed on purpose where the runtime delivers it. The runtime needs milliseconds for each
 * container that a reply names, and holds its one lock meanwhile: so what several ends free becomes one round of updates,
 * one container at a time, between the runtime's own calls.
 */
import { isConfirmed, updateLost } from "../ledger/delivery.ts";
import type { Ledger } from "../ledger/ledger.ts";
import { perLedger } from "../ledger/per_ledger.ts";
import { type CpuUpdate, hasUpdates, pendingUpdates, planUpdates } from "../ledger/updates.ts";
import { dueWrites } from "../ledger/plan_writes.ts";
import { writablePort } from "./apply_mode.ts";
import type { AgentState } from "./state.ts";

/** Milliseconds after which the host is asked again, where not all has been delivered. */
const RETRY_MS = 5000;

/** Whether containers that would only gain CPUs may get them later. */
export function mayDelayGrowth({ growDelayMs, pending, now, dryRun }: AgentState): boolean {
  return !dryRun && growDelayMs > 0 && (pending === undefined || now - pending.since < growDelayMs);
}

/** The state with that ledger; it remembers since when the runtime lacks an update, if it does. */
export function withLedger(state: AgentState, ledger: Ledger): AgentState {
  const next = { ...state, ledger };
  const lacks = !state.dryRun && lacksUpdates(ledger);
  if (lacks === (state.pending !== undefined)) return next;
  const { pending: _, ...rest } = next;
  return lacks ? { ...rest, pending: { since: state.now } } : rest;
}

/**
 * The state in which it is known of all to whom nothing is to be delivered, once nothing is: after a change of the pool, and after
 * looks at all, each of them may have been owed something, and would be gone through at the next event.
 */
export function withDelivered(state: AgentState): AgentState {
  if (state.ledger.dirty.length === 0 || hasWrites(state)) return state;
  const ledger = deliveredIn(state.ledger);
  return ledger === state.ledger ? state : { ...state, ledger };
}

const deliveredIn = perLedger((ledger) => {
  const { updates, ledger: after } = planUpdates(ledger);
  return updates.length === 0 && after.dirty.length < ledger.dirty.length ? after : ledger;
});

/** Something that was sent while a container was starting counts too: it may have to be sent again. */
const lacksUpdates = perLedger(hasUpdates);

/** Whether cgroups can be written at once, without waiting for the end of a back-off. */
export function hasWrites({ ledger }: AgentState): boolean {
  return dueWrites(ledger).length > 0;
}

/**
 * Updates that should wait neither for the growth delay nor for the next reply: a container has to give up CPUs that are
 * another's by now, or moves to new ones.
 */
export function immediateUpdates({ dryRun }: AgentState, ledger: Ledger): CpuUpdate[] {
  if (dryRun) return [];
  return planUpdates(ledger, { growth: true }).updates.map(({ id, cpus }) => ({ id, cpus }));
}

/** The same, where a container has got other CPUs: else they can wait. */
export function updatesForMoved(before: Ledger, after: AgentState): CpuUpdate[] {
  return after.ledger.claimed.equals(before.claimed) ? [] : immediateUpdates(after, after.ledger);
}

/** Whether a container whose cgroup was written gets its CPUs by the runtime now. */
export function hasFallenBack({ ledger: before }: AgentState, after: AgentState): boolean {
  const { ledger } = after;
  if (before === ledger || writablePort(after) === undefined) return false;
  return ledger.dirty.some(({ container: { id }, delivery }) => {
    const was = delivery.by === "record" ? before.assignments.get(id) : undefined;
    return was !== undefined && isConfirmed(was);
  });
}

/** The state in which an update that the runtime couldn't apply is to be sent again, after a while. */
export function withUpdateLost(state: AgentState, id: string): AgentState {
  const next = withLedger(state, state.ledger.update(id, updateLost));
  const { pending, now } = next;
  return pending === undefined ? next : { ...next, pending: { ...pending, requestedAt: now } };
}

/** The pending updates that are due by now, in the order in which they are to be applied. */
export function takeDue(
  state: AgentState,
): { readonly state: AgentState; readonly updates: readonly CpuUpdate[] } {
  const { pending, growDelayMs, now, phase, ledger } = state;
  const isDue = pending !== undefined && phase === "serving" && now - pending.since >= growDelayMs &&
    now - (pending.requestedAt ?? -Infinity) >= RETRY_MS;
  if (!isDue) return { state, updates: [] };
  return { state: { ...state, pending: { ...pending, requestedAt: now } }, updates: pendingUpdates(ledger) };
}
