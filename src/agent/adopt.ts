/**
 * What the agent finds out about the running containers besides the calls of the runtime: lists, the last resort without
 * one, ends that were never reported, other CPUs, another policy.
 */
import { CpuSet } from "../cpu/cpu_set.ts";
import { withheldText } from "../cpu/withheld.ts";
import type { Assignment } from "../ledger/assignment.ts";
import {
  foundByRecord,
  isConfirmed,
  isStarting,
  mayHaveBeenSent,
  recordMayChange,
} from "../ledger/delivery.ts";
import { Ledger } from "../ledger/ledger.ts";
import { isGroup } from "../ledger/groups.ts";
import { type Found, recover } from "../ledger/recover.ts";
import { release } from "../ledger/release.ts";
import { applyTopology, type TopologyChange } from "../ledger/topology_change.ts";
import { type CpuUpdate, pendingUpdates } from "../ledger/updates.ts";
import type { LogRecord } from "../log_record.ts";
import { deliveryOfFound, readablePort } from "./apply_mode.ts";
import type { Readings } from "./decision.ts";
import { type Listing, mergeEarlyEvents, NO_EARLY_EVENTS } from "./early.ts";
import { fenceOf, groupsFor, withGroups } from "./fences.ts";
import { findContainers, type FoundContainers, type ListedContainer } from "./found_containers.ts";
import { released } from "./handlers/ends.ts";
import { advance } from "./lifecycle.ts";
import { claimFound } from "./limits.ts";
import type { MachineChange } from "./machine.ts";
import {
  degradedLogs,
  logOf,
  newlyDegradedLogs,
  placedLogs,
  recoveredLogs,
  synchronizedLog,
} from "./logs.ts";
import { unsurePartitions } from "./partitions.ts";
import { withLedger } from "./pending.ts";
import type { AgentState } from "./state.ts";
import { readAll, withReadings } from "./kernel.ts";

/** What came of it: there is no reply that could carry the corrections. */
export interface Adopted {
  readonly state: AgentState;
  /** What differs, in the order in which it is to be delivered; it stays pending until it is. */
  readonly updates: readonly CpuUpdate[];
  readonly logs: readonly LogRecord[];
}

interface Rebuilt {
  readonly ledger: Ledger;
  readonly logs: readonly LogRecord[];
}

/** The list, with the events that have come since it was taken. */
export function listedWithEarly(state: AgentState, listing: Listing): Listing {
  return mergeEarlyEvents(listing, state.early);
}

/** The ledger that follows from a list and the readings of its containers' cgroups. */
export function rebuiltFrom(
  state: AgentState,
  listing: Listing,
  found: readonly ListedContainer[],
  readings: Readings,
): Rebuilt {
  const { topology, policy } = state.ledger;
  const fenced = fencedBefore(state, Ledger.empty(topology, policy), found, readings);
  const all = foundIn(state, listing, found, readings, fenced.ledger);
  const ledger = recover(topology, policy, all, fenced.ledger);
  return { ledger, logs: [...fenced.logs, ...degradedLogs(ledger), ...placedLogs(ledger)] };
}

/** The containers of a list, each with how far the delivery to it has come. */
function foundIn(
  state: AgentState,
  listing: Listing,
  found: readonly ListedContainer[],
  readings: Readings,
  known: Ledger,
): Found[] {
  const listed = new Set(listing.containers.map(({ id }) => id));
  return found.map((each) => {
    const early = withEarlyState(state, each, listed);
    const reading = readings.get(each.container.id);
    const claim = claimFound(state, each.container, each.claim, reading);
    const { record, isRunning, sent, ...rest } = {
      ...early,
      claim,
      ...fenceOf(state, known, each.container),
    };
    const found = deliveryOfFound(state, { record, isRunning }, reading);
    const delivered = isOnItsWay(state, each) ? recordMayChange(found) : found;
    const since = state.ledger.assignments.get(each.container.id)?.since ?? state.now;
    return { ...rest, since, ...(sent === undefined ? delivered : mayHaveBeenSent(delivered, sent)) };
  });
}

/** What a container was sent before the list was taken wasn't in its record then: it may still come. */
function isOnItsWay({ ledger }: AgentState, { container: { id }, record: listed }: ListedContainer): boolean {
  const { record, recordUnsure = false } = ledger.assignments.get(id)?.delivery ?? {};
  return recordUnsure && record !== undefined && listed?.equals(record) !== true;
}

