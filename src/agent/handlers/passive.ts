/** Calls of a passive agent (../passive.ts): nothing is placed, and what was known before is followed. */
import { isStarting, runs } from "../../ledger/delivery.ts";
import { pendingUpdates } from "../../ledger/updates.ts";
import { ContainerState } from "../../nri/gen/nri_pb.ts";
import type { Call } from "../../nri/methods.ts";
import { type Decision, neutralSynchronize, unchanged } from "../decision.ts";
import { withLedger } from "../pending.ts";
import type { AgentState, Part } from "../state.ts";
import { whole } from "../synchronize_parts.ts";
import { readAs } from "./started.ts";
import { reasserted } from "./update_container.ts";

/** How a passive agent decides a call; undefined: as any other. */
export function passiveDecision(state: AgentState, call: Call): Decision | undefined {
  switch (call.kind) {
    case "CreateContainer":
    case "RunPodSandbox":
    case "UpdatePodSandbox":
      return unchanged(state);
    case "StartContainer":
      return state.ledger.assignments.has(call.container.id) ? undefined : unchanged(state);
    case "UpdateContainer":
      return state.phase === "serving" ? reasserted(state, call) : unchanged(state);
    case "Synchronize":
      return call.request.more ? undefined : synchronized(state, call);
    default:
      return undefined;
  }
}

/** What has ended meanwhile is forgotten, what began to run is read; what is new isn't placed. */
function synchronized(state: AgentState, last: Part): Decision {
  const { containers } = whole(state, last);
  const listed = new Set(containers.map(({ id }) => id));
  const gone = state.ledger.assignments.values().filter(({ container }) =>
    !container.isGroup && !listed.has(container.id)
  );
  const ledger = gone.reduce((next, { container: { id } }) => next.without(id), state.ledger);
  const begun = containers.filter(({ state }) => state === ContainerState.CONTAINER_RUNNING)
    .flatMap(({ id }) => ledger.assignments.get(id) ?? []).filter(isStarting);
  return {
    kind: "read",
    containers: begun.filter(({ delivery }) => delivery.by === "cgroup").map(({ container }) => container),
    then: (readings) => {
      const next = begun.map((each) => runs(readAs(readings.get(each.container.id))(each)))
        .reduce((before, each) => before.with(each), ledger);
      // What was asked of the runtime before may have been dropped with its connection.
      const background = state.dryRun ? [] : pendingUpdates(next);
      const reply = neutralSynchronize(false);
      return { ...unchanged(withLedger({ ...state, parts: [] }, next)), reply, background };
    },
  };
}
