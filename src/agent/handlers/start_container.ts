/**
 * A container's start: its cgroup is there and none of its program runs yet, so this is the moment to see that it has
 * the CPUs that it should. One that hasn't is refused: an error fails the start, and kubelet tries again.
 */
import { CpuSet } from "../../cpu/cpu_set.ts";
import { type Assignment, confirmed } from "../../ledger/assignment.ts";
import { changeOf, presently } from "../../ledger/changes.ts";
import { describe } from "../../ledger/claim.ts";
import type { Ledger } from "../../ledger/ledger.ts";
import { notRunning, refreshed, running, seen, seenAtStart, settle, unseen } from "../../ledger/progress.ts";
import { refuse } from "../../ledger/refusal.ts";
import type { LogRecord } from "../../log_record.ts";
import { quiet, refused } from "./containers.ts";
import type { CpusetPort, CpusetReading } from "../../cgroup/port.ts";
import { kernelOf, kernelSet, settle as settleNow, WRITE_DEADLINE } from "../kernel_first.ts";
import { logOf } from "../logs.ts";
import type { Subject } from "../../nri/methods.ts";
import type { Node, Served } from "../state.ts";
import { withLedger } from "../pending.ts";
import { readClaim, recordOf, refOf } from "../../nri/read_claim.ts";

/**
 * From here on a creation can't fail by others' doing any more: who was moved for it stays where it is. A container
 * that nobody knows was created while no agent was connected, and the runtime's list came too early for it (containerd
 * 1.7 asks its plugins before it notes a container): a shared one is taken in, the others are refused and tried again.
 */
export function startContainer(node: Node, { pod, container }: Subject): Served {
  if (node.phase !== "serving") return quiet(node);
  const ref = refOf(pod, container);
  const known = node.ledger.assignments.get(container.id);
  if (known !== undefined) {
    const settled = settle(node.ledger, container.id);
    const ledger = known.starting ? settled : tooSoon(node, settled, known);
    return verified({ ...node, ledger: refreshed(ledger, ref) }, container.id);
  }
  const read = readClaim(pod, container, node.rules);
  // In a dry run a container may run that would have been refused.
  if (
    read.kind === "unmanaged" || (node.dryRun && (read.kind === "refusal" || read.claim.kind !== "shared"))
  ) {
    return quiet(node);
  }
  if (read.kind === "refusal" || read.claim.kind !== "shared") {
    return refused(
      node,
      refuse(ref, "unavailable", "created while no agent was connected; it is tried again"),
    );
  }
  const record = recordOf(container);
  const stray: Assignment = { container: ref, claim: read.claim, grant: CpuSet.empty, starting: true };
  const ledger = node.ledger.with(record === undefined ? stray : { ...stray, record });
  return verified({ ...node, ledger }, container.id);
}

/** The ledger once one starts whose cgroup was there for so long that it was taken for running. */
function tooSoon({ cpusets }: Node, ledger: Ledger, { container }: Assignment): Ledger {
  const reading = cpusets?.read(container);
  return notRunning(ledger, container.id, reading?.kind === "values" ? reading.cpus : undefined);
}

/** What was sent while it started may be lost; if it differs, that isn't left to the next reply. */
export function postStartContainer(node: Node, { pod, container }: Subject): Served {
  if (node.phase !== "serving") return quiet(node);
  const { id } = container;
  const started = refreshed(running(node.ledger, id), refOf(pod, container));
  // An update that was agreed to before may have come after its set was verified.
  const ledger = started.assignments.get(id)?.kernel === undefined ? started : looked(node, started, id);
  const own = node.dryRun ? undefined : changeOf(ledger, id);
  return { ...quiet(withLedger(node, ledger)), owed: own === undefined ? [] : [own] };
}

/** An update has come to its end: it may have brought back a set from before it began. */
export function postUpdateContainer(node: Node, { container }: Subject): Served {
  const assignment = node.phase === "serving" ? node.ledger.assignments.get(container.id) : undefined;
  if (assignment === undefined || confirmed(assignment) === undefined) return quiet(node);
  return quiet(withLedger(node, looked(node, node.ledger, container.id)));
}

/** The ledger with what the kernel has for a container that runs. */
function looked(node: Node, ledger: Ledger, id: string): Ledger {
  const assignment = ledger.assignments.get(id);
  const set = assignment && kernelSet(node, assignment.container, false);
  return set === undefined || set === "at-start" ? unseen(ledger, id) : seen(ledger, id, set);
}

function verified(node: Node, id: string): Served {
  const assignment = node.ledger.assignments.get(id);
  if (assignment === undefined || node.cpusets === undefined || node.dryRun) return quiet(node);
  const kernel = kernelOf(node);
  return kernel === undefined
    ? verifiedOnly(node, node.cpusets, assignment)
    : writtenAndVerified(node, kernel, assignment);
}

