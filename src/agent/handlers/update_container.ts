/**
 * UpdateContainer: kubelet's in-place resize, its managers, or another program changes a container's resources.
 *
 * Every reply carries the container's own CPUs, whoever asked for the update: a request with a set of its own would
 * replace ours otherwise. NRI takes the container's own resources from the last update that names it, so it goes last.
 *
 * The runtime applies a reply in its order and reports no failure. So a container that grows onto CPUs which others give
 * up by the same reply keeps its old set in it, and gets the new one in a step of its own.
 */
import { CpuSet } from "../../cpu/cpu_set.ts";
import { type Assignment, isUnconfined } from "../../ledger/assignment.ts";
import type { Claim } from "../../ledger/claim.ts";
import { updateSent } from "../../ledger/delivery.ts";
import type { Ledger } from "../../ledger/ledger.ts";
import { refuse } from "../../ledger/refusal.ts";
import { limited, limitOf } from "../../ledger/limit.ts";
import { resize } from "../../ledger/resize.ts";
import { allowedNow, isHeldInKernel, type PlannedUpdate, planUpdates } from "../../ledger/updates.ts";
import type { PlannedWrite } from "../../ledger/plan_writes.ts";
import type { LogRecord } from "../../log_record.ts";
import type { LinuxResources } from "../../nri/gen/nri_pb.ts";
import { resized, withRequestOfLimit } from "../../nri/merge_resources.ts";
import type { Subject } from "../../nri/methods.ts";
import { type ReadClaim, readClaim } from "../../nri/read_claim.ts";
import { updateReply } from "../../nri/write_reply.ts";
import { type Decision, NEUTRAL, refused, type Response, retriedFirst, unchanged } from "../decision.ts";
import { aroundFirst } from "../limits.ts";
import { deliveryLogs, newlyDegradedLogs, placedLog, recoveredLogs, warningsOf } from "../logs.ts";
import { immediateUpdates, withLedger } from "../pending.ts";
import { quotaInReply } from "../quotas.ts";
import type { AgentState } from "../state.ts";
import { applyClaim, FIRST_ATTEMPT } from "./apply_claim.ts";

export type Update = Subject & { readonly resources: LinuxResources | undefined };

/** Decides the claim anew where the request changes it, and answers the container's CPUs. */
export function updateContainer(state: AgentState, update: Update): Decision {
  if (state.phase !== "serving") return unchanged(state);
  const before = state.ledger.assignments.get(update.container.id);
  const asked = before && claimAsked(state, before, update);
  if (before === undefined || asked === undefined) return answered(state, state.ledger, update, []);
  const { container, claim } = before;
  if (sizeOf(asked.claim) < sizeOf(claim)) return resizing(state, update, asked);
  return state.claimsSuspendedReason === undefined
    ? aroundFirst(
      state,
      container,
      asked.claim,
      (claim) => retriedFirst(state, (known) => resizing(known, update, { ...asked, claim })),
    )
    : refused(state, container, refuse(container, "unavailable", state.claimsSuspendedReason), RESIZE);
}

/** Answers the container's CPUs, whatever its claim would be. */
export function reasserted(state: AgentState, update: Update): Decision {
  return answered(state, state.ledger, update, []);
}

const RESIZE = "container resize";

function resizing(state: AgentState, update: Update, asked: Asked, attempt = FIRST_ATTEMPT): Decision {
  const { container: { id } } = update;
  const before = state.ledger.assignments.get(id);
  if (before === undefined) return answered(state, state.ledger, update, []);
  const next = resize(state.ledger, before, claimNow(before, asked.claim), asked.degraded);
  if ("kind" in next) return refused(state, before.container, next, RESIZE);
  const logs = resizedLogs(state, next, id, asked);
  return applyClaim({
    state,
    next,
    id,
    what: RESIZE,
    attempt,
    again: (known, attempt) => resizing(known, update, asked, attempt),
    written: (ledger, writes) => answered(state, ledger, update, logs, writes),
  });
}

/** With the limit that a write may have shown meanwhile. */
function claimNow(before: Assignment, asked: Claim): Claim {
  const limit = limitOf(before);
  return asked.kind === "exclusive" && limit !== undefined ? limited(asked, limit) : asked;
}

function answered(
  state: AgentState,
  ledger: Ledger,
  { container: { id }, resources }: Update,
  logs: readonly LogRecord[],
  writes: readonly PlannedWrite[] = [],
): Response {
  const isAsked = resources?.cpu?.cpus !== undefined && resources.cpu.cpus !== "";
  const own = ownUpdate(ledger, id, isAsked);
  const leaving = own === undefined ? {} : { leaving: own.leaving };
  const { updates, ledger: sent } = planUpdates(ledger, { id, growth: true, ...leaving });
  const assignment = ledger.assignments.get(id);
  const quota = assignment && quotaInReply(state, assignment);
  const last = own === undefined ? [] : [{ id, cpus: own.beside(ledger, updates), quota }];
  const next = last.reduce((next, { cpus }) => next.update(id, (own) => updateSent(own, cpus)), sent);
  return {
    kind: "response",
    state: withLedger(state, next),
    reply: state.dryRun ? NEUTRAL : { kind: "answer", payload: updateReply([...updates, ...last]) },
    logs: [...logs, ...deliveryLogs([...writes, ...updates])],
    background: immediateUpdates(state, next),
  };
}

