/**
 * Synchronize: the runtime tells which containers it has, possibly in several messages, and the
 * ledger is rebuilt from that alone.
 */
import { CpuSet } from "../../cpu/cpu_set.ts";
import { type Assignment, byOrder, confirmedSet } from "../../ledger/assignment.ts";
import { type CpuUpdate, pendingUpdates, planRecordUpdates, planUpdates } from "../../ledger/updates.ts";
import { Ledger } from "../../ledger/ledger.ts";
import { observedRunning } from "../../ledger/progress.ts";
import { applyTopology, type TopologyChange } from "../../ledger/topology_change.ts";
import { type Found, recover } from "../../ledger/recover.ts";
import { release } from "../../ledger/release.ts";
import type { LogRecord } from "../../log_record.ts";
import { recoveredLogs, released } from "./containers.ts";
import { type Listing, mergeEarlyEvents, NO_EARLY_EVENTS } from "../early.ts";
import { findContainers, type FoundContainers } from "../found_containers.ts";
import { whole } from "../synchronize_parts.ts";
import { advance } from "../lifecycle.ts";
import { kernelSet } from "../kernel_first.ts";
import { degradedLog } from "../logs.ts";
import type { AgentState, Part, Response } from "../state.ts";
import { withLedger } from "../pending.ts";
import { synchronizeReply } from "../../nri/write_reply.ts";

/** The last part: the ledger is rebuilt, and what differs from it is corrected in the answer. */
export function synchronize(state: AgentState, last: Part): Response {
  const rebuilt = rebuild(state, whole(state, last));
  const told = planUpdates(rebuilt.ledger, { kernel: "none" });
  const records = planRecordUpdates(told.ledger);
  const sent = state.dryRun ? [] : [...told.updates, ...records.updates];
  return {
    state: withLedger(known({ ...state, untracked: new Set() }), records.ledger),
    reply: { kind: "answer", payload: synchronizeReply(sent) },
    logs: [...rebuilt.logs, summary("synchronized", rebuilt.ledger, sent.length)],
  };
}

/** What came of a list that no call brought: there is no reply that could carry the corrections. */
export interface Adopted {
  readonly state: AgentState;
  /** What differs, in the order in which it is to be put right; it stays owed until it is. */
  readonly owed: readonly CpuUpdate[];
  readonly logs: readonly LogRecord[];
}

/** The ledger is rebuilt from a list that the agent has fetched by itself. */
export function adoptListing(state: AgentState, listing: Listing): Adopted {
  const { ledger, logs } = rebuild(state, listing);
  const untold = new Set(ledger.assignments.keys());
  const said = summary("synchronized from the CRI", ledger, pendingUpdates(ledger).length);
  return adopted({ ...state, untracked: untold }, ledger, [...logs, said]);
}

/**
 * The last resort, where nobody tells which containers run: `claims`, the CPUs that somebody seems to have for
 * itself, are treated as pinned, so that no new container is given them.
 */
export function adoptClaims(state: AgentState, claims: CpuSet): Adopted {
  const { found, logs } = foundIn(state, { pods: [], containers: [] });
  const own = found.flatMap(({ claim, record }) => claim.kind === "shared" || !record ? [] : [record]);
  const empty = Ledger.empty(state.topology, state.policy);
  const taken = claims.intersection(state.topology.online).difference(CpuSet.unionOf(own));
  const ledger = recover(
    state.topology,
    state.policy,
    found,
    taken.isEmpty ? empty : empty.with(holderOf(taken)),
  );
  const message = "degraded: the running containers are unknown, the CPUs that seem taken are left alone";
  const record: LogRecord = { level: "error", message, fields: { claims: claims.toString() } };
  const { early, awaitsListing } = state;
  const next = adopted(state, ledger, [...logs, ...degradedLogs(ledger), record]);
  // The list may still come, and then it is what counts.
  return { ...next, state: { ...next.state, early, awaitsListing } };
}

/** Whoever has these CPUs. */
function holderOf(cpus: CpuSet): Assignment {
  const unknown = { id: "unknown", name: "unknown", pod: "unknown", namespace: "unknown" };
  const container = { ...unknown, podUid: "", sandboxId: "" };
  return { container, claim: { kind: "pinned", cpus }, grant: cpus, record: cpus };
}

/**
 * Those that aren't among the living are released when they have been missing twice, since what is being created in
 * this moment isn't counted yet.
 */
export function forgetEnded(state: AgentState, living: ReadonlySet<string>): Adopted {
  const { untracked: before, reconcile } = state;
  const gone = state.ledger.assignments.values().filter(({ starting, container: { id, sandboxId } }) =>
    !living.has(id) && (before.has(id) || (starting === undefined && sandboxId !== ""))
  ).map(({ container }) => container.id);
  const ended = gone.filter((id) => reconcile.missing.has(id));
  const { ledger, logs } = released(state, (before) => ended.reduce(release, before), ended);
  const untold = new Set([...before].filter((id) => ledger.assignments.has(id)));
  const missing = new Set(gone.filter((id) => ledger.assignments.has(id)));
  return {
    state: withLedger({ ...state, untracked: untold, reconcile: { ...reconcile, missing } }, ledger),
    owed: state.dryRun || ended.length === 0 ? [] : pendingUpdates(ledger),
    logs,
  };
}

