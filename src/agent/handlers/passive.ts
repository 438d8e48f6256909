/** Calls of a passive agent (../passive.ts): nothing is placed, and what was known before is followed. */
import type { Call } from "../../nri/methods.ts";
import { type Decision, neutralSynchronize, unchanged } from "../decision.ts";
import { withLedger } from "../pending.ts";
import type { AgentState, Part } from "../state.ts";
import { whole } from "../synchronize_parts.ts";
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

/** What has ended meanwhile is forgotten; what is new isn't placed. */
function synchronized(state: AgentState, last: Part): Decision {
  const listed = new Set(whole(state, last).containers.map(({ id }) => id));
  const gone = state.ledger.assignments.values().filter(({ container }) =>
    !container.isGroup && !listed.has(container.id)
  );
  const ledger = gone.reduce((next, { container: { id } }) => next.without(id), state.ledger);
  return { ...unchanged(withLedger({ ...state, parts: [] }, ledger)), reply: neutralSynchronize(false) };
}
