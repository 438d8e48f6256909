/**
 * A container's start: its cgroup is there and none of its program runs yet, so this is the moment to see that it has
 * the CPUs that it should. One that hasn't is refused: an error fails the start, and kubelet tries again.
 */
import { CpuSet } from "../../cpu/cpu_set.ts";
import { type Assignment, confirmedSet } from "../../ledger/assignment.ts";
import { allowedNow, pendingUpdateOf } from "../../ledger/updates.ts";
import { describe } from "../../ledger/claim.ts";
import type { Ledger } from "../../ledger/ledger.ts";
import {
  forgetDisplaced,
  markRunning,
  markStarting,
  markUnverified,
  observedAtStart,
  observedRunning,
  withRef,
} from "../../ledger/progress.ts";
import { refuse } from "../../ledger/refusal.ts";
import type { LogRecord } from "../../log_record.ts";
import { refused, unchanged } from "./containers.ts";
import type { CpusetPort, CpusetReading } from "../../cgroup/port.ts";
import { applyWrites as settleNow, kernelOf, kernelSet, WRITE_DEADLINE_MS } from "../kernel_first.ts";
import { logOf } from "../logs.ts";
import type { Subject } from "../../nri/methods.ts";
import type { AgentState, Response } from "../state.ts";
import { withLedger } from "../pending.ts";
import { readClaim, recordOf, refOf } from "../../nri/read_claim.ts";

/**
 * From here on a creation can't fail by others' doing any more: who was moved for it stays where it is. A container
 * that nobody knows was created while no agent was connected, and the runtime's list came too early for it (containerd
 * 1.7 asks its plugins before it notes a container): a shared one is taken in, the others are refused and tried again.
 */
export function startContainer(state: AgentState, { pod, container }: Subject): Response {
  if (state.phase !== "serving") return unchanged(state);
  const ref = refOf(pod, container);
  const known = state.ledger.assignments.get(container.id);
  if (known !== undefined) {
    const settled = forgetDisplaced(state.ledger, container.id);
    const ledger = known.starting ? settled : restarted(state, settled, known);
    return verify({ ...state, ledger: withRef(ledger, ref) }, container.id);
  }
  const read = readClaim(pod, container, state.rules);
  // In a dry run a container may run that would have been refused.
  if (
    read.kind === "unmanaged" || (state.dryRun && (read.kind === "refusal" || read.claim.kind !== "shared"))
  ) {
    return unchanged(state);
  }
  if (read.kind === "refusal" || read.claim.kind !== "shared") {
    return refused(
      state,
      refuse(ref, "unavailable", "created while no agent was connected; it is tried again"),
    );
  }
  const record = recordOf(container);
  const stray: Assignment = { container: ref, claim: read.claim, grant: CpuSet.empty, starting: true };
  const ledger = state.ledger.with(record === undefined ? stray : { ...stray, record });
  return verify({ ...state, ledger }, container.id);
}

/** The ledger once one starts whose cgroup was there for so long that it was taken for running. */
function restarted({ cpusets }: AgentState, ledger: Ledger, { container }: Assignment): Ledger {
  const reading = cpusets?.read(container);
  return markStarting(ledger, container.id, reading?.kind === "values" ? reading.cpus : undefined);
}

/** What was sent while it started may be lost; if it differs, that isn't left to the next reply. */
export function postStartContainer(state: AgentState, { pod, container }: Subject): Response {
  if (state.phase !== "serving") return unchanged(state);
  const { id } = container;
  const started = withRef(markRunning(state.ledger, id), refOf(pod, container));
  // An update that was agreed to before may have come after its set was verified.
  const ledger = started.assignments.get(id)?.kernel === undefined ? started : reread(state, started, id);
  const own = state.dryRun ? undefined : pendingUpdateOf(ledger, id);
  return { ...unchanged(withLedger(state, ledger)), background: own === undefined ? [] : [own] };
}

/** An update has come to its end: it may have brought back a set from before it began. */
export function postUpdateContainer(state: AgentState, { container }: Subject): Response {
  const assignment = state.phase === "serving" ? state.ledger.assignments.get(container.id) : undefined;
  if (assignment === undefined || confirmedSet(assignment) === undefined) return unchanged(state);
  return unchanged(withLedger(state, reread(state, state.ledger, container.id)));
}

