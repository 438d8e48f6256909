/**
 * When the runtime is asked who lives after a comparison, for what it hasn't reported. Its answer has a megabyte with a thousand
 * containers, and takes more CPU time than their cgroups: so a node at rest, where everybody that is known was seen alive in the
 * kernel, asks once a minute.
 */
import { isGroup } from "../ledger/groups.ts";
import { perLedger } from "../ledger/per_ledger.ts";
import type { AgentState } from "./state.ts";

/** Milliseconds between two answers, where nothing speaks for a change. */
const AT_REST_MS = 60_000;

/** At the end of a comparison: whether its looks, or the time since it was asked last, are a reason to ask. */
export function isCountDue(state: AgentState): boolean {
  const { reconcile: { counted }, ledger, now } = state;
  return counted === undefined || counted.ledger !== ledger || now - counted.at >= AT_REST_MS ||
    mayDiffer(state);
}

/** The state in which it is asked now. */
export function asked(state: AgentState): AgentState {
  const { reconcile, now: at, ledger } = state;
  return { ...state, reconcile: { ...reconcile, counted: { at, ledger } } };
}

const knownIn = perLedger(({ assignments }) => assignments.values().filter((each) => !isGroup(each)).length);

/** Whether somebody wasn't seen alive, or the last answer has left something open. */
function mayDiffer({ reconcile, ledger, untracked }: AgentState): boolean {
  const { missing, unknown, lacksEnded, lostEnds: { looked, nobody, ended } } = reconcile;
  return looked < knownIn(ledger) || lacksEnded ||
    [missing, unknown, untracked, nobody, ended].some(({ size }) => size > 0);
}