function writtenAndVerified(node: Node, kernel: CpusetPort, assignment: Assignment): Served {
  const { container } = assignment;
  const reading = kernel.read(container);
  if (reading.kind !== "values") {
    return {
      ...quiet({ ...node, ledger: unseen(node.ledger, container.id) }),
      logs: unverified(assignment, reading),
    };
  }
  // What it got by another's end may still have to be left by others.
  const cleared = node.settling && !assignment.grant.isEmpty
    ? settleNow(kernel, node.ledger, node.now, "losses").ledger
    : node.ledger;
  const found = seenAtStart(cleared, container.id, reading.cpus);
  const holder = intruderOn(found, assignment);
  if (holder !== undefined) {
    const why = `its CPUs ${assignment.grant} are still held by ${describe(holder.container)}`;
    return unconfirmed(withLedger(node, cleared), assignment, why);
  }
  const own = found.assignments.get(container.id) ?? assignment;
  const cpus = presently(found, own);
  if (cpus.isEmpty) return quiet(withLedger(node, found));
  const result = kernel.write([{ container, cpus }], WRITE_DEADLINE);
  if (result.kind === "done") return quiet(withLedger(node, seenAtStart(found, container.id, cpus)));
  const after = kernel.read(container);
  const now = after.kind === "values" ? after.cpus : reading.cpus;
  const ledger = seenAtStart(found, container.id, now);
  return isHarmless(ledger, own, now)
    ? {
      ...quiet(withLedger(node, ledger)),
      logs: [logOf("warn", NARROW, container, { reason: result.reason })],
    }
    : unconfirmed(node, assignment, `it can't be started on the CPUs ${cpus}: ${result.reason}`);
}

/** Somebody else who is known to run on a container's own CPUs, and may not. */
function intruderOn(ledger: Ledger, { container: { id }, claim, grant }: Assignment): Assignment | undefined {
  if (grant.isEmpty) return undefined;
  const both = (other: Assignment) => claim.kind === "pinned" && other.claim.kind === "pinned";
  return ledger.unsettled.find((other) =>
    other.container.id !== id && confirmed(other) !== undefined && ledger.runsOn(other).intersects(grant) &&
    !(both(other) && ledger.effective(other).intersects(grant))
  );
}

const NARROW = "a container starts with other CPUs than it should, none of them another's; it is put right";

/** Whether a container may start there for the moment: with CPUs of its own exactly there, a shared one on nobody's. */
function isHarmless(ledger: Ledger, { grant }: Assignment, cpus: CpuSet): boolean {
  return grant.isEmpty ? !cpus.intersects(ledger.claimed) : cpus.equals(grant);
}

/**
 * The runtime has brought about what replies said, or has failed to and told nobody: so a container with CPUs of its own
 * must have them, and nobody else who runs.
 */
function verifiedOnly(node: Node, cpusets: CpusetPort, assignment: Assignment): Served {
  const { container, grant } = assignment;
  if (grant.isEmpty) return quiet(node);
  const reading = cpusets.read(container);
  if (reading.kind !== "values") return { ...quiet(node), logs: unverified(assignment, reading) };
  if (!reading.cpus.equals(grant)) {
    return unconfirmed(
      node,
      assignment,
      `the runtime has given it the CPUs ${reading.cpus} instead of ${grant}`,
    );
  }
  const holder = holderOf(node.ledger, cpusets, assignment);
  if (holder === undefined) return quiet(node);
  const why = `its CPUs ${grant} are still held by ${
    describe(holder.container)
  }, which the runtime should have moved`;
  return unconfirmed(node, assignment, why);
}

/** Somebody else who runs on these CPUs, and may not. */
function holderOf(ledger: Ledger, cpusets: CpusetPort, own: Assignment): Assignment | undefined {
  return ledger.assignments.values().find((other) => {
    const both = own.claim.kind === "pinned" && other.claim.kind === "pinned" && !other.grant.isEmpty;
    if (other.container.id === own.container.id || other.starting || both) return false;
    const reading = cpusets.read(other.container);
    return reading.kind === "values" && reading.cpus.intersects(own.grant);
  });
}

/** It is refused, unless it comes true in a moment. */
function unconfirmed(node: Node, { container }: Assignment, why: string): Served {
  return {
    ...refused(node, refuse(container, "unavailable", `${why}; it is tried again`)),
    mayRecover: true,
  };
}

function unverified(
  { container }: Assignment,
  reading: Exclude<CpusetReading, { kind: "values" }>,
): LogRecord[] {
  const reason = reading.kind === "absent" ? "its cgroup can't be found" : reading.reason;
  return [logOf("warn", "a container's CPUs can't be verified at its start", container, { reason })];
}
