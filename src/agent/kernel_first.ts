/**
 * Kernel first: what must be true before a call is answered is written in the cgroup tree and read back, and only then
 * promised. The rest (growth, corrections) is written in the background, each container for itself.
 *
 * A container takes part once its set has been read ({@link confirmed}); the others are told by the runtime.
 */
import { CpuSet } from "../cpu/cpu_set.ts";
import { type Assignment, confirmed } from "../ledger/assignment.ts";
import { type Sent, tell } from "../ledger/changes.ts";
import type { ContainerRef } from "../ledger/claim.ts";
import type { Ledger } from "../ledger/ledger.ts";
import type { Tells } from "../ledger/plan.ts";
import { seen, unseen } from "../ledger/progress.ts";
import { stuckAgain } from "../ledger/stuck.ts";
import type { LogRecord } from "../log_record.ts";
import type { CpusetPort, CpusetWriteResult } from "../cgroup/port.ts";
import type { Container } from "../nri/gen/nri_pb.ts";
import { changeLogs, logOf } from "./logs.ts";
import type { Node } from "./state.ts";

/**
 * Milliseconds that the writes for one call may take, and putting them back again: together well below the 2 s after
 * which containerd drops a plugin.
 */
export const WRITE_DEADLINE = 600;

/** What the node writes its cpusets by; undefined where the runtime does it. */
export function kernelOf({ cpusets, apply, dryRun, standby }: Node): CpusetPort | undefined {
  return apply === "runtime" || dryRun || standby || !cpusets?.writable ? undefined : cpusets;
}

/**
 * How a new container gets its CPUs. systemd may take the cpuset controller away from a unit without AllowedCPUs
 * (cgroup v2) when it realizes that unit anew, so there the record has the CPUs of every container.
 */
export function tellsOf(node: Node, container: Container): Tells {
  const kernel = kernelOf(node);
  if (kernel === undefined) return "runtime";
  const isUnit = (container.linux?.cgroupsPath ?? "").split(":").length === 3;
  return isUnit && kernel.version === 2 ? "both" : "kernel";
}

/** What the kernel has for a container that is there already; undefined where that isn't known, or nobody's business. */
export function kernelSet(node: Node, container: ContainerRef, starting: boolean): Assignment["kernel"] {
  const kernel = kernelOf(node);
  if (kernel === undefined) return undefined;
  if (starting) return "at-start";
  const reading = kernel.read(container);
  return reading.kind === "values" ? reading.cpus : undefined;
}

/** A ledger, and what is to be said of it. */
export interface Learnt {
  readonly ledger: Ledger;
  readonly logs: readonly LogRecord[];
}

/** What is known after `writes` have failed: who can't be made to leave CPUs, and who can't be written at all. */
export function learnt(
  kernel: CpusetPort,
  ledger: Ledger,
  writes: readonly Sent[],
  result: Exclude<CpusetWriteResult, { kind: "done" }>,
  now: number,
): Learnt {
  const those = (ids: ReadonlySet<string>) => writes.filter(({ id }) => ids.has(id));
  if (result.kind === "unverified") return inRuntime(ledger, those(result.containers), result.reason);
  if (result.code === "deadline") return inRuntime(ledger, writes, result.reason);
  const read = those(result.notRolledBack)
    .reduce((next, { assignment }) => reread(kernel, next, assignment), ledger);
  const failed = writes.find(({ id }) => id === result.container);
  if (failed === undefined) return { ledger: read, logs: [] };
  const next = reread(kernel, read, failed.assignment);
  const held = ledger.runsOn(failed.assignment).difference(failed.cpus);
  return refusing(next, failed, held, result.reason, now);
}

function reread(kernel: CpusetPort, ledger: Ledger, { container }: Assignment): Ledger {
  const reading = kernel.read(container);
  return reading.kind === "values" ? seen(ledger, container.id, reading.cpus) : ledger;
}

/** It is said once a container and cause. */
function refusing(ledger: Ledger, { assignment }: Sent, held: CpuSet, reason: string, now: number): Learnt {
  const { container } = assignment;
  const before = ledger.stuck.get(container.id);
  const next = ledger.sticking(container.id, stuckAgain(before, held, reason, now));
  const message = "the kernel doesn't take a container's CPUs; it is tried again";
  const logs = before?.reason === reason ? [] : [logOf("warn", message, container, { reason })];
  return { ledger: next, logs };
}

/** These are told by the runtime until their sets can be read. */
function inRuntime(ledger: Ledger, sent: readonly Sent[], reason: string): Learnt {
  const next = sent.reduce((next, { id }) => unseen(next, id), ledger);
  const message = "containers are told their CPUs by the runtime, since the kernel can't be asked";
  return { ledger: next, logs: [logOf("warn", message, undefined, { containers: sent.length, reason })] };
}

