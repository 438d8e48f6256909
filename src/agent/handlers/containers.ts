/** The container events: each asks the ledger, and writes what the ledger says into the reply. */
import { type Except, type Sent, tell, tellRecords } from "../../ledger/changes.ts";
import type { Ledger } from "../../ledger/ledger.ts";
import { admit } from "../../ledger/plan.ts";
import { type Refusal, refuse } from "../../ledger/refusal.ts";
import { release, releaseSandbox } from "../../ledger/release.ts";
import type { LogRecord } from "../../log_record.ts";
import type { PodSandbox } from "../../nri/gen/nri_pb.ts";
import { growthMayWait, urgent, withLedger } from "../pending.ts";
import { tellsOf } from "../kernel_first.ts";
import { changeLogs, logOf, placedLogs, releasedLogs, warningsOf } from "../logs.ts";
import type { Subject } from "../../nri/methods.ts";
import { NEUTRAL, type Node, type Served } from "../state.ts";
import { readClaim, recordOf, refOf } from "../../nri/read_claim.ts";
import { MAX_CONTAINERS } from "../synchronize_parts.ts";
import { createReply, stopReply } from "../../nri/write_reply.ts";

const FULL = `${MAX_CONTAINERS} containers are known that haven't ended, more than any node has; ` +
  "restart the agent if the runtime lists fewer";

/** Decides where a new container may run: an adjustment of it and updates of others, or a refusal. */
export function createContainer(node: Node, { pod, container }: Subject): Served {
  const ref = refOf(pod, container);
  const read = readClaim(pod, container, node.rules);
  if (read.kind === "refusal") return refused(node, read);
  const warnings = warningsOf(read.warnings, ref);
  if (read.kind === "unmanaged") return { node, reply: NEUTRAL, logs: warnings };
  const { claim, degraded } = read;
  const unknown = node.phase === "serving"
    ? undefined
    : "not synchronized with the runtime yet; it is tried again";
  const against = node.barred ?? unknown;
  if (against !== undefined && claim.kind !== "shared") {
    return refused(node, refuse(ref, "unavailable", against));
  }
  if (unknown !== undefined) return { node, reply: NEUTRAL, logs: warnings };
  if (node.ledger.assignments.size >= MAX_CONTAINERS) return refused(node, refuse(ref, "unavailable", FULL));
  const tells = tellsOf(node, container);
  const newcomer = { container: ref, claim, record: recordOf(container), degraded, tells };
  const decision = admit(node.ledger, newcomer);
  if (decision.kind === "refusal") return refused(node, decision, warnings);
  const { next, grant } = decision;
  const placed = next.assignments.get(ref.id);
  const verb = node.dryRun ? "would place" : "placed";
  const logs = placed === undefined ? [] : placedLogs(verb, next, placed, grant);
  const all = [...warnings, ...logs];
  return answered(node, next, { kernel: "losses" }, (sent) => createReply(grant, sent), all);
}

/** A stopped container's CPUs are free; who has waited for them is told in the same reply. */
export function stopContainer(node: Node, { container }: Subject): Served {
  if (node.phase !== "serving") return quiet(node);
  const { ledger, logs } = released(node, (before) => release(before, container.id), [container.id]);
  return answered(node, ledger, { kernel: "none" }, stopReply, logs);
}

/** Normally comes after a stop and finds nothing. Its reply carries no updates. */
export function removeContainer(node: Node, { container }: Subject): Served {
  if (node.phase !== "serving") return quiet(node);
  return withoutReply(node, released(node, (before) => release(before, container.id), [container.id]));
}

/** A container whose start failed is never reported as stopped: with its sandbox it is gone for certain. */
export function stopPodSandbox(node: Node, pod: PodSandbox): Served {
  if (node.phase !== "serving") return quiet(node);
  const ids = node.ledger.ofPod(pod.uid).map(({ container }) => container.id);
  return withoutReply(node, released(node, (before) => releaseSandbox(before, pod.id, pod.uid), ids));
}

interface Released {
  readonly ledger: Ledger;
  readonly logs: readonly LogRecord[];
}

/** For a call whose answer can't carry updates. */
function withoutReply(node: Node, { ledger, logs }: Released): Served {
  return { ...quiet(withLedger(node, ledger)), logs, owed: urgent(node, ledger) };
}

/** The ledger after some of `ids` have ended, and what is to be said of that: who left, and who got its due. */
export function released(
  { ledger: before }: Node,
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
  return before.wanting.flatMap(({ container: { id } }) => {
    const now = after.assignments.get(id);
    if (now === undefined || now.degraded !== undefined) return [];
    return [
      logOf("info", `no longer degraded: placed ${now.claim.kind}`, now.container, { cpus: `${now.grant}` }),
    ];
  });
}

export function quiet(node: Node): Served {
  return { node, reply: NEUTRAL, logs: [] };
}

export function refused(
  node: Node,
  { reason, message }: Refusal,
  warnings: readonly LogRecord[] = [],
): Served {
  const logs = [...warnings, logOf("warn", `${node.dryRun ? "would refuse" : "refused"}: ${message}`)];
  return { node, reply: node.dryRun ? NEUTRAL : { kind: "refuse", reason, message }, logs };
}

/**
 * The answer to a call after which `ledger` holds: others are told of it, and it is taken for done. What is in the kernel
 * by the time of the answer rides in it as well where it is in the runtime's record.
 */
function answered(
  node: Node,
  ledger: Ledger,
  except: Except,
  encode: (sent: readonly Sent[]) => Uint8Array,
  logs: readonly LogRecord[],
): Served {
  const told = tell(ledger, { ...except, growth: growthMayWait(node) });
  const records = tellRecords(told.ledger);
  const { true: writes = [], false: sent = [] } = Object.groupBy(told.sent, ({ inKernel }) => `${inKernel}`);
  return {
    node: withLedger(node, records.ledger),
    reply: node.dryRun ? NEUTRAL : { kind: "answer", payload: encode([...sent, ...records.sent]) },
    writes,
    updates: sent,
    logs: [...logs, ...changeLogs(told.sent)],
  };
}