/** With the events of a container since the list was taken. */
function withEarlyState(
  { early, ledger }: AgentState,
  found: ListedContainer,
  listed: ReadonlySet<string>,
): ListedContainer {
  const { id } = found.container;
  const event = early.get(id);
  if (event === undefined) return found;
  const isRunning = !event.starting || (found.isRunning && listed.has(id));
  const { record, recordUnsure } = ledger.assignments.get(id)?.delivery ?? {};
  // Its record is what was answered since.
  return recordUnsure
    ? { ...found, isRunning, sent: record }
    : { ...found, isRunning, record: record ?? found.record };
}

/** With the groups that are to be looked at with those that were found. */
function fencedBefore(
  state: AgentState,
  ledger: Ledger,
  found: readonly ListedContainer[],
  readings: Readings,
): Rebuilt {
  const groups = groupsFor(state, found.map(({ container }) => container));
  return withGroups(state, ledger, groups.filter(({ id }) => !ledger.assignments.has(id)), readings);
}

/** The containers of a list, and what is read of their cgroups now. */
function lookUp(state: AgentState, listing: Listing): FoundContainers & { readonly readings: Readings } {
  const { found, logs } = findContainers(state, listedWithEarly(state, listing));
  const containers = found.map(({ container }) => container);
  const readings = readAll(readablePort(state), [...containers, ...groupsFor(state, containers)]);
  return { found, logs, readings };
}

function rebuild(state: AgentState, listing: Listing): Rebuilt {
  const { found, readings, logs } = lookUp(state, listing);
  const rebuilt = rebuiltFrom(state, listing, found, readings);
  return { ...rebuilt, logs: [...logs, ...rebuilt.logs] };
}

/** The ledger is rebuilt from a list that the agent has fetched by itself. */
export function adoptListing(state: AgentState, listing: Listing): Adopted {
  const { ledger, logs } = rebuild(state, listing);
  const ids = ledger.assignments.values().filter((each) => !isGroup(each)).map(({ container }) =>
    container.id
  );
  const untracked = new Set(ids.filter((id) => state.early.get(id)?.isNew !== true));
  const summary = synchronizedLog("synchronized from the CRI", ledger, pendingUpdates(ledger).length);
  return adopted({ ...state, untracked }, ledger, [...logs, summary]);
}

/**
 * The last resort, where the running containers can't be listed: `claims`, the CPUs that seem to be claimed, are treated
 * as pinned, so that no new container is given them.
 */
export function adoptClaims(state: AgentState, claims: CpuSet): Adopted {
  const nothing = { pods: [], containers: [] };
  const { found, readings, logs } = lookUp(state, nothing);
  const own = found.flatMap(({ claim, record }) => claim.kind === "shared" || !record ? [] : [record]);
  const { topology, policy } = state.ledger;
  const empty = Ledger.empty(topology, policy);
  const taken = claims.intersection(topology.online).difference(CpuSet.unionOf(own));
  const known = taken.isEmpty ? empty : empty.with(holderOf(taken));
  const fenced = fencedBefore(state, known, found, readings);
  const ledger = recover(
    topology,
    policy,
    foundIn(state, nothing, found, readings, fenced.ledger),
    fenced.ledger,
  );
  const message = "degraded: running containers unknown; CPUs that seem claimed are not given away";
  const record = logOf("error", message, undefined, { claimed: claims.toString() });
  const next = adopted(state, ledger, [...logs, ...fenced.logs, ...degradedLogs(ledger), record]);
  // The list may still come, and then it is what counts.
  const { early, awaitsListing } = state;
  return { ...next, state: { ...next.state, early, awaitsListing } };
}

/** The unknown holder of these CPUs. */
function holderOf(cpus: CpuSet): Assignment {
  const unknown = { id: "unknown", name: "unknown", pod: "unknown", namespace: "unknown" };
  const container = { ...unknown, podUid: "", sandboxId: "" };
  return { container, claim: { kind: "pinned", cpus }, grant: cpus, ...foundByRecord(cpus, true) };
}

/**
 * Containers that aren't among the living are released when they have been missing twice, since one that is being created
 * in this moment isn't listed yet.
 */
export function forgetEnded(state: AgentState, living: ReadonlySet<string>): Adopted {
  const { untracked: before, reconcile } = state;
  const gone = state.ledger.assignments.values().filter((assignment) => {
    const { id, sandboxId } = assignment.container;
    return !living.has(id) && (before.has(id) || (!isStarting(assignment) && sandboxId !== ""));
  }).map(({ container }) => container.id);
  const ended = gone.filter((id) => reconcile.missing.has(id));
  const { ledger, logs } = released(state, (before) => withoutEnded(before, ended), ended);
  const untracked = new Set([...before].filter((id) => ledger.assignments.has(id)));
  const missing = new Set(gone.filter((id) => ledger.assignments.has(id)));
  return {
    state: withLedger({ ...state, untracked, reconcile: { ...reconcile, missing } }, ledger),
    updates: state.dryRun || ended.length === 0 ? [] : pendingUpdates(ledger),
    logs,
  };
}

