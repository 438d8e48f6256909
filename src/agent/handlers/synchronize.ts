/**
 * Synchronize: the runtime tells which containers it has, possibly in several messages, and the
 * ledger is rebuilt from that alone.
 */
import { CpuSet } from "../../cpu/cpu_set.ts";
import { type Assignment, byOrder, confirmed } from "../../ledger/assignment.ts";
import { type Change, changes, tell, tellRecords } from "../../ledger/changes.ts";
import { Ledger } from "../../ledger/ledger.ts";
import { seen } from "../../ledger/progress.ts";
import { type Ground, rebase } from "../../ledger/rebase.ts";
import { type Found, recover } from "../../ledger/recover.ts";
import { release } from "../../ledger/release.ts";
import type { LogRecord } from "../../log_record.ts";
import { recoveredLogs, released } from "./containers.ts";
import { type Listing, NOTHING_EARLY, withEarly } from "../early.ts";
import { findContainers, type Finding } from "../found_containers.ts";
import { whole } from "../synchronize_parts.ts";
import { advance } from "../lifecycle.ts";
import { kernelSet } from "../kernel_first.ts";
import { degradedLog } from "../logs.ts";
import type { Node, Part, Served } from "../state.ts";
import { withLedger } from "../pending.ts";
import { synchronizeReply } from "../../nri/write_reply.ts";

/** The last part: the ledger is rebuilt, and what differs from it is corrected in the answer. */
export function synchronize(node: Node, last: Part): Served {
  const rebuilt = rebuild(node, whole(node, last));
  const told = tell(rebuilt.ledger, { kernel: "none" });
  const records = tellRecords(told.ledger);
  const sent = node.dryRun ? [] : [...told.sent, ...records.sent];
  return {
    node: withLedger(known({ ...node, untold: new Set() }), records.ledger),
    reply: { kind: "answer", payload: synchronizeReply(sent) },
    logs: [...rebuilt.logs, summary("synchronized", rebuilt.ledger, sent.length)],
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

/**
 * Those that aren't among the living are released when they have been missing twice, since what is being created in
 * this moment isn't counted yet.
 */
export function forgetEnded(node: Node, living: ReadonlySet<string>): Adopted {
  const { untold: before, audit } = node;
  const gone = node.ledger.assignments.values().filter(({ starting, container: { id, sandboxId } }) =>
    !living.has(id) && (before.has(id) || (starting === undefined && sandboxId !== ""))
  ).map(({ container }) => container.id);
  const ended = gone.filter((id) => audit.missing.has(id));
  const { ledger, logs } = released(node, (before) => ended.reduce(release, before), ended);
  const untold = new Set([...before].filter((id) => ledger.assignments.has(id)));
  const missing = new Set(gone.filter((id) => ledger.assignments.has(id)));
  return {
    node: withLedger({ ...node, untold, audit: { ...audit, missing } }, ledger),
    owed: node.dryRun || ended.length === 0 ? [] : changes(ledger),
    logs,
  };
}

/** Containers that run and nobody has told of are taken in, as far as they are to be placed. */
export function adoptUnheard(node: Node, listing: Listing): Adopted {
  const unheard = listing.containers.filter(({ id }) =>
    node.audit.unheard.has(id) && !node.ledger.assignments.has(id)
  );
  const { found, logs } = foundIn(node, { ...listing, containers: unheard });
  const ledger = recover(node.topology, node.policy, found, node.ledger);
  const known = new Set(found.map(({ container }) => container.id));
  const others = unheard.map(({ id }) => id).filter((id) => !known.has(id));
  const unmanaged = new Set([...node.audit.unmanaged, ...others]);
  // The list is from a moment ago: some may have ended since.
  const untold = new Set([...node.untold, ...known]);
  const message = "running containers that nobody has told of were found";
  const said: LogRecord[] = known.size === 0
    ? []
    : [{ level: "warn", message, fields: { containers: known.size, ids: [...known].slice(0, 8).join(" ") } }];
  return {
    node: withLedger({ ...node, untold, audit: { ...node.audit, unmanaged, unheard: new Set() } }, ledger),
    owed: node.dryRun ? [] : changes(ledger),
    logs: [...said, ...logs],
  };
}

/** CPUs have gone offline or come back, or the administrator has decided otherwise. */
export function adoptGround(node: Node, ground: Ground): Adopted {
  const rebased = rebase(node.ledger, ground);
  // An inherited set has changed with the machine.
  const ledger = ground.topology === node.topology ? rebased : lookedAt(node, rebased);
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

/** The ledger with what the kernel has by now, for those of whom that was known. */
function lookedAt(node: Node, ledger: Ledger): Ledger {
  const known = ledger.assignments.values().filter((assignment) => confirmed(assignment) !== undefined);
  return known.reduce((next, { container }) => {
    const set = kernelSet(node, container, false);
    return set === undefined || set === "at-start" ? next : seen(next, container.id, set);
  }, ledger);
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
  return { found: found.map((f) => asTheKernelHas(node, broughtUpToDate(node, f, listed))), logs };
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

/** With what the kernel has, which is where it runs, whatever the list says. */
function asTheKernelHas(node: Node, found: Found): Found {
  const kernel = kernelSet(node, found.container, found.starting === true);
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
