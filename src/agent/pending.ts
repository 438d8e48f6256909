/**
 * What replies couldn't say. It is remembered since when something is owed, and after a while it is brought about by
 * another way.
 *
 * Growth of the shared pool is left to that on purpose. The runtime needs milliseconds for each container that a reply
 * names, and keeps all others waiting meanwhile: so what several ends free becomes one round of updates, and that round
 * is best made one container at a time, between the runtime's own calls.
 */
import { type Assignment, recordLags } from "../ledger/assignment.ts";
import { type CpuUpdate, pendingUpdates, planUpdates } from "../ledger/updates.ts";
import type { Ledger } from "../ledger/ledger.ts";
import { isDue } from "./kernel_first.ts";
import type { AgentState } from "./state.ts";

/** Milliseconds after which the host is asked again, where not all has been brought about. */
const RETRY_MS = 5000;

/** Whether containers that would only gain CPUs may be told of it later. */
export function mayDelayGrowth({ growDelayMs, pending, now, dryRun }: AgentState): boolean {
  return !dryRun && growDelayMs > 0 && (pending === undefined || now - pending.since < growDelayMs);
}

/**
 * The node with a ledger from which all was told that could be. It remembers since when the runtime is owed something,
 * if it is, and whether something is left to be written in the kernel.
 */
export function withLedger(state: AgentState, ledger: Ledger): AgentState {
  const { updates, ledger: told } = planUpdates(ledger);
  const lags = (assignment: Assignment) => recordLags(assignment, told.topology.online);
  const owes = !state.dryRun && (updates.some(({ inKernel }) => !inKernel) || told.dirty.some(lags));
  const settling = updates.some((each) => isDue(ledger, each, state.now));
  const next = { ...state, ledger, hasWrites: settling };
  if (owes === (state.pending !== undefined)) return next;
  const { pending: _, ...rest } = next;
  return owes ? { ...rest, pending: { since: state.now } } : rest;
}

/**
 * What is owed and should wait neither for its time nor for the next reply: somebody has to leave CPUs that are another's
 * by now, or goes to new ones.
 */
export function immediateUpdates({ dryRun }: AgentState, ledger: Ledger): CpuUpdate[] {
  if (dryRun) return [];
  return planUpdates(ledger, { growth: true, kernel: "none" }).updates.map(({ id, cpus }) => ({ id, cpus }));
}

/** What is due by now of what is owed, in the order in which it is to be brought about. */
export function takeDue(
  state: AgentState,
): { readonly node: AgentState; readonly owed: readonly CpuUpdate[] } {
  const { pending, growDelayMs, now, phase } = state;
  const isDue = pending !== undefined && phase === "serving" && now - pending.since >= growDelayMs &&
    now - (pending.requestedAt ?? -Infinity) >= RETRY_MS;
  if (!isDue) return { node: state, owed: [] };
  return {
    node: { ...state, pending: { ...pending, requestedAt: now } },
    owed: pendingUpdates(state.ledger),
  };
}
