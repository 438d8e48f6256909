/** Which CPUs containers have for themselves by now: what an answer gave them, and what all had time to leave. */
import { hasWrites } from "../../src/agent/pending.ts";
import { CpuSet } from "../../src/cpu/cpu_set.ts";
import { failureOf } from "../../src/ledger/delivery.ts";
import { pendingUpdates } from "../../src/ledger/updates.ts";
import { type Box, effective, type Node } from "./node.ts";

/**
 * A grant that has changed without an answer to its container is no promise before all that is due was done: those that
 * have the CPUs leave them with the next tick, or with an update that the runtime was asked for.
 */
export function promised(node: Node): Node {
  const ledger = node.agent?.state.ledger;
  const isDue = node.agent !== undefined && isWorkDue(node);
  const isFailed = ledger !== undefined && ledger.failed.some((each) => failureOf(each) !== undefined);
  let isChanged = false;
  const boxes = node.boxes.map((box): Box => {
    const grant = ledger?.assignments.get(box.id)?.grant ?? CpuSet.empty;
    const next = isDue || isFailed ? box.promised.intersection(grant) : grant;
    const isDrifted = box.isDrifted && !isRepaired(node, box);
    if (next.equals(box.promised) && isDrifted === box.isDrifted) return box;
    isChanged = true;
    return { ...box, promised: next, isDrifted };
  });
  return isChanged ? { ...node, boxes } : node;
}

function isWorkDue({ agent, asked, mode }: Node): boolean {
  if (agent === undefined || asked.length > 0) return true;
  return (mode !== "runtime" && hasWrites(agent.state)) || pendingUpdates(agent.state.ledger).length > 0;
}

/** It runs where it should, and the agent knows which set is written, CPUs that are offline included. */
function isRepaired(node: Node, box: Box): boolean {
  const ledger = node.agent?.state.ledger;
  const assignment = ledger?.assignments.get(box.id);
  if (ledger === undefined || assignment === undefined) return false;
  const written = box.written.isEmpty ? node.online : box.written;
  return effective(node, box).isSubsetOf(ledger.desired(assignment)) && written.isSubsetOf(assignment.mayRunOn);
}

/** The agent's bound of a container holds all that the kernel lets it run on. */
export function isHonest({ agent, online }: Node, { id, written }: Box): boolean {
  const assignment = agent?.state.ledger.assignments.get(id);
  if (agent === undefined || assignment === undefined) return false;
  return effective({ online }, { written }).isSubsetOf(agent.state.ledger.mayRunOn(assignment));
}
