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
import type { Assignment } from "../../ledger/assignment.ts";
import type { Claim } from "../../ledger/claim.ts";
import { overhangsOf } from "../../ledger/conflict.ts";
import type { Ledger } from "../../ledger/ledger.ts";
import { type Refusal, refuse } from "../../ledger/refusal.ts";
import { resize } from "../../ledger/resize.ts";
import { allowedNow, type PlannedUpdate, planUpdates, recordUpdate } from "../../ledger/updates.ts";
import type { PlannedWrite } from "../../ledger/plan_writes.ts";
import type { LogRecord } from "../../log_record.ts";
import type { LinuxResources } from "../../nri/gen/nri_pb.ts";
import { resized, withRequestOfLimit } from "../../nri/merge_resources.ts";
import type { Subject } from "../../nri/methods.ts";
import { type ReadClaim, readClaim } from "../../nri/read_claim.ts";
import { updateReply } from "../../nri/write_reply.ts";
import { type Decision, NEUTRAL, refused, type Response, unchanged } from "../decision.ts";
import { deliveryLogs, placedLog, recoveredLogs, warningsOf } from "../logs.ts";
import { immediateUpdates, withLedger } from "../pending.ts";
import type { AgentState } from "../state.ts";
import { applyClaim, FIRST_ATTEMPT } from "./apply_claim.ts";

export type Update = Subject & { readonly resources: LinuxResources | undefined };

/** Decides the claim anew where the request changes it, and answers the container's CPUs. */
export function updateContainer(state: AgentState, update: Update, attempt = FIRST_ATTEMPT): Decision {
  const { container: { id } } = update;
  if (state.phase !== "serving") return unchanged(state);
  const before = state.ledger.assignments.get(id);
  if (before === undefined) return answered(state, state.ledger, update, []);
  const decided = decideClaim(state, before, update);
  if (decided === undefined) return answered(state, state.ledger, update, []);
  const { container } = before;
  if ("kind" in decided) return refused(state, container, decided, "container resize");
  return applyClaim({
    state,
    next: decided.ledger,
    id,
    attempt,
    again: (known, attempt) => updateContainer(known, update, attempt),
    giveUp: (known, reason) => {
      const why = `the CPUs of other containers can't be changed: ${reason}; retrying`;
      return refused(known, container, refuse(container, "unavailable", why), "container resize");
    },
    written: (ledger, writes) => answered(state, ledger, update, decided.logs, writes),
  });
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
  const last = own === undefined ? [] : [{ id, cpus: own.beside(ledger, updates) }];
  const next = last.reduce(recordUpdate, sent);
  return {
    kind: "response",
    state: withLedger(state, next),
    reply: state.dryRun ? NEUTRAL : { kind: "answer", payload: updateReply([...updates, ...last]) },
    logs: [...logs, ...deliveryLogs([...writes, ...updates])],
    background: immediateUpdates(state, next),
  };
}

interface Decided {
  readonly ledger: Ledger;
  readonly logs: readonly LogRecord[];
}

/** The ledger in which the container claims what it will have; undefined where it claims the same as before. */
function decideClaim(
  { ledger, rules, dryRun }: AgentState,
  before: Assignment,
  update: Update,
): Decided | Refusal | undefined {
  const after = resized(update.container, update.resources);
  if (after === undefined || before.claim.kind === "pinned") return undefined;
  const isExclusive = before.claim.kind === "exclusive";
  const read = readClaim(update.pod, isExclusive ? withRequestOfLimit(after) : after, rules);
  // What its pod's annotations say by now is for its next creation.
  if (read.kind !== "claim" || read.claim.kind === "pinned") return undefined;
  const claim = asPlaced(before.claim, read.claim);
  if (sizeOf(claim) === sizeOf(before.claim)) return undefined;
  const next = resize(ledger, before, claim, read.degraded);
  if ("kind" in next) return next;
  return { ledger: next, logs: resizedLogs(ledger, next, before.container.id, read, dryRun) };
}

/** The new size, with all else as it was when the container was placed. */
function asPlaced(before: Claim, after: Exclude<Claim, { kind: "pinned" }>): Claim {
  const { forbidden } = before.kind === "pinned" ? after : before;
  if (after.kind === "shared" || before.kind !== "exclusive") return { ...after, forbidden };
  return { ...after, forbidden, movable: before.movable, placement: before.placement };
}

/** How many exclusive CPUs a claim is for. */
function sizeOf(claim: Claim): number {
  return claim.kind === "exclusive" ? claim.count : 0;
}

function resizedLogs(
  before: Ledger,
  after: Ledger,
  id: string,
  read: ReadClaim,
  dryRun: boolean,
): LogRecord[] {
  const own = after.assignments.get(id);
  if (own === undefined) return [];
  return [
    ...warningsOf(read.warnings, own.container),
    placedLog(dryRun ? "would be resized" : "resized", after, own),
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
  const { grant, delivery: { by, record } } = own;
  const cpus = allowedNow(ledger, own, overhangsOf(ledger));
  if (cpus.isEmpty) return undefined;
  if (by === "cgroup") {
    // By the time of the reply it is written, and the others have given up what it gains.
    const isInKernelAlone = grant.isEmpty && record === undefined && !isAsked;
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
