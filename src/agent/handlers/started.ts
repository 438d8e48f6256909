/** PostStartContainer and PostUpdateContainer: an update that was under way has come to its end, so the kernel is read. */
import type { CpusetReading } from "../../cgroup/port.ts";
import type { Assignment } from "../../ledger/assignment.ts";
import { isConfirmed, observe, runs, unreadable, updateNoted } from "../../ledger/delivery.ts";
import { withoutId } from "../../ledger/id_map.ts";
import { pendingUpdateOf } from "../../ledger/updates.ts";
import type { Subject } from "../../nri/methods.ts";
import { refOf } from "../../nri/read_claim.ts";
import { ownCpus } from "../apply_mode.ts";
import { type Decision, unchanged } from "../decision.ts";
import { revived } from "../lost_ends.ts";
import { withLedger } from "../pending.ts";
import type { AgentState } from "../state.ts";

/** What was sent while it started may be lost; if it differs, that isn't left to the next reply. */
export function postStartContainer(state: AgentState, { pod, container }: Subject): Decision {
  const known = state.phase === "serving" ? state.ledger.assignments.get(container.id) : undefined;
  if (known === undefined) return unchanged(revived(state, container.id));
  const ref = refOf(pod, container);
  const ledger = state.ledger.with({ ...known, container: ref });
  const started = (change: (assignment: Assignment) => Assignment): Decision => {
    const after = ledger.update(ref.id, (assignment) => runs(change(assignment)));
    const own = state.dryRun ? undefined : pendingUpdateOf(after, ref.id);
    // Whose start is reported, of that the end is too.
    const next = { ...state, untracked: withoutId(state.untracked, ref.id) };
    return { ...unchanged(withLedger(next, after)), background: own === undefined ? [] : [own] };
  };
  if (known.delivery.by === "record") return started((assignment) => assignment);
  return { kind: "read", containers: [ref], then: (readings) => started(readAs(readings.get(ref.id))) };
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
      const read = readAs(readings.get(id));
      return unchanged(withLedger(state, state.ledger.update(id, (a) => read(updateNoted(a)))));
    },
  };
}

function readAs(reading: CpusetReading | undefined): (assignment: Assignment) => Assignment {
  return reading?.kind === "values" ? (assignment) => observe(assignment, ownCpus(reading)) : unreadable;
}