/** What a container is to claim from now on. */
interface Asked extends Pick<ReadClaim, "degraded" | "warnings"> {
  readonly claim: Claim;
}

/** What the container will claim; undefined where that is the same as before. */
function claimAsked({ rules }: AgentState, before: Assignment, update: Update): Asked | undefined {
  const after = resized(update.container, update.resources);
  const { claim: placed } = before;
  if (after === undefined || placed.kind === "pinned" || placed.kind === "group") return undefined;
  const isExclusive = placed.kind === "exclusive";
  const read = readClaim(update.pod, isExclusive ? withRequestOfLimit(after) : after, rules);
  // What its pod's annotations say by now is for its next creation.
  if (read.kind !== "claim" || read.claim.kind === "pinned") return undefined;
  const claim = asPlaced(placed, read.claim);
  return sizeOf(claim) === sizeOf(placed) ? undefined : { ...read, claim };
}

/** The new size, with all else as it was when the container was placed. */
function asPlaced(before: Claim, after: Exclude<Claim, { kind: "pinned" }>): Claim {
  const { forbidden } = before.kind === "pinned" ? after : before;
  if (after.kind === "shared" || before.kind !== "exclusive") return { ...after, forbidden };
  const { isolation: _, movable: __, ofPod, ...size } = after;
  const { movable, placement, isolation } = before;
  return {
    ...size,
    forbidden,
    placement,
    ...(movable === undefined ? {} : { movable }),
    ...(isolation === undefined ? {} : { isolation }),
    // One that has less than its pod hasn't the pod's figures, whatever that limit of before is.
    ...(ofPod && before.ofPod ? { ofPod } : {}),
  };
}

/** How many exclusive CPUs a claim is for. */
function sizeOf(claim: Assignment["claim"]): number {
  return claim.kind === "exclusive" ? claim.count : 0;
}

function resizedLogs(
  { ledger: before, dryRun }: AgentState,
  after: Ledger,
  id: string,
  { warnings }: Asked,
): LogRecord[] {
  const own = after.assignments.get(id);
  if (own === undefined) return [];
  return [
    ...warningsOf(warnings, own.container),
    placedLog(dryRun ? "would be resized" : "resized", after, own),
    ...newlyDegradedLogs(before, after, id),
    ...recoveredLogs(before, after),
  ];
}

interface OwnUpdate {
  /** CPUs that it gives up, after all others have been updated. */
  readonly leaving: CpuSet;
  /** Its CPUs in a reply that carries these updates of others: none that they only give up by it. */
  beside(ledger: Ledger, updates: readonly PlannedUpdate[]): CpuSet;
}

/**
 * The container's own update; undefined where it may run everywhere anyway, and where its set is in the kernel alone,
 * which no update touches then.
 */
function ownUpdate(ledger: Ledger, id: string, isAsked: boolean): OwnUpdate | undefined {
  const own = ledger.assignments.get(id);
  if (own === undefined) return undefined;
  if (isUnconfined(own)) return undefined;
  const { grant, delivery: { by, record } } = own;
  // What another still holds it gets in a step of its own.
  const isHeld = isHeldInKernel(ledger, own);
  const cpus = isHeld ? ledger.mayRunOn(own) : allowedNow(ledger, own);
  if (cpus.isEmpty) return undefined;
  if (by === "cgroup") {
    // By the time of the reply it is written, and the others have given up what it gains.
    const isInKernelAlone = (grant.isEmpty || isHeld) && record === undefined && !isAsked;
    return isInKernelAlone ? undefined : { leaving: CpuSet.empty, beside: () => cpus };
  }
  if (record === undefined && cpus.equals(ledger.topology.online) && !isAsked) return undefined;
  const before = ledger.mayRunOn(own);
  return {
    leaving: before.difference(cpus),
    beside: (now, updates) => withoutLeft(now, before, cpus, updates),
  };
}

function withoutLeft(
  ledger: Ledger,
  before: CpuSet,
  cpus: CpuSet,
  updates: readonly PlannedUpdate[],
): CpuSet {
  const left = CpuSet.unionOf(updates.map((each) => ledger.mayRunOn(each.assignment).difference(each.cpus)));
  if (!cpus.difference(before).intersects(left)) return cpus;
  const kept = cpus.intersection(before);
  return kept.isEmpty ? cpus : kept; // They change places: there is no step in between.
}
