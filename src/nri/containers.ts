/** The container events: each asks the ledger, and writes what the ledger says into the reply. */
import { create, toBinary } from "@bufbuild/protobuf";
import { CpuSet } from "../cpu/cpu_set.ts";
import { assume, type Change, changes } from "../ledger/changes.ts";
import { describe } from "../ledger/claim.ts";
import type { Assignment, Ledger } from "../ledger/ledger.ts";
import { admit, type Grant, type Plan, release, releaseSandbox, running, settle } from "../ledger/plan.ts";
import { type Refusal, refuse } from "../ledger/refusal.ts";
import type { LogRecord } from "../log_record.ts";
import {
  CreateContainerResponseSchema,
  type LinuxResources,
  type PodSandbox,
  StopContainerResponseSchema,
  UpdateContainerResponseSchema,
} from "./gen/nri_pb.ts";
import type { Subject } from "./methods.ts";
import { NEUTRAL, type Node, type Reply, type Served } from "./node.ts";
import { readClaim, recordOf, refOf } from "./read_claim.ts";
import { adjustmentOf, updatesOf } from "./write_reply.ts";

/** Decides where a new container may run: an adjustment of it and updates of others, or a refusal. */
export function createContainer(node: Node, { pod, container }: Subject): Served {
  const ref = refOf(pod, container);
  const read = readClaim(pod, container);
  if (read.kind === "refusal") return refused(node, read);
  const warnings = read.warnings.map((message): LogRecord => ({
    level: "warn",
    message,
    fields: { pod: describe(ref) },
  }));
  if (node.phase !== "serving") {
    if (read.claim.kind === "shared") return { node, reply: NEUTRAL, logs: warnings };
    return refused(
      node,
      refuse(ref, "unavailable", "not synchronized with the runtime yet; it is tried again"),
    );
  }
  const decision = admit(node.ledger, ref, read.claim, recordOf(container));
  return decision.kind === "refusal"
    ? refused(node, decision, warnings)
    : granted(node, ref.id, decision, warnings);
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
  const read = readClaim(pod, container);
  if (read.kind === "refusal" || read.claim.kind !== "shared") {
    return refused(
      node,
      refuse(ref, "unavailable", "created while no agent was connected; it is tried again"),
    );
  }
  const record = recordOf(container);
  const stray = { container: ref, claim: read.claim, grant: CpuSet.empty, starting: true } as const;
  return quiet({ ...node, ledger: node.ledger.with(record === undefined ? stray : { ...stray, record }) });
}

/** What was sent while it started may be lost; if it differs, that isn't left to the next reply. */
export function postStartContainer(node: Node, { container }: Subject): Served {
  if (node.phase !== "serving") return quiet(node);
  const ledger = running(node.ledger, container.id);
  const own = node.dryRun ? [] : changes(ledger).filter(({ id }) => id === container.id);
  return { ...quiet({ ...node, ledger }), owed: own };
}

/**
 * The container's own CPUs are said again with every update, whoever asked for it: a request that
 * carries a set of its own would replace ours otherwise. NRI takes the container's own resources from
 * the last update that names it, so it goes last.
 */
export function updateContainer(
  node: Node,
  { container, resources }: Subject & { readonly resources: LinuxResources | undefined },
): Served {
  const own = assignmentOf(node, container.id);
  if (own === undefined) return quiet(node);
  const cpus = node.ledger.effective(own);
  const untouched = own.record === undefined && cpus.equals(node.topology.online) && !resources?.cpu?.cpus;
  const others = changes(node.ledger, container.id);
  const sent = cpus.isEmpty || untouched ? others : [...others, { id: container.id, cpus }];
  return withUpdates(
    node,
    node.ledger,
    sent,
    (update) => toBinary(UpdateContainerResponseSchema, create(UpdateContainerResponseSchema, { update })),
  );
}

/** A stopped container's CPUs go to the pool; those who may use them now are told in the same reply. */
export function stopContainer(node: Node, { container }: Subject): Served {
  if (node.phase !== "serving") return quiet(node);
  const own = assignmentOf(node, container.id);
  const ledger = release(node.ledger, container.id);
  return withUpdates(
    node,
    ledger,
    changes(ledger),
    (update) => toBinary(StopContainerResponseSchema, create(StopContainerResponseSchema, { update })),
    releasedLogs(own),
  );
}