/** The ledger with what the kernel has for a container that runs. */
function reread(state: AgentState, ledger: Ledger, id: string): Ledger {
  const assignment = ledger.assignments.get(id);
  const set = assignment && kernelSet(state, assignment.container, false);
  return set === undefined || set === "at-start"
    ? markUnverified(ledger, id)
    : observedRunning(ledger, id, set);
}

function verify(state: AgentState, id: string): Response {
  const assignment = state.ledger.assignments.get(id);
  if (assignment === undefined || state.cpusets === undefined || state.dryRun) return unchanged(state);
  const kernel = kernelOf(state);
  return kernel === undefined
    ? verifyOnly(state, state.cpusets, assignment)
    : writeAndVerify(state, kernel, assignment);
}

function writeAndVerify(state: AgentState, kernel: CpusetPort, assignment: Assignment): Response {
  const { container } = assignment;
  const reading = kernel.read(container);
  if (reading.kind !== "values") {
    return {
      ...unchanged({ ...state, ledger: markUnverified(state.ledger, container.id) }),
      logs: unverified(assignment, reading),
    };
  }
  // What it got by another's end may still have to be left by others.
  const cleared = state.hasWrites && !assignment.grant.isEmpty
    ? settleNow(kernel, state.ledger, state.now, "losses").ledger
    : state.ledger;
  const found = observedAtStart(cleared, container.id, reading.cpus);
  const holder = intruderOn(found, assignment);
  if (holder !== undefined) {
    const why = `its CPUs ${assignment.grant} are still held by ${describe(holder.container)}`;
    return refuseUnconfirmed(withLedger(state, cleared), assignment, why);
  }
  const own = found.assignments.get(container.id) ?? assignment;
  const cpus = allowedNow(found, own);
  if (cpus.isEmpty) return unchanged(withLedger(state, found));
  const result = kernel.write([{ container, cpus }], WRITE_DEADLINE_MS);
  if (result.kind === "done") return unchanged(withLedger(state, observedAtStart(found, container.id, cpus)));
  const after = kernel.read(container);
  const now = after.kind === "values" ? after.cpus : reading.cpus;
  const ledger = observedAtStart(found, container.id, now);
  return isHarmless(ledger, own, now)
    ? {
      ...unchanged(withLedger(state, ledger)),
      logs: [logOf("warn", NARROW, container, { reason: result.reason })],
    }
    : refuseUnconfirmed(state, assignment, `it can't be started on the CPUs ${cpus}: ${result.reason}`);
}

/** Somebody else who is known to run on a container's own CPUs, and may not. */
function intruderOn(ledger: Ledger, { container: { id }, claim, grant }: Assignment): Assignment | undefined {
  if (grant.isEmpty) return undefined;
  const both = (other: Assignment) => claim.kind === "pinned" && other.claim.kind === "pinned";
  return ledger.dirty.find((other) =>
    other.container.id !== id && confirmedSet(other) !== undefined &&
    ledger.observed(other).intersects(grant) &&
    !(both(other) && ledger.desired(other).intersects(grant))
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
function verifyOnly(state: AgentState, cpusets: CpusetPort, assignment: Assignment): Response {
  const { container, grant } = assignment;
  if (grant.isEmpty) return unchanged(state);
  const reading = cpusets.read(container);
  if (reading.kind !== "values") return { ...unchanged(state), logs: unverified(assignment, reading) };
  if (!reading.cpus.equals(grant)) {
    return refuseUnconfirmed(
      state,
      assignment,
      `the runtime has given it the CPUs ${reading.cpus} instead of ${grant}`,
    );
  }
  const holder = holderOf(state.ledger, cpusets, assignment);
  if (holder === undefined) return unchanged(state);
  const why = `its CPUs ${grant} are still held by ${
    describe(holder.container)
  }, which the runtime should have moved`;
  return refuseUnconfirmed(state, assignment, why);
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
function refuseUnconfirmed(state: AgentState, { container }: Assignment, why: string): Response {
  return {
    ...refused(state, refuse(container, "unavailable", `${why}; it is tried again`)),
    retryable: true,
  };
}

function unverified(
  { container }: Assignment,
  reading: Exclude<CpusetReading, { kind: "values" }>,
): LogRecord[] {
  const reason = reading.kind === "absent" ? "its cgroup can't be found" : reading.reason;
  return [logOf("warn", "a container's CPUs can't be verified at its start", container, { reason })];
}
