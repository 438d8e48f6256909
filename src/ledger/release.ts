/** The end of containers: what they held is free, for degraded containers first. */
import { isExclusive } from "./assignment.ts";
import type { Ledger } from "./ledger.ts";
import { moveBack } from "./make_way.ts";
import { podSetOf } from "./pod_members.ts";
import { settledPod } from "./pod_set.ts";
import { retryDegraded } from "./degraded.ts";

/**
 * The ledger after a container has stopped, was removed, or was never started: then those that were moved for it
 * are moved back. Unknown ids are harmless.
 */
export function release(ledger: Ledger, id: string): Ledger {
  return retryDegraded(removeContainer(ledger, id));
}

/** The ledger without all containers of a sandbox: it has ended, and so have they, reported or not. */
export function releaseSandbox(ledger: Ledger, sandboxId: string, podUid: string): Ledger {
  if (sandboxId === "") return ledger;
  const known = podUid === "" ? [] : ledger.ofPod(podUid);
  // A container whose pod isn't known is known by its sandbox only.
  const ended = [...known, ...ledger.ofPod("")].filter(({ container }) => container.sandboxId === sandboxId);
  const next = ended.reduce((next, { container }) => removeContainer(next, container.id), ledger).forgetting(
    podUid,
  );
  return next === ledger ? ledger : retryDegraded(next);
}

function removeContainer(ledger: Ledger, id: string): Ledger {
  const gone = ledger.assignments.get(id);
  if (gone === undefined) return ledger;
  const { container: { podUid, name }, grant, displaced = [] } = gone;
  const next = settledPod(moveBack(ledger.without(id), displaced), gone.container);
  const returns = isExclusive(gone) && !grant.isEmpty && podUid !== "" &&
    !podSetOf(next, gone.container).intersects(grant);
  return returns ? next.remembering({ podUid, name, cpus: grant }) : next;
}