/** Normally comes after a stop and finds nothing. Its reply carries no updates; the next one will. */
export function removeContainer(node: Node, { container }: Subject): Served {
  if (node.phase !== "serving") return quiet(node);
  const own = assignmentOf(node, container.id);
  return { ...quiet({ ...node, ledger: release(node.ledger, container.id) }), logs: releasedLogs(own) };
}

/** A container whose start failed is never reported as stopped: with its sandbox it is gone for certain. */
export function stopPodSandbox(node: Node, pod: PodSandbox): Served {
  return quiet(node.phase === "serving" ? { ...node, ledger: releaseSandbox(node.ledger, pod.id) } : node);
}

function quiet(node: Node): Served {
  return { node, reply: NEUTRAL, logs: [] };
}

function assignmentOf(node: Node, id: string): Assignment | undefined {
  return node.phase === "serving" ? node.ledger.assignments.get(id) : undefined;
}

function granted(node: Node, id: string, plan: Plan, warnings: readonly LogRecord[]): Served {
  const adjust = adjustmentOf(plan.grant);
  const placed = plan.next.assignments.get(id);
  const logs = placed === undefined
    ? warnings
    : [...warnings, placedLog(node.dryRun ? "would place" : "placed", plan.next, placed, plan.grant)];
  return withUpdates(node, plan.next, changes(plan.next, id), (update) =>
    toBinary(
      CreateContainerResponseSchema,
      create(CreateContainerResponseSchema, { update, ...(adjust === undefined ? {} : { adjust }) }),
    ), logs);
}

function refused(node: Node, { reason, message }: Refusal, warnings: readonly LogRecord[] = []): Served {
  const logs = [...warnings, logOf("warn", `${node.dryRun ? "would refuse" : "refused"}: ${message}`)];
  return { node, reply: node.dryRun ? NEUTRAL : { kind: "refuse", reason, message }, logs };
}

function withUpdates(
  node: Node,
  ledger: Ledger,
  sent: readonly Change[],
  encode: (update: ReturnType<typeof updatesOf>) => Uint8Array,
  logs: readonly LogRecord[] = [],
): Served {
  const reply: Reply = node.dryRun ? NEUTRAL : { kind: "answer", payload: encode(updatesOf(sent)) };
  const sentLogs = sent.map((change) => changeLog(ledger, change));
  return { node: { ...node, ledger: assume(ledger, sent) }, reply, logs: [...logs, ...sentLogs] };
}

function changeLog(ledger: Ledger, { id, cpus }: Change): LogRecord {
  const own = ledger.assignments.get(id);
  const fields = {
    pod: own === undefined ? "" : describe(own.container),
    container: id,
    cpus: cpus.toString(),
  };
  const forbidden = own?.grant.isEmpty && own.claim.kind !== "pinned" && own.claim.forbidden.intersects(cpus);
  return forbidden
    ? logOf("warn", "degraded: the shared pool has no CPU that the pod doesn't forbid", fields)
    : logOf("debug", "update", fields);
}

function placedLog(verb: string, ledger: Ledger, placed: Assignment, grant: Grant): LogRecord {
  return logOf("info", `${verb} ${placed.claim.kind}`, {
    pod: describe(placed.container),
    container: placed.container.id,
    cpus: ledger.effective(placed).toString(),
    ...(grant.mems === undefined ? {} : { mems: grant.mems.toString() }),
    pool: ledger.sharedPool.toString(),
  });
}

function releasedLogs(own: Assignment | undefined): LogRecord[] {
  if (own === undefined) return [];
  const fields = { pod: describe(own.container), container: own.container.id, cpus: own.grant.toString() };
  return [logOf(own.grant.isEmpty ? "debug" : "info", `released ${own.claim.kind}`, fields)];
}

function logOf(level: LogRecord["level"], message: string, fields?: LogRecord["fields"]): LogRecord {
  return fields === undefined ? { level, message } : { level, message, fields };
}
