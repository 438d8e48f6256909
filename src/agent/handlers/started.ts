/** PostStartContainer and PostUpdateContainer: an update that was under way has come to its end, so the kernel is read. */
import type { CpusetReading } from "../../cgroup/port.ts";
import type { Assignment } from "../../ledger/assignment.ts";
import type { ContainerRef } from "../../ledger/claim.ts";
import { isConfirmed, observe, runs, unreadable, updateNoted } from "../../ledger/delivery.ts";
import { withoutId } from "../../ledger/id_map.ts";
import { release } from "../../ledger/release.ts";
import { pendingUpdateOf } from "../../ledger/updates.ts";
import type { Subject } from "../../nri/methods.ts";
import { refOf } from "../../nri/read_claim.ts";
import { ownCpus } from "../apply_mode.ts";
import { type Decision, unchanged } from "../decision.ts";
import { staleLogs, withUnmanaged } from "../found_containers.ts";
import { withLimitOf } from "../limits.ts";
import { released } from "./ends.ts";
import { revived } from "../lost_ends.ts";
import { updatesForMoved, withLedger } from "../pending.ts";
import type { AgentState } from "../state.ts";

/** What was sent while it started may be lost; if it differs, that isn't left to the next reply. */
export function postStartContainer(state: AgentState, { pod, container }: Subject): Decision {
  const known = state.phase === "serving" ? state.ledger.assignments.get(container.id) : undefined;
  if (known === undefined) return unchanged(revived(state, container.id));
  const ref = refOf(pod, container);
  const replaced = withoutReplaced(state, ref);
  // The end of another one may have changed what it has.
  const ledger = replaced.state.ledger.update(ref.id, (each) => ({ ...each, container: ref }));
  const started = (change: Change, reading?: CpusetReading): Decision => {
    // Whose start is reported, of that the end is too.
    const next = { ...replaced.state, untracked: withoutId(state.untracked, ref.id) };
    const run = ledger.update(ref.id, (assignment) => runs(change(assignment)));
    const { state: after, logs } = withLimitOf(
      { state: withLedger(next, run), logs: replaced.logs },
      ref.id,
      reading,
    );
    const own = state.dryRun ? undefined : pendingUpdateOf(after.ledger, ref.id);
    const sent = own === undefined ? [] : [own];
    const others = updatesForMoved(run, after).filter(({ id }) => id !== ref.id);
    const background = [...others, ...sent];
    return { ...unchanged(after), background, logs };
  };
  if (known.delivery.by === "record") return started((assignment) => assignment);
  return {
    kind: "read",
    containers: [ref],
    then: (readings) => started(readAs(readings.get(ref.id)), readings.get(ref.id)),
  };
}

/** With one that runs those have ended that have its pod's uid and its name, whatever a list says of them. */
function withoutReplaced(state: AgentState, { id, podUid, name }: ContainerRef) {
  const living = podUid === ""
    ? []
    : state.ledger.ofPod(podUid).filter(({ isHeld, leftover }) => !isHeld && leftover === undefined);
  const others = living.map(({ container }) => container)
    .filter((other) => other.name === name && other.id !== id && !other.isGroup);
  if (others.length === 0) return { state, logs: [] };
  const ids = others.map((other) => other.id);
  const { ledger, logs } = released(state, (before) => ids.reduce(release, before), ids);
  return {
    state: { ...withUnmanaged(state, new Set(ids)), ledger },
    logs: [...others.flatMap((other) => staleLogs(state, other, id)), ...logs],
  };
}

/** It may have brought back a set from before it began. */
export function postUpdateContainer(state: AgentState, { container: { id } }: Subject): Decision {
  const assignment = state.phase === "serving" ? state.ledger.assignments.get(id) : undefined;
  if (assignment === undefined) return unchanged(state);
  if (!isConfirmed(assignment)) return unchanged(withLedger(state, state.ledger.update(id, updateNoted)));
  return {
    kind: "read",
    containers: [assignment.container],
    then: (readings) => {
      const reading = readings.get(id);
      const read = readAs(reading);
      const known = withLedger(state, state.ledger.update(id, (a) => read(updateNoted(a))));
      const { state: after, logs } = withLimitOf({ state: known, logs: [] }, id, reading);
      return { ...unchanged(after), background: updatesForMoved(state.ledger, after), logs };
    },
  };
}

type Change = (assignment: Assignment) => Assignment;

/** With what its cgroup has; by the record where that can't be read. */
export function readAs(reading: CpusetReading | undefined): Change {
  return reading?.kind === "values" ? (assignment) => observe(assignment, ownCpus(reading)) : unreadable;
}
