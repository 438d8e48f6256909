/**
 * The ledger compared with the kernel, again and again: another program may have written a cgroup, an update of the runtime
 * may have failed or come late. What differs is repaired, and logged once per container and cause.
 */
import type { CpusetPort } from "../cgroup/port.ts";
import type { Assignment } from "../ledger/assignment.ts";
import { lookedAtComparison } from "./affinity.ts";
import { compare } from "./compare.ts";
import { asked, isCountDue } from "./counts.ts";
import { concludeLooks, look } from "./lost_ends.ts";
import type { Logged } from "./logged.ts";
import { unsurePartitions } from "./partitions.ts";
import { unsureMemories } from "./memories.ts";
import { throttledOf, unsureQuotas } from "./quotas.ts";
import { withLedger } from "./pending.ts";
import { dueIn, isItsTurn, THREADS_MS, withQuiet } from "./quiet.ts";
import { unsureSandboxes } from "./sandboxes.ts";
import type { ReconcileState } from "./reconcile_state.ts";
import type { AgentState } from "./state.ts";

/**
 * How many cgroups are compared at a time, and of these how many whose threads are looked at, so that no call waits for long: the
 * one takes some 4 µs where nothing has changed, else 50; the other from 20 µs to half a millisecond.
 */
const BATCH = 256;
const LOOKS = 64;
/** A part of a comparison. */
export interface Reconciled extends Logged {
  /** It has come to its end, and what the runtime lists is to be compared now. */
  readonly isCountDue: boolean;
}

/** Goes on comparing, if it is time to; `reconcile.queue` is what is left of it. */
export function reconcile(state: AgentState): Reconciled {
  const { cpusets, reconcile, now, reconcileMs } = state;
  if (reconcileMs === 0 || state.standby || state.passive !== undefined) {
    return { state, logs: [], isCountDue: false };
  }
  const nextAt = reconcile.nextAt ?? now + jittered(reconcileMs, now);
  if (reconcile.queue.length === 0 && now < nextAt) {
    const waiting = nextAt === reconcile.nextAt ? state : { ...state, reconcile: { ...reconcile, nextAt } };
    return { state: waiting, logs: [], isCountDue: false };
  }
  const isNew = reconcile.queue.length === 0;
  const isSeen = cpusets !== undefined && !state.dryRun;
  const begun = isNew ? beginning(state, now + jittered(reconcileMs, now)) : reconcile;
  const partitions = isNew ? unsurePartitions(state.partitions) : state.partitions;
  const quotas = isNew ? unsureQuotas(state.quotas) : state.quotas;
  const memories = isNew ? unsureMemories(state.memories) : state.memories;
  const sandboxes = isNew ? unsureSandboxes(state.sandboxes) : state.sandboxes;
  const next = {
    ...state,
    partitions,
    quotas,
    memories,
    sandboxes,
    reconcile: begun,
  };
  const batch = isSeen ? batchOf(next) : begun.queue;
  const compared = isSeen ? comparedOf(next, batch, cpusets) : { state: next, logs: [] };
  const queue = begun.queue.slice(batch.length);
  const after = { ...compared.state, reconcile: { ...compared.state.reconcile, queue } };
  if (queue.length > 0) return { state: after, logs: compared.logs, isCountDue: false };
  const isDue = isCountDue(after);
  const counted = isDue ? asked(after) : after;
  const concluded = isSeen ? concludeLooks(counted, cpusets) : { state: counted, logs: [] };
  const rested = isSeen ? withQuiet(concluded.state, cpusets) : concluded.state;
  return { state: rested, logs: [...compared.logs, ...concluded.logs], isCountDue: isDue };
}

/** The containers that come next. */
function batchOf(state: AgentState): readonly string[] {
  const { ledger: { assignments }, reconcile: { queue } } = state;
  let looks = 0;
  const end = queue.findIndex((id, at) => {
    const assignment = assignments.get(id);
    if (assignment !== undefined && isLookDue(state, assignment)) looks++;
    return at === BATCH || looks > LOOKS;
  });
  return end < 0 ? queue : queue.slice(0, end);
}

/** With these compared. */
function comparedOf(next: AgentState, batch: readonly string[], cpusets: CpusetPort): Logged {
  const looked = look(next, batch.flatMap((id) => next.ledger.assignments.get(id) ?? []), cpusets);
  const compared = batch.reduce<Logged>((all, id) => {
    const assignment = all.state.ledger.assignments.get(id);
    if (assignment === undefined) return all;
    const counted = { ...all, state: withThrottled(all.state, id, throttledOf(cpusets, assignment)) };
    const compared = compare(counted, assignment, cpusets.read(assignment.container));
    if (!isLookDue(all.state, assignment)) return compared;
    const masks = lookedAtComparison(compared.state, assignment.container);
    return { state: masks.state, logs: [...compared.logs, ...masks.logs] };
  }, { state: looked, logs: [] });
  return { state: withLedger(compared.state, compared.state.ledger), logs: compared.logs };
}

function beginning(state: AgentState, nextAt: number): ReconcileState {
  const { ledger } = state;
  const reconcile = { ...state.reconcile, begun: state.reconcile.begun + 1 };
  const { queue, seen, quiet } = dueIn({ ...state, reconcile });
  const reasons = new Map([...reconcile.reasons].filter(([id]) => ledger.assignments.has(id)));
  const suspects = new Set([...reconcile.suspects].filter((id) => ledger.assignments.has(id)));
  const throttled = new Map([...reconcile.throttled].filter(([id]) => ledger.assignments.has(id)));
  return {
    ...reconcile,
    reasons,
    suspects,
    throttled,
    lostEnds: { ...reconcile.lostEnds, looked: seen },
    nextAt,
    queue,
    quiet,
  };
}

function withThrottled(state: AgentState, id: string, count: number | undefined): AgentState {
  const { throttled } = state.reconcile;
  if (throttled.get(id) === count) return state;
  const next = new Map(throttled);
  if (count === undefined) next.delete(id);
  else next.set(id, count);
  return { ...state, reconcile: { ...state.reconcile, throttled: next } };
}

/**
 * Whether its threads are looked at in this comparison: until they are seen, in its first minute, and then in its turn. CPUs are
 * given to nobody by that: before a claim that would move it they are looked at anyway.
 */
function isLookDue(state: AgentState, { container: { id }, affinity, since = 0 }: Assignment): boolean {
  return (affinity === undefined && state.now - since < THREADS_MS) || isItsTurn(state, id);
}

/** Between 0.9 and 1.1 of it, so that the nodes of a cluster don't all do it at once; a hash of the time will do. */
function jittered(every: number, now: number): number {
  const hash = Math.imul(Math.floor(now * 1000) | 0, 0x9E3779B1) >>> 0;
  return every * (0.9 + 0.2 * (hash / 2 ** 32));
}
