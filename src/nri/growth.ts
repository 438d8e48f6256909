/**
 * Growth of the shared pool waits a little. The runtime needs milliseconds for each container that a reply names, and
 * keeps all others waiting meanwhile: so what several ends free becomes one round of updates, and that round is best
 * made one container at a time, between the runtime's own calls.
 */
import { type Change, changes, tell } from "../ledger/changes.ts";
import type { Ledger } from "../ledger/ledger.ts";
import type { Node } from "./node.ts";

/** Milliseconds after which the host is asked again, where not all has been brought about. */
const ASK_AGAIN = 5000;

/** Whether containers that would only gain CPUs may be told of it later. */
export function growthMayWait({ growDelay, growth, now, dryRun }: Node): boolean {
  return !dryRun && growDelay > 0 && (growth === undefined || now - growth.since < growDelay);
}

/** The node with a ledger from which all was told that could be; it remembers since when growth waits, if it does. */
export function withLedger(node: Node, ledger: Ledger): Node {
  const waits = !node.dryRun && tell(ledger, { growth: true }).waiting;
  return waitingForGrowth({ ...node, ledger }, waits);
}

/**
 * What is owed and should wait neither for its time nor for the next reply: somebody has to leave CPUs that are another's
 * by now, or goes to new ones.
 */
export function urgent({ dryRun }: Node, ledger: Ledger): Change[] {
  if (dryRun) return [];
  return changes(ledger, { growth: true });
}

function waitingForGrowth(node: Node, waits: boolean): Node {
  if (waits === (node.growth !== undefined)) return node;
  const { growth: _, ...rest } = node;
  return waits ? { ...rest, growth: { since: node.now } } : rest;
}

/** What is due by now of the growth that has waited, in the order in which it is to be brought about. */
export function growthDue(node: Node): { readonly node: Node; readonly owed: readonly Change[] } {
  const { growth, growDelay, now, phase } = node;
  const due = growth !== undefined && phase === "serving" && now - growth.since >= growDelay &&
    now - (growth.askedAt ?? -Infinity) >= ASK_AGAIN;
  if (!due) return { node, owed: [] };
  return { node: { ...node, growth: { ...growth, askedAt: now } }, owed: changes(node.ledger) };
}
