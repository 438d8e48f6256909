/** Which CPUs containers have for themselves by now: what an answer gave them, and what all had time to leave. */
import { CpuSet } from "../../src/cpu/cpu_set.ts";
import { type Assignment, mayShare } from "../../src/ledger/assignment.ts";
import type { Ledger } from "../../src/ledger/ledger.ts";
import { isGroup, runsOn } from "../../src/ledger/groups.ts";
import { ALL, type Box, CLASS, effective, type Node, ofClass } from "./node.ts";

/**
 * A grant that has changed without an answer to its container is no promise before nobody else may be on it by the
 * agent's own bounds: those that are leave it with the next tick, or with an update that the runtime was asked for.
 */
export function promised(node: Node): Node {
  const ledger = node.agent?.state.ledger;
  let isChanged = false;
  const boxes = node.boxes.map((box): Box => {
    const assignment = ledger?.assignments.get(box.id);
    const grant = assignment?.grant ?? CpuSet.empty;
    const isFree = ledger !== undefined && assignment !== undefined && isAloneOn(ledger, assignment);
    const next = isFree ? grant : box.promised.intersection(grant);
    const isOpen = (box.isDrifted || box.isLate) && !isRepaired(node, box);
    const [isDrifted, isLate] = [box.isDrifted && isOpen, box.isLate && isOpen];
    if (next.equals(box.promised) && isDrifted === box.isDrifted && isLate === box.isLate) return box;
    isChanged = true;
    return { ...box, promised: next, isDrifted, isLate };
  });
  const after = isChanged ? { ...node, boxes } : node;
  const { class: { isDrifted, written } } = after;
  const group = ledger?.assignments.get(CLASS);
  const isDone = isDrifted && ledger !== undefined && group !== undefined &&
    written.equals(ledger.desired(group)) && ledger.mayRunOn(group).equals(ofClass(after));
  return isDone ? { ...after, class: { written, isDrifted: false } } : after;
}

function isAloneOn(ledger: Ledger, own: Assignment): boolean {
  if (own.grant.isEmpty) return true;
  return !ledger.assignments.values().some((other) =>
    other.container.id !== own.container.id && !mayShare(own, other) &&
    // Pinned CPUs are in the class: others in it are kept off these by their own sets.
    !(isGroup(other) && own.claim.kind === "pinned") &&
    ledger.mayRunOn(other).intersects(own.grant)
  );
}

/**
 * Known, and its cgroup names no CPU that it shouldn't have, not even one that is offline. Where the runtime writes it, it
 * has got an update that didn't fail: that it has less than it should isn't repaired.
 */
function isRepaired(node: Node, box: Box): boolean {
  const ledger = node.agent?.state.ledger;
  const assignment = ledger?.assignments.get(box.id);
  if (ledger === undefined || assignment === undefined || !isHonest(node, box)) return false;
  const desired = ledger.desired(assignment);
  // A bound whose CPUs are all offline holds everything for a while only.
  if (!effective(node, box).isSubsetOf(assignment.mayRunOn)) return false;
  if (node.mode === "runtime" && !effective(node, box).equals(desired)) return false;
  return (box.written.isEmpty ? ALL : box.written).isSubsetOf(desired);
}

/** The agent's bound of a container holds all that the kernel lets it run on. */
export function isHonest(node: Node, box: Box): boolean {
  const ledger = node.agent?.state.ledger;
  const assignment = ledger?.assignments.get(box.id);
  if (ledger === undefined || assignment === undefined) return false;
  return effective(node, box).isSubsetOf(runsOn(ledger, assignment));
}
