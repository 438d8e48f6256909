/**
 * CreateContainer: where a new container may run. Before it is promised CPUs that others have to give up, these are
 * written, all or none; where one can't be, the claim is decided once more with what that has shown.
 */
import type { Ledger } from "../../ledger/ledger.ts";
import { type AdmissionRequest, admit, type Plan } from "../../ledger/plan.ts";
import { refuse } from "../../ledger/refusal.ts";
import type { LogRecord } from "../../log_record.ts";
import type { Subject } from "../../nri/methods.ts";
import { readClaim, recordOf, refOf } from "../../nri/read_claim.ts";
import { createReply } from "../../nri/write_reply.ts";
import { deliverByFor } from "../apply_mode.ts";
import { type Decision, refused, retriedFirst, unchanged, withLogs } from "../decision.ts";
import { fencedFirst, fenceOf } from "../fences.ts";
import { aroundFirst } from "../limits.ts";
import { newlyDegradedLogs, placedLog, recoveredLogs, warningsOf } from "../logs.ts";
import { isUnlimited } from "../quotas.ts";
import type { AgentState } from "../state.ts";
import { MAX_CONTAINERS } from "../synchronize_parts.ts";
import { applyClaim, FIRST_ATTEMPT } from "./apply_claim.ts";
import { respond } from "./respond.ts";

const FULL = `${MAX_CONTAINERS} containers are known that haven't ended, more than any node has; ` +
  "restart the agent if the runtime lists fewer";

export function createContainer(state: AgentState, { pod, container }: Subject): Decision {
  const ref = refOf(pod, container);
  const read = readClaim(pod, container, state.rules);
  if (read.kind === "refusal") return refused(state, ref, read);
  const warnings = warningsOf(read.warnings, ref);
  if (read.kind === "unmanaged") return { ...unchanged(state), logs: warnings };
  const { claim, degraded } = read;
  const isKnown = state.phase === "serving";
  const against = state.claimsSuspendedReason ?? (isKnown ? undefined : NOT_SYNCHRONIZED);
  if (against !== undefined && claim.kind !== "shared") {
    return refused(state, ref, refuse(ref, "unavailable", against));
  }
  if (!isKnown) return { ...unchanged(state), logs: warnings };
  if (state.ledger.assignments.size >= MAX_CONTAINERS) {
    return refused(state, ref, refuse(ref, "unavailable", FULL));
  }
  const decision = fencedFirst(state, ref, (known) => {
    const deliverBy = deliverByFor(known, container);
    const record = recordOf(container);
    return aroundFirst(known, ref, claim, (claim) => {
      const request = { container: ref, claim, record, degraded, deliverBy, since: known.now };
      return claim.kind === "shared"
        ? admitted(known, request)
        : retriedFirst(known, (retried) => admitted(retried, request));
    });
  });
  return withLogs(decision, warnings);
}

const NOT_SYNCHRONIZED = "not synchronized with the runtime yet; retrying";

function admitted(state: AgentState, request: AdmissionRequest, attempt = FIRST_ATTEMPT): Decision {
  const { container } = request;
  const plan = admit(state.ledger, { ...request, fence: fenceOf(state, state.ledger, container) });
  if (plan.kind === "refusal") return refused(state, container, plan);
  return applyClaim({
    state,
    next: plan.next,
    id: container.id,
    what: "container",
    attempt,
    again: (known, attempt) => admitted(known, request, attempt),
    written: (ledger, writes) =>
      respond(state, ledger, {
        encode: (updates) => createReply(adjustmentIn(state, ledger, container.id, plan), updates),
        logs: admittedLogs(state, ledger, container.id, plan),
        writes,
      }),
  });
}

/** What it starts with; without a CFS quota where its CPUs are its own and the node is configured so. */
function adjustmentIn(state: AgentState, { assignments }: Ledger, id: string, { adjustment }: Plan) {
  const own = assignments.get(id);
  return own !== undefined && isUnlimited(state, own) ? { ...adjustment, quota: -1 } : adjustment;
}

function admittedLogs(
  { ledger: before, dryRun }: AgentState,
  ledger: Ledger,
  id: string,
  plan: Plan,
): LogRecord[] {
  const placed = ledger.assignments.get(id);
  if (placed === undefined) return [];
  const verb = dryRun ? "would be admitted" : "admitted";
  return [
    placedLog(verb, ledger, placed, plan.adjustment),
    ...newlyDegradedLogs(before, ledger, id),
    ...recoveredLogs(before, ledger),
  ];
}
