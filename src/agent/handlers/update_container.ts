/**
 * UpdateContainer: kubelet's in-place resize, its managers, or anybody else changes a container's resources.
 *
 * The container's own CPUs are said again with every update, whoever asked for it: a request that carries a set of
 * its own would replace ours otherwise. NRI takes the container's own resources from the last update that names it,
 * so it goes last.
 *
 * The reply is applied in its order, but nobody tells whether that worked. So a container that grows onto CPUs
 * which others leave in the same reply keeps its old set in it, and gets the new one in a step of its own.
 */
import { CpuSet } from "../../cpu/cpu_set.ts";
import type { Assignment } from "../../ledger/assignment.ts";
import {
  allowedNow,
  type PlannedUpdate,
  planRecordUpdates,
  planUpdates,
  recordUpdate,
} from "../../ledger/updates.ts";
import type { Claim } from "../../ledger/claim.ts";
import type { Ledger } from "../../ledger/ledger.ts";
import type { Refusal } from "../../ledger/refusal.ts";
import { resize } from "../../ledger/resize.ts";
import type { LogRecord } from "../../log_record.ts";
import { recoveredLogs, refused, unchanged } from "./containers.ts";
import type { LinuxResources } from "../../nri/gen/nri_pb.ts";
import { immediateUpdates, withLedger } from "../pending.ts";
import { changeLogs, placedLogs, warningsOf } from "../logs.ts";
import type { Subject } from "../../nri/methods.ts";
import { type AgentState, NEUTRAL, type Response } from "../state.ts";
import { type ReadClaim, readClaim } from "../../nri/read_claim.ts";
import { resized } from "../../nri/merge_resources.ts";
import { updateReply } from "../../nri/write_reply.ts";

export type Update = Subject & { readonly resources: LinuxResources | undefined };

/** Re-decides the claim where the request changes it, and says the container's CPUs. */
export function updateContainer(state: AgentState, update: Update): Response {
  const { container: { id }, resources } = update;
  const before = state.phase === "serving" ? state.ledger.assignments.get(id) : undefined;
  if (before === undefined) return unchanged(state);
  const decided = decideClaim(state, before, update);
  if ("kind" in decided) return refused(state, decided);
  const { ledger } = decided;
  const asked = resources?.cpu?.cpus !== undefined && resources.cpu.cpus !== "";
  const own = ownUpdate(ledger, id, asked);
  const except = { id, growth: true, kernel: "losses" } as const;
  const told = planUpdates(ledger, { ...except, ...(own === undefined ? {} : { leaving: own.leaving }) });
  const writes = told.updates.filter(({ inKernel }) => inKernel);
  const records = planRecordUpdates(told.ledger);
  const others = [...told.updates, ...records.updates].filter((each) => !each.inKernel && each.id !== id);
  const said = own === undefined ? [] : [{ id, cpus: own.beside(others) }];
  const next = said.reduce(recordUpdate, records.ledger);
  return {
    state: withLedger(state, next),
    reply: state.dryRun ? NEUTRAL : { kind: "answer", payload: updateReply([...others, ...said]) },
    writes,
    replyUpdates: others,
    logs: [...decided.logs, ...changeLogs(told.updates)],
    background: immediateUpdates(state, next),
  };
}

interface Decided {
  readonly ledger: Ledger;
  readonly logs: readonly LogRecord[];
}

/** The ledger in which the container claims what it will have; a refusal where there is no room for that. */
function decideClaim(
  { ledger, rules, dryRun }: AgentState,
  before: Assignment,
  update: Update,
): Decided | Refusal {
  const same = { ledger, logs: [] };
  const after = resized(update.container, update.resources);
  if (after === undefined || before.claim.kind === "pinned") return same;
  const read = readClaim(update.pod, after, rules);
  // What its pod's annotations say by now is for its next creation.
  if (read.kind !== "claim" || read.claim.kind === "pinned") return same;
  const claim = asPlaced(before.claim, read.claim);
  if (sizeOf(claim) === sizeOf(before.claim)) return same;
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
    ...placedLogs(dryRun ? "would resize to" : "resized to", after, own),
    ...recoveredLogs(before, after),
  ];
}

interface OwnUpdate {
  /** CPUs that it is told to leave, after all others have been told. */
  readonly leaving: CpuSet;
  /** What is said of it in a reply that carries `sent`: nothing that these only leave. */
  beside(sent: readonly PlannedUpdate[]): CpuSet;
}

/**
 * What to say of the container itself; undefined where it may run everywhere anyway, and where its set is in the kernel
 * alone, which no update touches then.
 */
function ownUpdate(ledger: Ledger, id: string, asked: boolean): OwnUpdate | undefined {
  const own = ledger.assignments.get(id);
  if (own === undefined) return undefined;
  const { online } = ledger.topology;
  if (own.kernel !== undefined) return inKernel(ledger, own, asked);
  const cpus = allowedNow(ledger, own);
  if (cpus.isEmpty || (own.record === undefined && cpus.equals(online) && !asked)) return undefined;
  const before = ledger.observed(own);
  return {
    leaving: before.difference(cpus),
    beside(sent) {
      const left = CpuSet.unionOf(sent.map((each) => ledger.observed(each.assignment).difference(each.cpus)));
      if (!cpus.difference(before).intersects(left)) return cpus;
      const kept = cpus.intersection(before);
      return kept.isEmpty ? cpus : kept; // They change places: there is no step in between.
    },
  };
}

/** Its own set is in the kernel by the time of the answer, and everybody has left what it gains. */
function inKernel(ledger: Ledger, own: Assignment, asked: boolean): OwnUpdate | undefined {
  if (own.grant.isEmpty && own.record === undefined && !asked) return undefined;
  const cpus = allowedNow(ledger, own);
  return cpus.isEmpty ? undefined : { leaving: CpuSet.empty, beside: () => cpus };
}
