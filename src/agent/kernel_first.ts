/**
 * Kernel first: what must be true before a call is answered is written in the cgroup tree and read back, and only then
 * promised. The rest (growth, corrections) is written in the background, each container for itself.
 *
 * A container takes part once its set has been read ({@link confirmedSet}); the others are told by the runtime.
 */
import { CpuSet } from "../cpu/cpu_set.ts";
import { type Assignment, confirmedSet } from "../ledger/assignment.ts";
import { type PlannedUpdate, planUpdates } from "../ledger/updates.ts";
import type { ContainerRef } from "../ledger/claim.ts";
import type { Ledger } from "../ledger/ledger.ts";
import type { Delivery } from "../ledger/plan.ts";
import { markUnverified, observedRunning } from "../ledger/progress.ts";
import { failedAgain } from "../ledger/write_failure.ts";
import type { LogRecord } from "../log_record.ts";
import type { CpusetPort, CpusetWriteResult } from "../cgroup/port.ts";
import type { Container } from "../nri/gen/nri_pb.ts";
import { changeLogs, logOf } from "./logs.ts";
import type { AgentState } from "./state.ts";

/**
 * Milliseconds that the writes for one call may take, and putting them back again: together well below the 2 s after
 * which containerd drops a plugin.
 */
export const WRITE_DEADLINE_MS = 600;

/** What the node writes its cpusets by; undefined where the runtime does it. */
export function kernelOf({ cpusets, apply, dryRun, standby }: AgentState): CpusetPort | undefined {
  return apply === "runtime" || dryRun || standby || !cpusets?.writable ? undefined : cpusets;
}

/**
 * How a new container gets its CPUs. systemd may take the cpuset controller away from a unit without AllowedCPUs
 * (cgroup v2) when it realizes that unit anew, so there the record has the CPUs of every container.
 */
export function deliveryFor(state: AgentState, container: Container): Delivery {
  const kernel = kernelOf(state);
  if (kernel === undefined) return "runtime";
  const isUnit = (container.linux?.cgroupsPath ?? "").split(":").length === 3;
  return isUnit && kernel.version === 2 ? "both" : "kernel";
}

/** What the kernel has for a container that is there already; undefined where that isn't known, or nobody's business. */
export function kernelSet(
  state: AgentState,
  container: ContainerRef,
  starting: boolean,
): Assignment["kernel"] {
  const kernel = kernelOf(state);
  if (kernel === undefined) return undefined;
  if (starting) return "at-start";
  const reading = kernel.read(container);
  return reading.kind === "values" ? reading.cpus : undefined;
}

/** A ledger, and what is to be said of it. */
export interface LedgerAndLogs {
  readonly ledger: Ledger;
  readonly logs: readonly LogRecord[];
}

/** What is known after `writes` have failed: who can't be made to leave CPUs, and who can't be written at all. */
export function afterFailure(
  kernel: CpusetPort,
  ledger: Ledger,
  writes: readonly PlannedUpdate[],
  result: Exclude<CpusetWriteResult, { kind: "done" }>,
  now: number,
): LedgerAndLogs {
  const those = (ids: ReadonlySet<string>) => writes.filter(({ id }) => ids.has(id));
  if (result.kind === "unverified") return fallBackToRuntime(ledger, those(result.containers), result.reason);
  if (result.code === "deadline") return fallBackToRuntime(ledger, writes, result.reason);
  const read = those(result.notRolledBack)
    .reduce((next, { assignment }) => reread(kernel, next, assignment), ledger);
  const failed = writes.find(({ id }) => id === result.container);
  if (failed === undefined) return { ledger: read, logs: [] };
  const next = reread(kernel, read, failed.assignment);
  const held = ledger.observed(failed.assignment).difference(failed.cpus);
  return noteFailure(next, failed, held, result.reason, now);
}

function reread(kernel: CpusetPort, ledger: Ledger, { container }: Assignment): Ledger {
  const reading = kernel.read(container);
  return reading.kind === "values" ? observedRunning(ledger, container.id, reading.cpus) : ledger;
}

/** It is said once a container and cause. */
function noteFailure(
  ledger: Ledger,
  { assignment }: PlannedUpdate,
  held: CpuSet,
  reason: string,
  now: number,
): LedgerAndLogs {
  const { container } = assignment;
  const before = ledger.writeFailures.get(container.id);
  const next = ledger.withWriteFailure(container.id, failedAgain(before, held, reason, now));
  const message = "the kernel doesn't take a container's CPUs; it is tried again";
  const logs = before?.reason === reason ? [] : [logOf("warn", message, container, { reason })];
  return { ledger: next, logs };
}

/** These are told by the runtime until their sets can be read. */
function fallBackToRuntime(ledger: Ledger, sent: readonly PlannedUpdate[], reason: string): LedgerAndLogs {
  const next = sent.reduce((next, { id }) => markUnverified(next, id), ledger);
  const message = "containers are told their CPUs by the runtime, since the kernel can't be asked";
  return { ledger: next, logs: [logOf("warn", message, undefined, { containers: sent.length, reason })] };
}

