/**
 * Delivery: how a container gets its CPUs, how far that has come, and where it may be running meanwhile.
 *
 * By the runtime's *record*, where the cgroup tree can't be written or read: the runtime writes what a reply carries and
 * reports no failure, so what it was sent counts as done, except for a container that has no process yet, whose updates
 * may be lost. By its *cgroup*: written and read back; only a read makes it true.
 *
 *     record   created ──StartContainer──▶ starting ──runs──▶ running ──drift──▶ failed
 *                 ▲                           ▲                  ▲
 *                 │ unreadable                │ unreadable       │ unreadable
 *     cgroup   not-started ──StartContainer──▶ starting ──runs──▶ running ──write fails──▶ failed
 *
 * `mayRunOn` is the bound that all of this keeps: every CPU on which one of the container's processes may be running by
 * all that is known. It is widened before anything is sent or written, and narrowed only by a read of the kernel or, by
 * the record, when the runtime was sent an update ({@link updateSent}: the one place with that rule). What is still to be
 * done is always the difference between the bound and the CPUs that the container should have.
 */
import { CpuSet } from "../cpu/cpu_set.ts";
import { ANYWHERE, isAnywhere, isSameBound } from "./bound.ts";
import { type Cause, type DeliveryFailure, failureAfter } from "./failure.ts";

/** What the runtime's record holds. */
interface Recorded {
  /** The set that it was last sent or has last reported; absent: it names none. */
  readonly record?: CpuSet;
  /** It was sent while the container had no process: it may be lost, or all that has changed. `lost`: the runtime says that it is. */
  readonly recordUnsure?: true | "lost";
}

export type Delivery = RecordDelivery | CgroupDelivery;

/** What is delivered to a container, and where it may be running. */
export interface Delivered {
  /**
   * Every CPU on which one of its processes may be running by all that is known; empty: it has none yet. CPUs that are
   * offline may be among them (`Ledger.mayRunOn` is without these).
   */
  readonly mayRunOn: CpuSet;
  /** How it gets its CPUs, and how far that has come. */
  readonly delivery: Delivery;
}

export type RecordDelivery =
  & Recorded
  & (
    /** No process yet, as far as is known. */
    | { readonly by: "record"; readonly state: "created" }
    /** StartContainer was answered: the program may begin at any moment, and updates may still be lost. */
    | { readonly by: "record"; readonly state: "starting" }
    /** `isAssumed`: by its cgroup, which was seen for a while; PostStartContainer may still come. */
    | { readonly by: "record"; readonly state: "running"; readonly isAssumed?: true }
    /** It was found on other CPUs than those of its record; it is sent its set again after a back-off. */
    | ({ readonly by: "record" } & Failed)
  );

export type CgroupDelivery =
  & Recorded
  & (
    /** No process yet: the set is written at StartContainer, where the cgroup is there. */
    | { readonly by: "cgroup"; readonly state: "not-started" }
    /** The set was written and read back at StartContainer; the program may begin at any moment. */
    | { readonly by: "cgroup"; readonly state: "starting" }
    | { readonly by: "cgroup"; readonly state: "running" }
    /** The last write failed; it is tried again after a back-off. */
    | ({ readonly by: "cgroup" } & Failed)
  );

interface Failed {
  readonly state: "failed";
  readonly failure: DeliveryFailure;
  /** It was starting then, and hasn't been reported to run since. */
  readonly wasStarting?: true;
}

/** The delivery of a container whose creation is being answered with `record` (absent: its record names no CPUs). */
export function created(by: Delivery["by"], record?: CpuSet): Delivered {
  const recorded = record === undefined ? {} : { record };
  return by === "cgroup"
    ? { mayRunOn: CpuSet.empty, delivery: { ...recorded, by, state: "not-started" } }
    : { mayRunOn: record ?? ANYWHERE, delivery: { ...recorded, by, state: "created" } };
}

/** The delivery of a container found with `record` whose cgroup isn't, or can't be, read. */
export function foundByRecord(record: CpuSet | undefined, isRunning: boolean): Delivered {
  const { mayRunOn, delivery } = created("record", record);
  const state = isRunning ? "running" : "created";
  return { mayRunOn, delivery: { ...recordOf(delivery), by: "record", state } };
}

/** What a container was sent while it was starting, before it was found again: its record may hold that by now. */
export function mayHaveBeenSent<A extends Delivered>(assignment: A, cpus: CpuSet): A {
  const { mayRunOn, delivery } = assignment;
  const next = { ...delivery, record: cpus, recordUnsure: true } as const;
  return {
    ...assignment,
    mayRunOn: delivery.by === "record" ? mayRunOn.union(cpus) : mayRunOn,
    delivery: next,
  };
}

/** Where its cgroup is written, the record of one that was found may still become what was sent before. */
export function recordMayChange<A extends Delivered>(assignment: A): A {
  const { delivery } = assignment;
  return delivery.by === "record"
    ? assignment
    : { ...assignment, delivery: { ...delivery, recordUnsure: true } };
}