/** Containers that run and nobody has told of are taken in, as far as they are to be placed. */
export function adoptUnknown(state: AgentState, listing: Listing): Adopted {
  const unheard = listing.containers.filter(({ id }) =>
    state.reconcile.unknown.has(id) && !state.ledger.assignments.has(id)
  );
  const { found, logs } = foundIn(state, { ...listing, containers: unheard });
  const ledger = recover(state.topology, state.policy, found, state.ledger);
  const known = new Set(found.map(({ container }) => container.id));
  const others = unheard.map(({ id }) => id).filter((id) => !known.has(id));
  const unmanaged = new Set([...state.reconcile.unmanaged, ...others]);
  // The list is from a moment ago: some may have ended since.
  const untold = new Set([...state.untracked, ...known]);
  const message = "running containers that nobody has told of were found";
  const said: LogRecord[] = known.size === 0 ? [] : [{
    level: "warn",
    message,
    fields: { containers: known.size, ids: [...known].slice(0, 8).join(" ") },
  }];
  return {
    state: withLedger({
      ...state,
      untracked: untold,
      reconcile: { ...state.reconcile, unmanaged, unknown: new Set() },
    }, ledger),
    owed: state.dryRun ? [] : pendingUpdates(ledger),
    logs: [...said, ...logs],
  };
}

/** CPUs have gone offline or come back, or the administrator has decided otherwise. */
export function adoptTopology(state: AgentState, ground: TopologyChange): Adopted {
  const rebased = applyTopology(state.ledger, ground);
  // An inherited set has changed with the machine.
  const ledger = ground.topology === state.topology ? rebased : rereadKnown(state, rebased);
  const degraded = ledger.degraded.filter((a) => {
    const before = state.ledger.assignments.get(a.container.id);
    return before?.degraded !== a.degraded;
  });
  const logs = [
    ...degraded.map((assignment) => degradedLog(assignment, assignment.degraded ?? "")),
    ...recoveredLogs(state.ledger, ledger),
  ];
  const { topology, policy } = ground;
  return {
    state: withLedger({ ...state, topology, policy }, ledger),
    owed: state.dryRun || state.phase !== "serving" ? [] : pendingUpdates(ledger),
    logs,
  };
}

/** The ledger with what the kernel has by now, for those of whom that was known. */
function rereadKnown(state: AgentState, ledger: Ledger): Ledger {
  const known = ledger.assignments.values().filter((assignment) => confirmedSet(assignment) !== undefined);
  return known.reduce((next, { container }) => {
    const set = kernelSet(state, container, false);
    return set === undefined || set === "at-start" ? next : observedRunning(next, container.id, set);
  }, ledger);
}

function adopted(state: AgentState, ledger: Ledger, logs: readonly LogRecord[]): Adopted {
  const phase = advance(state.phase, "listed") ?? state.phase;
  return {
    state: withLedger(known({ ...state, phase }), ledger),
    owed: state.dryRun ? [] : pendingUpdates(ledger),
    logs,
  };
}

/** A node that has heard what runs. */
function known({ pending: _, ...state }: AgentState): AgentState {
  return { ...state, parts: [], early: NO_EARLY_EVENTS, awaitsListing: false };
}

function rebuild(state: AgentState, listing: Listing): { ledger: Ledger; logs: LogRecord[] } {
  const { found, logs } = foundIn(state, listing);
  const ledger = recover(state.topology, state.policy, found);
  return { ledger, logs: [...logs, ...degradedLogs(ledger)] };
}

function foundIn(state: AgentState, listing: Listing): FoundContainers {
  const listed = new Set(listing.containers.map(({ id }) => id));
  const { found, logs } = findContainers(state, mergeEarlyEvents(listing, state.early));
  return { found: found.map((f) => withKernelSet(state, withEarlyState(state, f, listed))), logs };
}

/** With what has been heard of a container besides the list, which was taken at some moment before. */
function withEarlyState({ early, ledger }: AgentState, found: Found, listed: ReadonlySet<string>): Found {
  const { id } = found.container;
  const heard = early.get(id);
  if (heard === undefined) return found;
  const starting = heard.starting && (found.starting === true || !listed.has(id));
  // Its record is what was answered since.
  const record = ledger.assignments.get(id)?.record ?? found.record;
  return { ...found, starting, ...(record === undefined ? {} : { record }) };
}

/** With what the kernel has, which is where it runs, whatever the list says. */
function withKernelSet(state: AgentState, found: Found): Found {
  const kernel = kernelSet(state, found.container, found.starting === true);
  return kernel === undefined ? found : { ...found, kernel };
}

function degradedLogs(ledger: Ledger): LogRecord[] {
  return ledger.assignments.values().filter(({ degraded }) => degraded !== undefined)
    .sort(byOrder).map((assignment) => degradedLog(assignment, assignment.degraded ?? ""));
}

function summary(message: string, ledger: Ledger, updates: number): LogRecord {
  const kinds = { pinned: 0, exclusive: 0, shared: 0 };
  for (const { claim, grant } of ledger.assignments.values()) kinds[grant.isEmpty ? "shared" : claim.kind]++;
  const fields = { ...kinds, pool: ledger.sharedPool.toString(), updates };
  return { level: "info", message, fields };
}