/** How many containers are written at a time, so that no call waits for long. */
const BATCH = 64;

/** What was written in the background. */
export interface AppliedWrites extends LedgerAndLogs {
  /** Who has what it should by now. */
  readonly written: readonly PlannedUpdate[];
}

/**
 * Writes what the kernel has otherwise than it should, as far as it can be, in the order in which CPUs become free.
 * Nobody goes onto CPUs that somebody else can't be made to leave.
 *
 * @param what a batch of what need not wait for its next try; or at once all that have to leave CPUs, or all
 */
export function applyWrites(
  kernel: CpusetPort,
  ledger: Ledger,
  now: number,
  what: "due" | "losses" | "all" = "due",
): AppliedWrites {
  let next = clearResolved(ledger);
  const logs: LogRecord[] = [];
  const written: PlannedUpdate[] = [];
  const { updates } = planUpdates(ledger);
  const told = updates.filter(({ inKernel, assignment }) => !inKernel && assignment.kernel !== "at-start");
  let byRuntime = overheldBy(ledger, told.map(({ assignment }) => assignment));
  const inKernel = updates.filter((each) => each.inKernel);
  const chosen = what === "due"
    ? inKernel.filter((each) => isDue(ledger, each, now)).slice(0, BATCH)
    : inKernel.filter(({ onlyGains }) => what === "all" || !onlyGains);
  for (const move of chosen) {
    const one = applyWrite(kernel, next, move, byRuntime, now);
    next = one.ledger;
    logs.push(...one.logs);
    const left = next.assignments.get(move.id);
    // Nobody goes where one is that turns out to be left to the runtime, either.
    if (left?.kernel === undefined) byRuntime = byRuntime.union(overheldBy(ledger, [move.assignment]));
    else if (!next.writeFailures.has(move.id)) written.push(move);
  }
  return { ledger: next, logs: [...logs, ...changeLogs(written)], written };
}

/** The ledger in which nobody is stuck any more who should have, by now, what it has. */
function clearResolved(ledger: Ledger): Ledger {
  return [...ledger.writeFailures.keys()].reduce((next, id) => {
    const holder = next.assignments.get(id);
    const isRight = holder !== undefined && next.observed(holder).equals(next.desired(holder));
    return isRight ? next.withWriteFailure(id, undefined) : next;
  }, ledger);
}

/** Whether it is to be written in the kernel, and need not wait for its next try. */
export function isDue(ledger: Ledger, { id, inKernel }: PlannedUpdate, now: number): boolean {
  return inKernel && (ledger.writeFailures.get(id)?.retryAt ?? -Infinity) <= now;
}

function applyWrite(
  kernel: CpusetPort,
  ledger: Ledger,
  move: PlannedUpdate,
  byRuntime: CpuSet,
  now: number,
): LedgerAndLogs {
  const { id, assignment } = move;
  const taboo = byRuntime.union(contestedCpus(ledger)).difference(ledger.observed(assignment));
  const cpus = move.cpus.difference(taboo);
  if (cpus.isEmpty) return noteFailure(ledger, move, CpuSet.empty, blockedReason(taboo), now);
  const result = kernel.write([{ container: assignment.container, cpus }], WRITE_DEADLINE_MS);
  if (result.kind !== "done") return afterFailure(kernel, ledger, [{ ...move, cpus }], result, now);
  const next = observedRunning(ledger, id, cpus);
  if (cpus.size < move.cpus.size) return noteFailure(next, move, CpuSet.empty, blockedReason(taboo), now);
  const before = ledger.writeFailures.get(id);
  const message = "the kernel has a container's CPUs as it should, at last";
  const logs = before === undefined
    ? []
    : [logOf("info", message, assignment.container, { cpus: cpus.toString(), tries: before.tries })];
  return { ledger: next.withWriteFailure(id, undefined), logs };
}

function blockedReason(taboo: CpuSet): string {
  return `it waits for CPUs that another container can't be made to leave yet (${taboo})`;
}

/** CPUs on which containers are that should have left them. */
function contestedCpus(ledger: Ledger): CpuSet {
  if (ledger.writeFailures.size === 0) return CpuSet.empty;
  const holders = [...ledger.writeFailures.keys()].map((id) => ledger.assignments.get(id));
  return overheldBy(
    ledger,
    holders.filter((holder) => holder !== undefined && confirmedSet(holder) !== undefined),
  );
}

function overheldBy(ledger: Ledger, holders: readonly (Assignment | undefined)[]): CpuSet {
  return CpuSet.unionOf(
    holders.map((holder) =>
      holder === undefined ? CpuSet.empty : ledger.observed(holder).difference(ledger.desired(holder))
    ),
  );
}
