/**
 * Synchronize: the runtime tells which containers it has, possibly in several messages, and the
 * ledger is rebuilt from that alone.
 */
import { CpuSet } from "../cpu/cpu_set.ts";
import { type Assignment, byOrder } from "../ledger/assignment.ts";
import { type Change, changes, tell } from "../ledger/changes.ts";
import { Ledger } from "../ledger/ledger.ts";
import { type Ground, rebase } from "../ledger/rebase.ts";
import { type Found, recover } from "../ledger/recover.ts";
import { release } from "../ledger/release.ts";
import type { LogRecord } from "../log_record.ts";
import { ProtocolError } from "../wire/errors.ts";
import { recoveredLogs, released } from "./containers.ts";
import { type Listing, NOTHING_EARLY, withEarly } from "./early.ts";
import { findContainers, type Finding } from "./find_containers.ts";
import type { SynchronizeRequest } from "./gen/nri_pb.ts";
import { advance } from "./lifecycle.ts";
import { degradedLog } from "./logs.ts";
import type { Node, Reply, Served } from "./node.ts";
import { withLedger } from "./owed.ts";
import { synchronizeReply } from "./write_reply.ts";

/** More containers than any node has: kubelet's default is 110 pods, its largest tested is some hundreds. */
const MAX_CONTAINERS = 65536;

/** The answer of a Synchronize that changes nothing. */
export function neutralSynchronize(more: boolean): Reply {
  return { kind: "answer", payload: synchronizeReply([], more) };
}

/** A part that others will follow: kept, and answered with `more`. */
export function gather(node: Node, part: SynchronizeRequest): Served {
  const parts = [...node.parts, part];
  const containers = parts.reduce((sum, p) => sum + p.containers.length + p.pods.length, 0);
  if (containers > MAX_CONTAINERS || parts.length > MAX_CONTAINERS) {
    throw new ProtocolError("overflow", `Synchronize has more than ${MAX_CONTAINERS} pods and containers`);
  }
  return { node: { ...node, parts }, reply: neutralSynchronize(true), logs: [] };
}

/** The last part: the ledger is rebuilt, and what differs from it is corrected in the answer. */
export function synchronize(node: Node, last: SynchronizeRequest): Served {
  const parts = [...node.parts, last];
  const listing = {
    pods: parts.flatMap((part) => part.pods),
    containers: parts.flatMap((part) => part.containers),
  };
  const rebuilt = rebuild(node, listing);
  const told = tell(rebuilt.ledger);
  return {
    node: withLedger(known({ ...node, untold: new Set() }), told.ledger),
    reply: { kind: "answer", payload: synchronizeReply(node.dryRun ? [] : told.sent) },
    logs: [...rebuilt.logs, summary("synchronized", rebuilt.ledger, told.sent.length)],
  };
}

/** What came of a list that no call brought: there is no reply that could carry the corrections. */
export interface Adopted {
  readonly node: Node;
  /** What differs, in the order in which it is to be put right; it stays owed until it is. */
  readonly owed: readonly Change[];
  readonly logs: readonly LogRecord[];
}

/** The ledger is rebuilt from a list that the agent has fetched by itself. */
export function adoptListing(node: Node, listing: Listing): Adopted {
  const { ledger, logs } = rebuild(node, listing);
  const untold = new Set(ledger.assignments.keys());
  const said = summary("synchronized from the CRI", ledger, changes(ledger).length);
  return adopted({ ...node, untold }, ledger, [...logs, said]);
}

/**
 * The last resort, where nobody tells which containers run: `claims`, the CPUs that somebody seems to have for
 * itself, are treated as pinned, so that no new container is given them.
 */
