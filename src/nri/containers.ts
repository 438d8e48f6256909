/** The container events: each asks the ledger, and writes what the ledger says into the reply. */
import { CpuSet } from "../cpu/cpu_set.ts";
import type { Assignment } from "../ledger/assignment.ts";
import { changeOf, type Sent, tell } from "../ledger/changes.ts";
import type { Ledger } from "../ledger/ledger.ts";
import { admit } from "../ledger/plan.ts";
import { running, settle } from "../ledger/progress.ts";
import { type Refusal, refuse } from "../ledger/refusal.ts";
import { release, releaseSandbox } from "../ledger/release.ts";
import type { LogRecord } from "../log_record.ts";
import type { PodSandbox } from "./gen/nri_pb.ts";
import { growthMayWait, urgent, withLedger } from "./owed.ts";
import { changeLogs, logOf, placedLogs, releasedLogs, warningsOf } from "./logs.ts";
import type { Subject } from "./methods.ts";
import { NEUTRAL, type Node, type Served } from "./node.ts";
import { readClaim, recordOf, refOf } from "./read_claim.ts";
import { createReply, stopReply } from "./write_reply.ts";

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
  const decision = admit(node.ledger, { container: ref, claim, record: recordOf(container), degraded });
  if (decision.kind === "refusal") return refused(node, decision, warnings);
  const { next, grant } = decision;
  const placed = next.assignments.get(ref.id);
  const verb = node.dryRun ? "would place" : "placed";
  const logs = placed === undefined ? [] : placedLogs(verb, next, placed, grant);
  return answered(node, next, (sent) => createReply(grant, sent), [...warnings, ...logs]);
}

/**
 * From here on a creation can't fail any more: who was moved for it stays where it is. A container that nobody
 * knows was created while no agent was connected, and the runtime's list came too early for it (containerd 1.7 asks
 * its plugins before it notes a container): a shared one is taken in, the others are refused and tried again.
 */
export function startContainer(node: Node, { pod, container }: Subject): Served {
  if (node.phase !== "serving") return quiet(node);
  if (node.ledger.assignments.has(container.id)) {
    return quiet({ ...node, ledger: settle(node.ledger, container.id) });
  }
  const ref = refOf(pod, container);
  const read = readClaim(pod, container, node.rules);
  // In a dry run a container may run that would have been refused.
  if (
    read.kind === "unmanaged" || (node.dryRun && (read.kind === "refusal" || read.claim.kind !== "shared"))
  ) {
    return quiet(node);
  }
  if (read.kind === "refusal" || read.claim.kind !== "shared") {
    return refused(
      node,
      refuse(ref, "unavailable", "created while no agent was connected; it is tried again"),
    );
  }
  const record = recordOf(container);
  const stray: Assignment = { container: ref, claim: read.claim, grant: CpuSet.empty, starting: true };
  return quiet({ ...node, ledger: node.ledger.with(record === undefined ? stray : { ...stray, record }) });
}

/** What was sent while it started may be lost; if it differs, that isn't left to the next reply. */
export function postStartContainer(node: Node, { container }: Subject): Served {
  if (node.phase !== "serving") return quiet(node);
  const ledger = running(node.ledger, container.id);
  const own = node.dryRun ? undefined : changeOf(ledger, container.id);
  return { ...quiet(withLedger(node, ledger)), owed: own === undefined ? [] : [own] };
}

/** A stopped container's CPUs are free; who has waited for them is told in the same reply. */
export function stopContainer(node: Node, { container }: Subject): Served {
  if (node.phase !== "serving") return quiet(node);
  const { ledger, logs } = released(node, (before) => release(before, container.id), [container.id]);
  return answered(node, ledger, stopReply, logs);
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

/** The answer to a call after which `ledger` holds: others are told of it, and it is taken for done. */
function answered(
  node: Node,
  ledger: Ledger,
  encode: (sent: readonly Sent[]) => Uint8Array,
  logs: readonly LogRecord[],
): Served {
  const told = tell(ledger, { growth: growthMayWait(node) });
  return {
    node: withLedger(node, told.ledger),
    reply: node.dryRun ? NEUTRAL : { kind: "answer", payload: encode(told.sent) },
    logs: [...logs, ...changeLogs(told.sent)],
  };
}