/** Its cgroup has `cpus`, and its program may run: a read, or a write that was read back. */
export function confirm<A extends Delivered>(assignment: A, cpus: CpuSet, state: "starting" | "running"): A {
  const { mayRunOn, delivery } = assignment;
  if (delivery.by === "cgroup" && delivery.state === state && isSameBound(mayRunOn, cpus)) return assignment;
  return { ...assignment, mayRunOn: cpus, delivery: { ...recordOf(delivery), by: "cgroup", state } };
}

/** Its cgroup was read: it may be running there and nowhere else. A failure stays until what failed is done. */
export function observe<A extends Delivered>(assignment: A, cpus: CpuSet): A {
  const { mayRunOn, delivery } = assignment;
  if (!isConfirmed(assignment)) {
    return confirm(assignment, cpus, delivery.state === "starting" ? "starting" : "running");
  }
  return isSameBound(mayRunOn, cpus) ? assignment : { ...assignment, mayRunOn: cpus, delivery };
}

/** A write was read back: a failure is over, all else stays as it was. */
export function written<A extends Delivered>(assignment: A, cpus: CpuSet): A {
  return confirm(assignment, cpus, isStarting(assignment) ? "starting" : "running");
}

/**
 * The runtime was sent `cpus`. It applies what a reply or a CRI call carries in that order, and reports failures of its own calls only ({@link updateLost}), so for
 * a container that runs by its record this counts as acknowledged; for one without a process the old bound stays beside
 * it until it runs. Where the cgroup is written, the record is only for updates that the runtime makes of its own accord; what
 * it writes of it is read at PostUpdateContainer.
 */
export function updateSent<A extends Delivered>(assignment: A, cpus: CpuSet): A {
  const { mayRunOn, delivery } = assignment;
  const { record, recordUnsure, ...rest } = delivery;
  const isSame = recordUnsure === undefined && record?.equals(cpus) === true;
  const unsure = !isSame && isStarting(assignment);
  const next = { ...rest, record: cpus, ...(unsure ? { recordUnsure: true as const } : {}) } as Delivery;
  if (delivery.by === "cgroup") return { ...assignment, delivery: next };
  return { ...assignment, mayRunOn: unsure ? mayRunOn.union(cpus) : cpus, delivery: next };
}

/** The runtime says that it couldn't apply what it was answered: its record may hold it, and the cgroup something else. */
export function updateLost<A extends Delivered>(assignment: A): A {
  const { delivery } = assignment;
  if (delivery.record === undefined || hasNoProcess(delivery)) return assignment;
  return { ...assignment, delivery: { ...delivery, recordUnsure: "lost" } };
}

/** PostUpdateContainer: the record has what was answered, whatever became of the cgroup. What was lost isn't reported so. */
export function updateNoted<A extends Delivered>(assignment: A): A {
  const { delivery } = assignment;
  if (delivery.by === "record" || delivery.recordUnsure !== true || hasNoProcess(delivery)) {
    return assignment;
  }
  const { recordUnsure: _, ...rest } = delivery;
  return { ...assignment, delivery: rest as Delivery };
}

/** PostStartContainer: it runs, and what it is sent from now on arrives. */
export function runs<A extends Delivered>(assignment: A): A {
  const { delivery } = assignment;
  if (delivery.state === "failed") {
    const { wasStarting: _, ...rest } = delivery;
    return delivery.wasStarting ? { ...assignment, delivery: rest } : assignment;
  }
  if (delivery.by === "record" && delivery.state === "running" && delivery.isAssumed) {
    const { isAssumed: _, ...rest } = delivery;
    const known = { ...assignment, delivery: rest };
    // What it was sent since may have been lost.
    return delivery.record === undefined ? known : mayHaveBeenSent(known, delivery.record);
  }
  if (delivery.state !== "created" && delivery.state !== "starting") return assignment;
  return { ...assignment, delivery: { ...delivery, state: "running" } };
}

/** Its cgroup was seen for a while, so it runs; or it is only about to. */
export function seemsToRun<A extends Delivered>(assignment: A): A {
  const { delivery } = assignment;
  const isNew = delivery.by === "record" && (delivery.state === "created" || delivery.state === "starting");
  return isNew ? { ...assignment, delivery: { ...delivery, state: "running", isAssumed: true } } : assignment;
}

/** It is only about to start, though it was taken for running: what its record was sent may have been lost. */
export function isStartingAfterAll<A extends Delivered>(assignment: A): A {
  const { delivery } = assignment;
  if (delivery.by !== "record" || isStarting(assignment)) return assignment;
  const unsure = delivery.record === undefined ? {} : { recordUnsure: true as const };
  return { ...assignment, delivery: { ...recordOf(delivery), ...unsure, by: "record", state: "created" } };
}

