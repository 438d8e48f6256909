/**
 * The ledger compared with what the kernel has, again and again: somebody else may have written there, an update of the
 * runtime may have failed or come late. What differs is put right, counted, and said once a container and cause.
 */
import type { CpuSet } from "../cpu/cpu_set.ts";
import { type Assignment, confirmed, recorded } from "../ledger/assignment.ts";
import type { Ledger } from "../ledger/ledger.ts";
import { running, seen, seenAtStart, unseen } from "../ledger/progress.ts";
import { stuckAgain } from "../ledger/stuck.ts";
import type { LogRecord } from "../log_record.ts";
import type { Audit } from "./audit.ts";
import type { CpusetPort, CpusetReading } from "../cgroup/port.ts";
import { kernelOf } from "./kernel_first.ts";
import { logOf } from "./logs.ts";
import type { Node } from "./state.ts";
import { withLedger } from "./pending.ts";

/** How many cgroups are read at a time, so that no call waits for long: each takes some 50 µs. */
const BATCH = 64;

/** A part of a comparison. */
export interface Reconciled {
  readonly node: Node;
  readonly logs: readonly LogRecord[];
  /** It has come to its end: what the runtime lists may be compared now. */
  readonly ended: boolean;
}

/** Goes on comparing, if it is time to; `node.audit.queue` is what is left of it. */
export function reconcile(node: Node): Reconciled {
  const { cpusets, audit, now, reconcileEvery } = node;
  if (reconcileEvery === 0 || node.standby) return { node, logs: [], ended: false };
  const nextAt = audit.nextAt ?? now + jittered(reconcileEvery, now);
  if (audit.queue.length === 0 && now < nextAt) {
    return { node: audit.nextAt === undefined ? withAudit(node, { nextAt }) : node, logs: [], ended: false };
  }
  const begun = audit.queue.length > 0 ? audit : beginning(node, now + jittered(reconcileEvery, now));
  const next = { ...node, audit: { ...begun, queue: begun.queue.slice(BATCH) } };
  const compared = cpusets === undefined || node.dryRun
    ? { node: next, logs: [] }
    : begun.queue.slice(0, BATCH).reduce<Compared>((all, id) => compare(all, id, cpusets), {
      node: next,
      logs: [],
    });
  return {
    node: withLedger(compared.node, compared.node.ledger),
    logs: compared.logs,
    ended: next.audit.queue.length === 0,
  };
}

function beginning({ audit, ledger }: Node, nextAt: number): Audit {
  const causes = new Map([...audit.causes].filter(([id]) => ledger.assignments.has(id)));
  const suspects = new Set([...audit.suspects].filter((id) => ledger.assignments.has(id)));
  return { ...audit, causes, suspects, nextAt, queue: [...ledger.assignments.keys()] };
}

function toggled(ids: ReadonlySet<string>, id: string): ReadonlySet<string> {
  const next = new Set(ids);
  if (!next.delete(id)) next.add(id);
  return next;
}

function withAudit(node: Node, change: Partial<Audit>): Node {
  return { ...node, audit: { ...node.audit, ...change } };
}

/** Between 0.9 and 1.1 of it, so that the nodes of a cluster don't all do it at once; a hash of the time will do. */
function jittered(every: number, now: number): number {
  const hash = Math.imul(Math.floor(now * 1000) | 0, 0x9E3779B1) >>> 0;
  return every * (0.9 + 0.2 * (hash / 2 ** 32));
}

interface Compared {
  readonly node: Node;
  readonly logs: readonly LogRecord[];
}

function compare(all: Compared, id: string, cpusets: CpusetPort): Compared {
  const { node } = all;
  const assignment = node.ledger.assignments.get(id);
  if (assignment === undefined) return all;
  const reading = cpusets.read(assignment.container);
  // A container without a cgroup hasn't started yet, or has ended, which will be told.
  if (reading.kind === "absent") return all;
  const compared = kernelOf(node) === undefined ? inRuntime : inKernel;
  const isAhead = assignment.starting && confirmed(assignment) === undefined;
  return said(all, assignment, (isAhead ? started : compared)(node, assignment, reading));
}

