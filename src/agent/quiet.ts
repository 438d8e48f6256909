/**
 * Containers at rest: a comparison has found them as they should be, and nothing would come of another one that shows the same
 * (compare.ts). The next ones look at all of them in one go, and compare only those that show something else.
 */
import type { CpusetPort, GlancedContainer } from "../cgroup/port.ts";
import type { Assignment } from "../ledger/assignment.ts";
import { isGroup } from "../ledger/groups.ts";
import type { Ledger } from "../ledger/ledger.ts";
import { sandboxingOf } from "../nri/rules.ts";
import { unchangedBy } from "./compare.ts";
import type { Quiet } from "./reconcile_state.ts";
import type { AgentState } from "./state.ts";

/** Milliseconds in which the threads of every container are looked at once, if comparisons come more often. */
export const THREADS_MS = 60_000;

/** What is to be compared, and how many others were seen to be as before. */
export interface Due {
  readonly queue: readonly string[];
  readonly seen: number;
  readonly quiet: Quiet | undefined;
}

/** In how many comparisons each container's threads are looked at once. */
function turnsIn({ reconcileMs }: Pick<AgentState, "reconcileMs">): number {
  return Math.max(1, Math.round(THREADS_MS / reconcileMs));
}

/** In which of them those of this one are. */
function turnOf(id: string, turns: number): number {
  return id.charCodeAt(id.length - 1) % turns;
}

/** Whether it is the turn of its threads in this comparison. */
export function isItsTurn(state: AgentState, id: string): boolean {
  const turns = turnsIn(state);
  return turnOf(id, turns) === state.reconcile.begun % turns;
}

/** With a look at those at rest, where the last comparison has left some. */
export function dueIn(state: AgentState): Due {
  const { ledger, reconcile: { quiet, begun } } = state;
  const changed = isCurrent(state) ? quiet?.glance.changed(begun % turnsIn(state)) : undefined;
  if (quiet === undefined || changed === undefined) {
    return { queue: comparedIn(ledger), seen: 0, quiet: undefined };
  }
  return { queue: [...changed, ...quiet.others], seen: quiet.glance.ids.size - changed.length, quiet };
}

function comparedIn({ assignments }: Ledger): string[] {
  return assignments.values().filter(({ isHeld }) => !isHeld).map(({ container }) => container.id);
}

function isCurrent(state: AgentState): boolean {
  const { ledger, reconcile: { quiet } } = state;
  return quiet?.ledger === ledger && quiet.turns === turnsIn(state);
}

/** The state at the end of a comparison, with those that are at rest by it. */
export function withQuiet(state: AgentState, cpusets: CpusetPort): AgentState {
  const { ledger, reconcile } = state;
  if (cpusets.glance === undefined || isCurrent(state)) return state;
  const turns = turnsIn(state);
  const glance = cpusets.glance(ledger.assignments.values().flatMap((each) => restOf(state, each, turns)));
  const others = comparedIn(ledger).filter((id) => !glance.ids.has(id));
  return { ...state, reconcile: { ...reconcile, quiet: { ledger, turns, glance, others } } };
}

/**
 * Of those with CPUs of their own more is read, and of those whose masks leave less the next look may find less: these are compared
 * each time, as groups are, and containers whose runtime keeps their processes elsewhere.
 */
function restOf(state: AgentState, assignment: Assignment, turns: number): GlancedContainer[] {
  const { container, claim, grant, affinity } = assignment;
  const reading = unchangedBy(state.ledger, assignment);
  const isAtRest = reading !== undefined && claim.kind === "shared" && grant.isEmpty &&
    !isGroup(assignment) &&
    affinity !== undefined && Object.keys(affinity).length === 0 &&
    state.reconcile.lostEnds.lived.has(container.id) &&
    sandboxingOf(state.rules, container.handler) === undefined;
  return isAtRest ? [{ container, reading, turn: turnOf(container.id, turns) }] : [];
}