/** A container whose end isn't reported has a pod whose end isn't, either: it counts as ended with its last container. */
function withoutEnded(before: Ledger, ended: readonly string[]): Ledger {
  const pods = new Set(ended.map((id) => before.assignments.get(id)?.container.podUid ?? ""));
  const next = ended.reduce(release, before);
  return [...pods].reduce((next, pod) => next.ofPod(pod).length === 0 ? next.forgetting(pod) : next, next);
}

/** Containers that run and are in no event so far are taken in, as far as they are managed. */
export function adoptUnknown(state: AgentState, listing: Listing): Adopted {
  const { ledger: known, reconcile } = state;
  const unknown = listing.containers.filter(({ id }) =>
    reconcile.unknown.has(id) && !known.assignments.has(id)
  );
  const part = { ...listing, containers: unknown };
  const { found, readings, logs } = lookUp(state, part);
  const fenced = fencedBefore(state, known, found, readings);
  const all = foundIn(state, part, found, readings, fenced.ledger);
  const ledger = recover(known.topology, known.policy, all, fenced.ledger);
  const taken = new Set(found.map(({ container }) => container.id));
  const unmanaged = reconcile.unmanaged.union(new Set(unknown.map(({ id }) => id)).difference(taken));
  // The list is from a moment ago: some may have ended since.
  const untracked = state.untracked.union(taken);
  const fields = { containers: taken.size, ids: [...taken].slice(0, 8).join(" ") };
  const message = "unknown running containers found and placed";
  const placed = [...taken].flatMap((id) => ledger.assignments.get(id) ?? []);
  const next = { ...state, untracked, reconcile: { ...reconcile, unmanaged, unknown: new Set<string>() } };
  return {
    state: withLedger(next, ledger),
    updates: state.dryRun ? [] : pendingUpdates(ledger),
    logs: [
      ...taken.size === 0 ? [] : [logOf("warn", message, undefined, fields)],
      ...logs,
      ...fenced.logs,
      ...placedLogs(ledger, placed),
    ],
  };
}

/** CPUs have gone offline or come back; or containers can't have them any more, or again. */
export function adoptMachine(state: AgentState, { topology, offlineRemoved }: MachineChange): Adopted {
  const { policy, topology: { online } } = state.ledger;
  const withheld = withheldText(topology.withheld);
  const now = { before: online.toString(), online: topology.online.toString() };
  const fields = withheld === "" ? now : { ...now, withheld };
  const log = logOf("warn", "the CPUs that are online have changed", undefined, fields);
  const adopted = adoptTopology(state, { topology, policy, offlineRemoved });
  return { ...adopted, logs: [log, ...adopted.logs] };
}

/** CPUs have gone offline or come back, or the administrator has decided otherwise. */
export function adoptTopology(state: AgentState, change: TopologyChange): Adopted {
  const { ledger: before } = state;
  const applied = applyTopology(before, change);
  // An inherited set has changed with the machine.
  const ledger = change.topology === before.topology ? applied : rereadConfirmed(state, applied);
  return {
    state: withLedger(state, ledger),
    updates: state.dryRun || state.phase !== "serving" ? [] : pendingUpdates(ledger),
    logs: [...newlyDegradedLogs(before, ledger), ...recoveredLogs(before, ledger)],
  };
}

/** The ledger with what the kernel has by now, for those whose cgroups are read. */
function rereadConfirmed(state: AgentState, ledger: Ledger): Ledger {
  const known = ledger.assignments.values().filter(isConfirmed).map(({ container }) => container);
  return withReadings(ledger, readAll(readablePort(state), known));
}

function adopted(state: AgentState, ledger: Ledger, logs: readonly LogRecord[]): Adopted {
  const phase = advance(state.phase, "listed") ?? state.phase;
  return {
    state: withLedger(synchronizedState({ ...state, phase }), ledger),
    updates: state.dryRun ? [] : pendingUpdates(ledger),
    logs,
  };
}

/** The state once it is known what runs. */
export function synchronizedState({ pending: _, ...state }: AgentState): AgentState {
  const partitions = unsurePartitions(state.partitions);
  const known = { parts: [], early: NO_EARLY_EVENTS, awaitsListing: false };
  return { ...state, ...known, partitions, hasStalePartitions: true };
}