/** StartContainer was answered, of one that gets its CPUs by the record. */
export function starts<A extends Delivered>(assignment: A): A {
  const { delivery } = assignment;
  if (delivery.by === "cgroup" || delivery.state !== "created") return assignment;
  return { ...assignment, delivery: { ...delivery, state: "starting" } };
}

/** At StartContainer the cgroup of one by the record has `cpus`: if the record has them too, they were delivered. */
export function seenAtStart<A extends Delivered>(assignment: A, cpus: CpuSet, online: CpuSet): A {
  const { delivery, mayRunOn } = assignment;
  if (delivery.by === "cgroup") return assignment;
  if (delivery.record === undefined) return { ...assignment, mayRunOn: mayRunOn.union(cpus) };
  if (!delivery.record.equals(cpus)) {
    return { ...assignment, mayRunOn: mayRunOn.union(cpus), delivery: { ...delivery, recordUnsure: true } };
  }
  // All that are online may be inherited; and so is what is in force where a set names only CPUs that are offline.
  if (cpus.equals(online) || (!isAnywhere(mayRunOn) && !mayRunOn.isSubsetOf(online))) return assignment;
  const { recordUnsure: _, ...rest } = delivery;
  return { ...assignment, mayRunOn: cpus, delivery: rest as Delivery };
}

/** Its cgroup can't be read any more: the record takes over, and it may be on what either has. */
export function unreadable<A extends Delivered>(assignment: A): A {
  const { mayRunOn, delivery } = assignment;
  if (delivery.by === "record") return assignment;
  const { record, recordUnsure } = delivery;
  if (delivery.state === "not-started") {
    // Its cgroup may have been made with what the record had before.
    const bound = record === undefined || recordUnsure ? ANYWHERE : record;
    return {
      ...assignment,
      mayRunOn: bound,
      delivery: { ...recordOf(delivery), by: "record", state: "created" },
    };
  }
  const state = isStarting(assignment) ? "starting" : "running";
  const bound = record === undefined ? ANYWHERE : mayRunOn.union(record);
  // Whether the cgroup has what the record has can't be read, so the runtime is sent it again.
  const unsure = record?.equals(mayRunOn) ? {} : { recordUnsure: true as const };
  return {
    ...assignment,
    mayRunOn: bound,
    delivery: { ...recordOf(delivery), ...unsure, by: "record", state },
  };
}

/** A write has failed, or drift was found: `mayRunOn` is what it may be running on now. */
export function failed<A extends Delivered>(assignment: A, mayRunOn: CpuSet, cause: Cause): A {
  const { delivery } = assignment;
  const wasStarting = isStarting(assignment) ? { wasStarting: true as const } : {};
  const failure = failureAfter(failureOf(assignment), cause);
  return {
    ...assignment,
    mayRunOn,
    delivery: { ...recordOf(delivery), ...wasStarting, by: delivery.by, state: "failed", failure },
  };
}

/** The failure is over without a write: it has what it should have by now. */
export function resolved<A extends Delivered>(assignment: A): A {
  const { delivery } = assignment;
  if (delivery.state !== "failed") return assignment;
  const state = delivery.wasStarting ? "starting" : "running";
  return { ...assignment, delivery: { ...recordOf(delivery), by: delivery.by, state } };
}

/** CPUs that are offline have been taken out of every set for good (cgroup v1). */
export function withoutOffline<A extends Delivered>(assignment: A, online: CpuSet): A {
  const { mayRunOn, delivery } = assignment;
  const left = delivery.record?.intersection(online);
  const { record: _, ...rest } = delivery;
  const record = left === undefined || left.isEmpty ? {} : { record: left };
  const bound = isAnywhere(mayRunOn) ? mayRunOn : mayRunOn.intersection(online);
  // An empty bound says that there is no process; a set without a CPU inherits instead.
  const isLost = bound.isEmpty && !mayRunOn.isEmpty;
  return { ...assignment, mayRunOn: isLost ? ANYWHERE : bound, delivery: { ...rest, ...record } as Delivery };
}

export function failureOf({ delivery }: Delivered): DeliveryFailure | undefined {
  return delivery.state === "failed" ? delivery.failure : undefined;
}

/** Whether its set is read and written in its cgroup now: it has one, and a process. */
export function isConfirmed({ delivery: { by, state } }: Delivered): boolean {
  return by === "cgroup" && state !== "not-started";
}

/** No process of it runs, as far as is known. */
export function hasNoProcess({ state }: Delivery): boolean {
  return state === "created" || state === "not-started";
}

/** Between its creation and its PostStartContainer. */
export function isStarting({ delivery }: Delivered): boolean {
  return hasNoProcess(delivery) || delivery.state === "starting" ||
    (delivery.state === "failed" && delivery.wasStarting === true);
}

function recordOf({ record, recordUnsure }: Delivery): Recorded {
  return {
    ...(record === undefined ? {} : { record }),
    ...(recordUnsure === undefined ? {} : { recordUnsure }),
  };
}
