/**
 * Whether what is read and written of a container's cgroup is about its processes. gVisor keeps all of a pod in one cgroup,
 * Kata Containers in a virtual machine: then the pod's cgroup confines them, or the fence around it, or nothing does.
 */
import { type Assignment, isUnconfined } from "../ledger/assignment.ts";
import { hasNoProcess, isConfirmed } from "../ledger/delivery.ts";
import { isFence, isGroup, shouldRunOn } from "../ledger/groups.ts";
import type { Ledger } from "../ledger/ledger.ts";
import { sandboxingOf } from "../nri/rules.ts";
import { ELSEWHERE } from "./lost_ends.ts";
import type { AgentState } from "./state.ts";

/** What of an agent's state it depends on. */
export type Confinement = Pick<AgentState, "ledger" | "rules"> & {
  readonly reconcile: Pick<AgentState["reconcile"], "lostEnds">;
};

/** Why it isn't known that a container runs on its CPUs, one clause; undefined: its own cgroup or one around it shows it. */
export function unverifiedReason(
  { ledger, rules, reconcile }: Confinement,
  assignment: Assignment,
): string | undefined {
  const { container: { id, handler }, delivery } = assignment;
  if (hasNoProcess(delivery)) return undefined;
  const sandboxing = sandboxingOf(rules, handler);
  if (sandboxing === undefined) return reconcile.lostEnds.elsewhere.has(id) ? ELSEWHERE : undefined;
  if (isConfinedAround(ledger, assignment)) return undefined;
  return isUnconfined(assignment)
    ? `its runtime (${handler}) takes a list of CPUs for the size of its virtual machine`
    : `its runtime (${handler}) keeps its processes in its pod's cgroup, which isn't kept on its CPUs`;
}

/** By its pod's cgroup, with what the pod's containers were granted; or by its class', where that is all it should have. */
function isConfinedAround(ledger: Ledger, assignment: Assignment): boolean {
  const { podUid } = assignment.container;
  const fence = ledger.assignments.get(assignment.fence ?? "");
  const pod = podUid === ""
    ? undefined
    : ledger.assignments.values().find((each) => isGroup(each) && each.container.podUid === podUid);
  const isPodRight = pod !== undefined && isConfirmed(pod) &&
    ledger.mayRunOn(pod).equals(ledger.desired(pod));
  if (isPodRight && ledger.desired(pod).intersects(assignment.grant)) return true;
  return fence !== undefined && isFence(fence) && isConfirmed(fence) &&
    ledger.mayRunOn(fence).isSubsetOf(shouldRunOn(ledger, assignment));
}