/** What a reading means for the ledger, and why it is worth saying. */
interface Found {
  readonly ledger: Ledger;
  readonly cause?: string;
  readonly drifted?: boolean;
  /** It differs, for whatever reason. */
  readonly suspect?: boolean;
}

/** One that has a cgroup at two looks has started, and that was told while nobody was connected. */
function started(node: Node, assignment: Assignment, reading: CpusetReading): Found {
  const { ledger, audit } = node;
  const { id } = assignment.container;
  if (reading.kind !== "values") return { ledger };
  if (!audit.suspects.has(id)) return { ledger, suspect: true };
  return { ledger: kernelOf(node) === undefined ? running(ledger, id) : seen(ledger, id, reading.cpus) };
}

function inKernel({ ledger }: Node, assignment: Assignment, reading: CpusetReading): Found {
  const { id } = assignment.container;
  if (reading.kind !== "values") {
    return {
      ledger: unseen(ledger, id),
      ...(reading.kind === "unverified" ? { cause: reading.reason } : {}),
    };
  }
  const next = (assignment.starting ? seenAtStart : seen)(ledger, id, reading.cpus);
  const same = next === ledger || ledger.runsOn(assignment).equals(reading.cpus);
  if (confirmed(assignment) === undefined || same) return { ledger: next };
  return { ledger: next, cause: driftOf(ledger, assignment, reading.cpus), drifted: true };
}

/**
 * Where the runtime writes the kernel: CPUs that a container shouldn't have are contested, and it is told anew, after
 * ever longer times. What differs for the first time may be an update that is under way. Fewer than it should have can
 * come from a cgroup above it.
 */
function inRuntime({ ledger, now, audit }: Node, assignment: Assignment, reading: CpusetReading): Found {
  const { id } = assignment.container;
  if (reading.kind === "unverified") return { ledger, cause: reading.reason };
  if (reading.kind !== "values") return { ledger };
  const over = reading.cpus.intersection(ledger.topology.online).difference(ledger.effective(assignment));
  const before = ledger.stuck.get(id);
  if (over.isEmpty) return { ledger: ledger.sticking(id, undefined) };
  if (!audit.suspects.has(id)) return { ledger, suspect: true };
  if (before !== undefined && before.retryAt > now) return { ledger, suspect: true };
  const cause = driftOf(ledger, assignment, reading.cpus);
  const next = ledger.with(recorded(assignment, reading.cpus));
  const stuck = stuckAgain(before, over, cause, now);
  return { ledger: next.sticking(id, stuck), cause, drifted: true, suspect: true };
}

function driftOf(ledger: Ledger, assignment: Assignment, cpus: CpuSet): string {
  return `it was found on the CPUs ${cpus} instead of ${
    ledger.runsOn(assignment)
  }: somebody else has written its cpuset`;
}

function said({ node, logs }: Compared, { container }: Assignment, found: Found): Compared {
  const { ledger, cause, drifted = false, suspect = false } = found;
  const { audit } = node;
  const isNew = cause !== undefined && audit.causes.get(container.id) !== cause;
  const next = withAudit({ ...node, ledger }, {
    drifts: audit.drifts + (drifted ? 1 : 0),
    ...(suspect === audit.suspects.has(container.id)
      ? {}
      : { suspects: toggled(audit.suspects, container.id) }),
    ...(isNew ? { causes: new Map(audit.causes).set(container.id, cause) } : {}),
  });
  const message = drifted
    ? "a container ran on other CPUs than it should; it is put right"
    : "a container's CPUs can't be verified";
  return {
    node: next,
    logs: isNew ? [...logs, logOf("warn", message, container, { reason: cause })] : logs,
  };
}
