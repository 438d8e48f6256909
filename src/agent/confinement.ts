/**
 * Whether what is read and written of a container's cgroup is about its processes. gVisor keeps all of a pod in one cgroup,
 * Kata Containers in a virtual machine: then the sandbox's cgroup confines them (sandboxes.ts), or the fence around it, or
 * nothing does.
 */
import { type Assignment, isUnconfined } from "../ledger/assignment.ts";
import { hasNoProcess, isConfirmed } from "../ledger/delivery.ts";
import { isFence, shouldRunOn } from "../ledger/groups.ts";
import type { Ledger } from "../ledger/ledger.ts";
import { sandboxingOf } from "../nri/rules.ts";
import { ELSEWHERE } from "./lost_ends.ts";
import type { AgentState } from "./state.ts";

/** What of an agent's state it depends on. */
export type Confinement = Pick<AgentState, "ledger" | "rules" | "sandboxes"> & {
  readonly reconcile: Pick<AgentState["reconcile"], "lostEnds">;
};

/** What confines a container. */
export interface ConfinedBy {
  /** Why it isn't known that it runs on its CPUs, one clause; undefined: its own cgroup or one around it shows it. */
  readonly unverified: string | undefined;
  /** The cgroup of its sandbox shows it; one of its own may not be there. */
  readonly isInSandbox: boolean;
}

export function confinementOf(of: Confinement, assignment: Assignment): ConfinedBy {
  return {
    unverified: unverifiedReason(of, assignment),
    isInSandbox: isConfirmedBySandbox(of, assignment),
  };
}

function unverifiedReason(
  { ledger, rules, reconcile, sandboxes }: Confinement,
  assignment: Assignment,
): string | undefined {
  const { container: { id, handler, sandboxId }, delivery } = assignment;
  const isKnown = sandboxingOf(rules, handler) !== undefined;
  if (hasNoProcess(delivery) || !isKnown && !reconcile.lostEnds.elsewhere.has(id)) return undefined;
  if (isConfirmedBySandbox({ sandboxes }, assignment)) return undefined;
  const sandbox = sandboxes.all.get(sandboxId);
  if (!isKnown) return ELSEWHERE;
  if (isWithinFence(ledger, assignment)) return undefined;
  if (isUnconfined(assignment)) {
    return `its runtime (${handler}) takes a list of CPUs for the size of its virtual machine`;
  }
  const why = sandbox?.reason ?? "the agent doesn't write the sandbox's cgroup";
  return `its runtime (${handler}) keeps its processes in its pod's sandbox, and ${why}`;
}

/** The cgroup of its sandbox was read. */
function isConfirmedBySandbox(
  { sandboxes }: Pick<AgentState, "sandboxes">,
  assignment: Assignment,
): boolean {
  const sandbox = sandboxes.all.get(assignment.container.sandboxId);
  return sandbox !== undefined && sandbox.reason === undefined && !isUnconfined(assignment);
}

/** By its class' cgroup, where that is all it should have. */
function isWithinFence(ledger: Ledger, assignment: Assignment): boolean {
  const fence = ledger.assignments.get(assignment.fence ?? "");
  return fence !== undefined && isFence(fence) && isConfirmed(fence) &&
    ledger.mayRunOn(fence).isSubsetOf(shouldRunOn(ledger, assignment));
}
