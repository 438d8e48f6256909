/** Synchronize: the runtime lists its containers, maybe in several messages, and the ledger is rebuilt from that alone. */
import { isStarting } from "../../ledger/delivery.ts";
import { planUpdates } from "../../ledger/updates.ts";
import { synchronizeReply } from "../../nri/write_reply.ts";
import { type Decision, neutralSynchronize } from "../decision.ts";
import { groupsFor } from "../fences.ts";
import { findContainers, withUnmanaged } from "../found_containers.ts";
import { lookAtListed } from "../lost_ends.ts";
import { withLedger } from "../pending.ts";
import { listedWithEarly, rebuiltFrom, synchronizedState } from "../adopt.ts";
import { synchronizedLog } from "../logs.ts";
import type { AgentState, Part } from "../state.ts";
import { together, whole } from "../synchronize_parts.ts";

/**
 * A part that others will follow: kept, and answered with `more`.
 * @throws {ProtocolError} `overflow`, see {@link together}
 */
export function synchronizePart(state: AgentState, part: Part): Decision {
  const next = { ...state, parts: together(state, part) };
  return { kind: "response", state: next, reply: neutralSynchronize(true), logs: [] };
}

/**
 * The last part: what differs is corrected by the reply, as far as the runtime delivers it; cgroups are written after it.
 * @throws {ProtocolError} `overflow`, see {@link together}
 */
export function synchronize(state: AgentState, last: Part): Decision {
  const listing = whole(state, last);
  const { found, stale, logs } = findContainers(state, listedWithEarly(state, listing));
  const containers = found.map(({ container }) => container);
  return {
    kind: "read",
    containers: [...containers, ...groupsFor(state, containers)],
    then: (readings) => {
      const rebuilt = rebuiltFrom(state, listing, found, readings);
      const { updates, ledger } = planUpdates(rebuilt.ledger);
      const sent = state.dryRun ? [] : updates;
      // Without a process one may end between this list and the first event (NRI 0.6).
      const untracked = new Set(
        ledger.assignments.values().filter((each) => isStarting(each) && !each.isHeld).map(({ container }) =>
          container.id
        ),
      );
      // What this agent knew before is held on to.
      const reconcile = { ...state.reconcile, lacksEnded: state.ledger.assignments.size === 0 };
      return {
        kind: "response",
        state: withLedger(
          synchronizedState({
            ...withUnmanaged(lookAtListed({ ...state, reconcile }, found, readings), stale),
            untracked,
          }),
          ledger,
        ),
        reply: { kind: "answer", payload: synchronizeReply(sent) },
        logs: [...logs, ...rebuilt.logs, synchronizedLog("synchronized", rebuilt.ledger, sent.length)],
      };
    },
  };
}
