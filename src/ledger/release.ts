/** The end of containers: their claims are held for their pods, and with these they are free, for degraded containers first. */
import { hold } from "./held.ts";
import type { Ledger } from "./ledger.ts";
import { moveBack } from "./make_way.ts";
import { settledPod } from "./pod_set.ts";
import { retryDegraded } from "./degraded.ts";

/**
 * The ledger after a container has stopped, was removed, or was never started: its claim is held for its pod. Where
 * others were moved for it and it was never started, they are moved back instead. Unknown ids are harmless.
 */
export function release(ledger: Ledger, id: string): Ledger {
  const gone = ledger.assignments.get(id);
  if (gone === undefined) return ledger;
  const next = removeContainer(ledger, id);
  const isHeld = gone.displaced === undefined && !gone.leftover?.isPodOver;
  return retryDegraded(settledPod(isHeld ? hold(next, gone, 0) : next, gone.container));
}

/** The same, and nothing is held: its end wasn't reported, so that of its pod may not be either. */
export function releaseForGood(ledger: Ledger, id: string): Ledger {
  const gone = ledger.assignments.get(id);
  return gone === undefined ? ledger : retryDegraded(settledPod(removeContainer(ledger, id), gone.container));
}

/** The ledger without all containers and claims of a sandbox: it has ended, and so have they, reported or not. */
export function releaseSandbox(
  ledger: Ledger,
  sandboxId: string,
  podUid: string,
  /** Ids of containers that have left processes behind, which are kept. */
  left: ReadonlySet<string> = new Set(),
): Ledger {
  if (sandboxId === "") return ledger;
  const known = podUid === "" ? [] : ledger.ofPod(podUid);
  // A container whose pod isn't known is known by its sandbox only.
  const ended = [...known, ...ledger.ofPod("")].filter(({ container: { id, sandboxId: of } }) =>
    of === sandboxId && !left.has(id)
  );
  const next = ended.reduce((next, { container }) => removeContainer(next, container.id), ledger);
  return next === ledger ? ledger : retryDegraded(settledPod(next, { podUid }));
}

function removeContainer(ledger: Ledger, id: string): Ledger {
  const gone = ledger.assignments.get(id);
  return gone === undefined ? ledger : moveBack(ledger.without(id), gone.displaced ?? []);
}