export function adoptClaims(node: Node, claims: CpuSet): Adopted {
  const { found, logs } = foundIn(node, { pods: [], containers: [] });
  const own = found.flatMap(({ claim, record }) => claim.kind === "shared" || !record ? [] : [record]);
  const empty = Ledger.empty(node.topology, node.policy);
  const taken = claims.intersection(node.topology.online).difference(CpuSet.unionOf(own));
  const ledger = recover(
    node.topology,
    node.policy,
    found,
    taken.isEmpty ? empty : empty.with(holderOf(taken)),
  );
  const message = "degraded: the running containers are unknown, the CPUs that seem taken are left alone";
  const record: LogRecord = { level: "error", message, fields: { claims: claims.toString() } };
  const { early, awaiting } = node;
  const next = adopted(node, ledger, [...logs, ...degradedLogs(ledger), record]);
  // The list may still come, and then it is what counts.
  return { ...next, node: { ...next.node, early, awaiting } };
}

/** Whoever has these CPUs. */
function holderOf(cpus: CpuSet): Assignment {
  const unknown = { id: "unknown", name: "unknown", pod: "unknown", namespace: "unknown" };
  const container = { ...unknown, podUid: "", sandboxId: "" };
  return { container, claim: { kind: "pinned", cpus }, grant: cpus, record: cpus };
}

/** Of the containers whose ends may never be told, those that aren't among the living are released. */
export function forgetEnded(node: Node, living: ReadonlySet<string>): Adopted {
  const left = [...node.untold].filter((id) => node.ledger.assignments.has(id));
  const ended = left.filter((id) => !living.has(id));
  const { ledger, logs } = released(node, (before) => ended.reduce(release, before), ended);
  const untold = new Set(left.filter((id) => living.has(id)));
  return {
    node: withLedger({ ...node, untold }, ledger),
    owed: node.dryRun || ended.length === 0 ? [] : changes(ledger),
    logs,
  };
}

/** CPUs have gone offline or come back, or the administrator has decided otherwise. */
export function adoptGround(node: Node, ground: Ground): Adopted {
  const ledger = rebase(node.ledger, ground);
  const degraded = ledger.wanting.filter((a) => {
    const before = node.ledger.assignments.get(a.container.id);
    return before?.degraded !== a.degraded;
  });
  const logs = [
    ...degraded.map((assignment) => degradedLog(assignment, assignment.degraded ?? "")),
    ...recoveredLogs(node.ledger, ledger),
  ];
  const { topology, policy } = ground;
  return {
    node: withLedger({ ...node, topology, policy }, ledger),
    owed: node.dryRun || node.phase !== "serving" ? [] : changes(ledger),
    logs,
  };
}

function adopted(node: Node, ledger: Ledger, logs: readonly LogRecord[]): Adopted {
  const phase = advance(node.phase, "listed") ?? node.phase;
  return {
    node: withLedger(known({ ...node, phase }), ledger),
    owed: node.dryRun ? [] : changes(ledger),
    logs,
  };
}

/** A node that has heard what runs. */
function known({ owing: _, ...node }: Node): Node {
  return { ...node, parts: [], early: NOTHING_EARLY, awaiting: false };
}

function rebuild(node: Node, listing: Listing): { ledger: Ledger; logs: LogRecord[] } {
  const { found, logs } = foundIn(node, listing);
  const ledger = recover(node.topology, node.policy, found);
  return { ledger, logs: [...logs, ...degradedLogs(ledger)] };
}

function foundIn(node: Node, listing: Listing): Finding {
  const listed = new Set(listing.containers.map(({ id }) => id));
  const { found, logs } = findContainers(node, withEarly(listing, node.early));
  return { found: found.map((f) => broughtUpToDate(node, f, listed)), logs };
}

/** With what has been heard of a container besides the list, which was taken at some moment before. */
function broughtUpToDate({ early, ledger }: Node, found: Found, listed: ReadonlySet<string>): Found {
  const { id } = found.container;
  const heard = early.get(id);
  if (heard === undefined) return found;
  const starting = heard.starting && (found.starting === true || !listed.has(id));
  // Its record is what was answered since.
  const record = ledger.assignments.get(id)?.record ?? found.record;
  return { ...found, starting, ...(record === undefined ? {} : { record }) };
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
