/**
 * What replies couldn't say. It is remembered since when something is owed, and after a while it is brought about by
 * another way.
 *
 * Growth of the shared pool is left to that on purpose. The runtime needs milliseconds for each container that a reply
 * names, and keeps all others waiting meanwhile: so what several ends free becomes one round of updates, and that round
 * is best made one container at a time, between the runtime's own calls.
 */
import { type Assignment, recordLags } from "../ledger/assignment.ts";
import { type Change, changes, tell } from "../ledger/changes.ts";
import type { Ledger } from "../ledger/ledger.ts";
import { isDue } from "./kernel_first.ts";
import type { Node } from "./state.ts";

/** Milliseconds after which the host is asked again, where not all has been brought about. */
const ASK_AGAIN = 5000;

/** Whether containers that would only gain CPUs may be told of it later. */
export function growthMayWait({ growDelay, owing, now, dryRun }: Node): boolean {
  return !dryRun && growDelay > 0 && (owing === undefined || now - owing.since < growDelay);
}

/**
 * The node with a ledger from which all was told that could be. It remembers since when the runtime is owed something,
 * if it is, and whether something is left to be written in the kernel.
 */
export function withLedger(node: Node, ledger: Ledger): Node {
  const { sent, ledger: told } = tell(ledger);
  const lags = (assignment: Assignment) => recordLags(assignment, told.topology.online);
  const owes = !node.dryRun && (sent.some(({ inKernel }) => !inKernel) || told.unsettled.some(lags));
  const settling = sent.some((each) => isDue(ledger, each, node.now));
  const next = { ...node, ledger, settling };
  if (owes === (node.owing !== undefined)) return next;
  const { owing: _, ...rest } = next;
  return owes ? { ...rest, owing: { since: node.now } } : rest;
}

/**
 * What is owed and should wait neither for its time nor for the next reply: somebody has to leave CPUs that are another's
 * by now, or goes to new ones.
 */
export function urgent({ dryRun }: Node, ledger: Ledger): Change[] {
  if (dryRun) return [];
  return tell(ledger, { growth: true, kernel: "none" }).sent.map(({ id, cpus }) => ({ id, cpus }));
}

/** What is due by now of what is owed, in the order in which it is to be brought about. */
export function due(node: Node): { readonly node: Node; readonly owed: readonly Change[] } {
  const { owing, growDelay, now, phase } = node;
  const isDue = owing !== undefined && phase === "serving" && now - owing.since >= growDelay &&
    now - (owing.askedAt ?? -Infinity) >= ASK_AGAIN;
  if (!isDue) return { node, owed: [] };
  return { node: { ...node, owing: { ...owing, askedAt: now } }, owed: changes(node.ledger) };
}