/** How many containers are written at a time, so that no call waits for long. */
const BATCH = 64;

/** What was written in the background. */
export interface Settled extends Learnt {
  /** Who has what it should by now. */
  readonly written: readonly Sent[];
}

/**
 * Writes what the kernel has otherwise than it should, as far as it can be, in the order in which CPUs become free.
 * Nobody goes onto CPUs that somebody else can't be made to leave.
 *
 * @param what a batch of what need not wait for its next try; or at once all that have to leave CPUs, or all
 */
export function settle(
  kernel: CpusetPort,
  ledger: Ledger,
  now: number,
  what: "due" | "losses" | "all" = "due",
): Settled {
  let next = relieved(ledger);
  const logs: LogRecord[] = [];
  const written: Sent[] = [];
  const { sent } = tell(ledger);
  const told = sent.filter(({ inKernel, assignment }) => !inKernel && assignment.kernel !== "at-start");
  let byRuntime = heldBy(ledger, told.map(({ assignment }) => assignment));
  const inKernel = sent.filter((each) => each.inKernel);
  const chosen = what === "due"
    ? inKernel.filter((each) => isDue(ledger, each, now)).slice(0, BATCH)
    : inKernel.filter(({ gains }) => what === "all" || !gains);
  for (const move of chosen) {
    const one = settleOne(kernel, next, move, byRuntime, now);
    next = one.ledger;
    logs.push(...one.logs);
    const left = next.assignments.get(move.id);
    // Nobody goes where one is that turns out to be left to the runtime, either.
    if (left?.kernel === undefined) byRuntime = byRuntime.union(heldBy(ledger, [move.assignment]));
    else if (!next.stuck.has(move.id)) written.push(move);
  }
  return { ledger: next, logs: [...logs, ...changeLogs(written)], written };
}

/** The ledger in which nobody is stuck any more who should have, by now, what it has. */
function relieved(ledger: Ledger): Ledger {
  return [...ledger.stuck.keys()].reduce((next, id) => {
    const holder = next.assignments.get(id);
    const isRight = holder !== undefined && next.runsOn(holder).equals(next.effective(holder));
    return isRight ? next.sticking(id, undefined) : next;
  }, ledger);
}

/** Whether it is to be written in the kernel, and need not wait for its next try. */
export function isDue(ledger: Ledger, { id, inKernel }: Sent, now: number): boolean {
  return inKernel && (ledger.stuck.get(id)?.retryAt ?? -Infinity) <= now;
}

function settleOne(kernel: CpusetPort, ledger: Ledger, move: Sent, byRuntime: CpuSet, now: number): Learnt {
  const { id, assignment } = move;
  const taboo = byRuntime.union(heldOver(ledger)).difference(ledger.runsOn(assignment));
  const cpus = move.cpus.difference(taboo);
  if (cpus.isEmpty) return refusing(ledger, move, CpuSet.empty, waitsFor(taboo), now);
  const result = kernel.write([{ container: assignment.container, cpus }], WRITE_DEADLINE);
  if (result.kind !== "done") return learnt(kernel, ledger, [{ ...move, cpus }], result, now);
  const next = seen(ledger, id, cpus);
  if (cpus.size < move.cpus.size) return refusing(next, move, CpuSet.empty, waitsFor(taboo), now);
  const before = ledger.stuck.get(id);
  const message = "the kernel has a container's CPUs as it should, at last";
  const logs = before === undefined
    ? []
    : [logOf("info", message, assignment.container, { cpus: cpus.toString(), tries: before.tries })];
  return { ledger: next.sticking(id, undefined), logs };
}

function waitsFor(taboo: CpuSet): string {
  return `it waits for CPUs that another container can't be made to leave yet (${taboo})`;
}

/** CPUs on which containers are that should have left them. */
function heldOver(ledger: Ledger): CpuSet {
  if (ledger.stuck.size === 0) return CpuSet.empty;
  const holders = [...ledger.stuck.keys()].map((id) => ledger.assignments.get(id));
  return heldBy(ledger, holders.filter((holder) => holder !== undefined && confirmed(holder) !== undefined));
}

function heldBy(ledger: Ledger, holders: readonly (Assignment | undefined)[]): CpuSet {
  return CpuSet.unionOf(
    holders.map((holder) =>
      holder === undefined ? CpuSet.empty : ledger.runsOn(holder).difference(ledger.effective(holder))
    ),
  );
}
