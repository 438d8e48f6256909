/**
 * What the agent finds out about the running containers besides the calls of the runtime: lists, the last resort without
 * one, ends that were never reported.
 */
import { CpuSet } from "../cpu/cpu_set.ts";
import type { Assignment } from "../ledger/assignment.ts";
import { foundByRecord, mayHaveBeenSent, recordMayChange } from "../ledger/delivery.ts";
import { Ledger } from "../ledger/ledger.ts";
import { isGroup } from "../ledger/groups.ts";
import { type Found, recover } from "../ledger/recover.ts";
import { hold, isHeld } from "../ledger/held.ts";
import { releaseForGood } from "../ledger/release.ts";
import { type CpuUpdate, pendingUpdates } from "../ledger/updates.ts";
import type { LogRecord } from "../log_record.ts";
import { deliveryOfFound, readablePort } from "./apply_mode.ts";
import type { Readings } from "./decision.ts";
import { type Listing, mergeEarlyEvents, NO_EARLY_EVENTS } from "./early.ts";
import { fenceOf, groupsFor, withGroups } from "./fences.ts";
import {
  findContainers,
  type FoundContainers,
  type ListedContainer,
  withUnmanaged,
} from "./found_containers.ts";
import { endedIn, stoppedIn } from "./found_ended.ts";
import { released } from "./handlers/ends.ts";
import { advance } from "./lifecycle.ts";
import { claimFound, withLimitsFound } from "./limits.ts";
import { lookAtListed } from "./lost_ends.ts";
import { degradedLogs, logOf, placedLogs, synchronizedLog } from "./logs.ts";
import { unsurePartitions } from "./partitions.ts";
import { withLedger } from "./pending.ts";
import type { Received } from "./received.ts";
import { onlyStarting, withoutRefused } from "./standby.ts";
import type { AgentState } from "./state.ts";
import { readAll } from "./kernel.ts";

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
  const ended = endedIn(state, listing);
  const recovered = recover(topology, policy, all, fenced.ledger, ended);
  const running = withLimitsFound({ ...state, ledger: recovered }, found, readings);
  const ledger = ended.reduce((next, each) => hold(next, each), running.ledger);
  return { ledger, logs: [...fenced.logs, ...running.logs, ...degradedLogs(ledger), ...placedLogs(ledger)] };
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
    const listedNow = isOnItsWay(state, each) ? recordMayChange(found) : found;
    const delivered = sent === undefined ? listedNow : mayHaveBeenSent(listedNow, sent);
    const { since = state.now, affinity, chosen } = state.ledger.assignments.get(each.container.id) ?? {};
    return { ...rest, affinity, chosen, since, ...delivered };
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

/** The containers of a list, or some of these, and what is read of their cgroups now. */
function lookUp(
  state: AgentState,
  listing: Listing,
  only?: ReadonlySet<string>,
): FoundContainers & { readonly readings: Readings } {
  const all = findContainers(state, listedWithEarly(state, listing), only);
  const containers = all.found.map(({ container }) => container);
  const readings = readAll(readablePort(state), [...containers, ...groupsFor(state, containers)]);
  return { ...all, readings };
}

/** What was received on standby counts until the list comes, from which what only the runtime can deliver follows. */
export function adoptReceived(state: AgentState, received: Received): Adopted {
  const { listing } = received;
  const early = withoutRefused(received.early, state.now);
  const next = adoptListing({ ...state, early }, listing, "synchronized from what was received on standby");
  return {
    ...next,
    updates: [],
    state: { ...next.state, early: onlyStarting(early), awaitsListing: true },
  };
}

/** The ledger is rebuilt from a list that the agent has fetched by itself. */
export function adoptListing(
  state: AgentState,
  listing: Listing,
  message = "synchronized from the CRI",
): Adopted {
  const { found, readings, stale, logs } = lookUp(state, listing);
  const rebuilt = rebuiltFrom(state, listing, found, readings);
  const { ledger } = rebuilt;
  const containers = ledger.assignments.values().filter((each) => !isGroup(each) && !each.isHeld);
  const ids = containers.map(({ container: { id } }) => id);
  const untracked = new Set(ids.filter((id) => state.early.get(id)?.isNew !== true));
  const summary = synchronizedLog(message, ledger, pendingUpdates(ledger).length);
  const looked = withUnmanaged(lookAtListed(state, found, readings), stale);
  return adopted({ ...looked, untracked }, ledger, [...logs, ...rebuilt.logs, summary]);
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

/** Containers that run and are in no event so far are taken in, as far as they are managed; of ended ones the claims. */
export function adoptUnknown(state: AgentState, listing: Listing): Adopted {
  const { ledger: known, reconcile } = state;
  const ids = listing.containers.map(({ id }) => id);
  const unknown = new Set(ids.filter((id) => reconcile.unknown.has(id) && !known.assignments.has(id)));
  const { found, readings, stale, logs } = lookUp(state, listing, unknown);
  // One that is found may run in the place of one that is known.
  const replaced = released(state, (before) => [...stale].reduce(releaseForGood, before), [...stale]);
  const fenced = fencedBefore(state, replaced.ledger, found, readings);
  const all = foundIn(state, listing, found, readings, fenced.ledger);
  const recovered = recover(known.topology, known.policy, all, fenced.ledger);
  const running = withLimitsFound({ ...state, ledger: recovered }, found, readings);
  const ledger = stoppedIn(state, listing).reduce(
    (next, each) => isHeld(next, each) ? next : hold(next, each),
    running.ledger,
  );
  const taken = new Set(found.map(({ container }) => container.id));
  const unmanaged = reconcile.unmanaged.union(unknown.difference(taken)).union(stale);
  // The list is from a moment ago: some may have ended since.
  const untracked = state.untracked.union(taken);
  const fields = { containers: taken.size, ids: [...taken].slice(0, 8).join(" ") };
  const message = "unknown running containers found and placed";
  const none: ReadonlySet<string> = new Set();
  const placed = [...taken].flatMap((id) => ledger.assignments.get(id) ?? []);
  const next = {
    ...state,
    untracked,
    reconcile: { ...reconcile, unmanaged, unknown: none },
  };
  return {
    state: withLedger(next, ledger),
    updates: state.dryRun ? [] : pendingUpdates(ledger),
    logs: [
      ...taken.size === 0 ? [] : [logOf("warn", message, undefined, fields)],
      ...logs,
      ...replaced.logs,
      ...fenced.logs,
      ...running.logs,
      ...placedLogs(ledger, placed),
    ],
  };
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
