/** The container events: each asks the ledger, and writes what the ledger says into the reply. */
import {
  type PlannedUpdate,
  planRecordUpdates,
  planUpdates,
  type UpdateFilter,
} from "../../ledger/updates.ts";
import type { Ledger } from "../../ledger/ledger.ts";
import { admit } from "../../ledger/plan.ts";
import { type Refusal, refuse } from "../../ledger/refusal.ts";
import { release, releaseSandbox } from "../../ledger/release.ts";
import type { LogRecord } from "../../log_record.ts";
import type { PodSandbox } from "../../nri/gen/nri_pb.ts";
import { immediateUpdates, mayDelayGrowth, withLedger } from "../pending.ts";
import { deliveryFor } from "../kernel_first.ts";
import { changeLogs, logOf, placedLogs, releasedLogs, warningsOf } from "../logs.ts";
import type { Subject } from "../../nri/methods.ts";
import { type AgentState, NEUTRAL, type Response } from "../state.ts";
import { readClaim, recordOf, refOf } from "../../nri/read_claim.ts";
import { MAX_CONTAINERS } from "../synchronize_parts.ts";
import { createReply, stopReply } from "../../nri/write_reply.ts";

const FULL = `${MAX_CONTAINERS} containers are known that haven't ended, more than any node has; ` +
  "restart the agent if the runtime lists fewer";

/** Decides where a new container may run: an adjustment of it and updates of others, or a refusal. */
export function createContainer(state: AgentState, { pod, container }: Subject): Response {
  const ref = refOf(pod, container);
  const read = readClaim(pod, container, state.rules);
  if (read.kind === "refusal") return refused(state, read);
  const warnings = warningsOf(read.warnings, ref);
  if (read.kind === "unmanaged") return { state, reply: NEUTRAL, logs: warnings };
  const { claim, degraded } = read;
  const unknown = state.phase === "serving"
    ? undefined
    : "not synchronized with the runtime yet; it is tried again";
  const against = state.claimsSuspendedReason ?? unknown;
  if (against !== undefined && claim.kind !== "shared") {
    return refused(state, refuse(ref, "unavailable", against));
  }
  if (unknown !== undefined) return { state, reply: NEUTRAL, logs: warnings };
  if (state.ledger.assignments.size >= MAX_CONTAINERS) {
    return refused(state, refuse(ref, "unavailable", FULL));
  }
  const delivery = deliveryFor(state, container);
  const newcomer = { container: ref, claim, record: recordOf(container), degraded, delivery };
  const decision = admit(state.ledger, newcomer);
  if (decision.kind === "refusal") return refused(state, decision, warnings);
  const { next, grant } = decision;
  const placed = next.assignments.get(ref.id);
  const verb = state.dryRun ? "would place" : "placed";
  const logs = placed === undefined ? [] : placedLogs(verb, next, placed, grant);
  const all = [...warnings, ...logs];
  return respond(state, next, { kernel: "losses" }, (sent) => createReply(grant, sent), all);
}

/** A stopped container's CPUs are free; who has waited for them is told in the same reply. */
export function stopContainer(state: AgentState, { container }: Subject): Response {
  if (state.phase !== "serving") return unchanged(state);
  const { ledger, logs } = released(state, (before) => release(before, container.id), [container.id]);
  return respond(state, ledger, { kernel: "none" }, stopReply, logs);
}

/** Normally comes after a stop and finds nothing. Its reply carries no updates. */
export function removeContainer(state: AgentState, { container }: Subject): Response {
  if (state.phase !== "serving") return unchanged(state);
  return withoutReply(state, released(state, (before) => release(before, container.id), [container.id]));
}

/** A container whose start failed is never reported as stopped: with its sandbox it is gone for certain. */
export function stopPodSandbox(state: AgentState, pod: PodSandbox): Response {
  if (state.phase !== "serving") return unchanged(state);
  const ids = state.ledger.ofPod(pod.uid).map(({ container }) => container.id);
  return withoutReply(state, released(state, (before) => releaseSandbox(before, pod.id, pod.uid), ids));
}

interface Released {
  readonly ledger: Ledger;
  readonly logs: readonly LogRecord[];
}

/** For a call whose answer can't carry updates. */
function withoutReply(state: AgentState, { ledger, logs }: Released): Response {
  return { ...unchanged(withLedger(state, ledger)), logs, background: immediateUpdates(state, ledger) };
}

/** The ledger after some of `ids` have ended, and what is to be said of that: who left, and who got its due. */
export function released(
  { ledger: before }: AgentState,
  release: (ledger: Ledger) => Ledger,
  ids: readonly string[],
): Released {
  const ledger = release(before);
  const gone = ids.filter((id) => !ledger.assignments.has(id)).map((id) => before.assignments.get(id));
  return { ledger, logs: [...gone.flatMap(releasedLogs), ...recoveredLogs(before, ledger)] };
}

/** Containers that had less than they claimed, and have it now. */
export function recoveredLogs(before: Ledger, after: Ledger): LogRecord[] {
  if (before === after) return [];
  return before.degraded.flatMap(({ container: { id } }) => {
    const now = after.assignments.get(id);
    if (now === undefined || now.degraded !== undefined) return [];
    return [
      logOf("info", `no longer degraded: placed ${now.claim.kind}`, now.container, { cpus: `${now.grant}` }),
    ];
  });
}

export function unchanged(state: AgentState): Response {
  return { state, reply: NEUTRAL, logs: [] };
}

export function refused(
  state: AgentState,
  { reason, message }: Refusal,
  warnings: readonly LogRecord[] = [],
): Response {
  const logs = [...warnings, logOf("warn", `${state.dryRun ? "would refuse" : "refused"}: ${message}`)];
  return { state, reply: state.dryRun ? NEUTRAL : { kind: "refuse", reason, message }, logs };
}

/**
 * The answer to a call after which `ledger` holds: others are told of it, and it is taken for done. What is in the kernel
 * by the time of the answer rides in it as well where it is in the runtime's record.
 */
function respond(
  state: AgentState,
  ledger: Ledger,
  except: UpdateFilter,
  encode: (sent: readonly PlannedUpdate[]) => Uint8Array,
  logs: readonly LogRecord[],
): Response {
  const told = planUpdates(ledger, { ...except, growth: mayDelayGrowth(state) });
  const records = planRecordUpdates(told.ledger);
  const { true: writes = [], false: sent = [] } = Object.groupBy(
    told.updates,
    ({ inKernel }) => `${inKernel}`,
  );
  return {
    state: withLedger(state, records.ledger),
    reply: state.dryRun ? NEUTRAL : { kind: "answer", payload: encode([...sent, ...records.updates]) },
    writes,
    replyUpdates: sent,
    logs: [...logs, ...changeLogs(told.updates)],
  };
}
