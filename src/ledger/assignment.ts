import type { CpuSet } from "../cpu/cpu_set.ts";
import type { Claim, ContainerRef, ExclusiveClaim } from "./claim.ts";

/** One container that the agent places. */
export interface Assignment {
  readonly container: ContainerRef;
  readonly claim: Claim;
  /** The CPUs granted to a pinned or exclusive claim; empty for a container that lives in the shared pool. */
  readonly grant: CpuSet;
  /**
   * The set in the runtime's record: last reported by the runtime, or last answered to it. Absent: the
   * record names no CPUs, so the container may run on all of them.
   */
  readonly record?: CpuSet;
  /**
   * The set that the kernel has, as last confirmed by reading it. `at-start`: it is written when the container starts;
   * until then no process of it runs. Absent: that isn't known, and only the runtime is told.
   */
  readonly kernel?: CpuSet | "at-start";
  /** The memory nodes that an exclusive container is bound to, once and for all; absent: none. */
  readonly mems?: CpuSet;
  /**
   * Between its creation and its first moment of running the runtime may lose an update, or change only its
   * record: what is sent meanwhile isn't taken for done.
   */
  readonly starting?: true;
  /**
   * What it was sent last while it was starting, or had last in the kernel: nobody knows whether its record says that by
   * now.
   */
  readonly unacknowledged?: CpuSet;
  /**
   * Of a pinned container that hasn't started yet: who was moved for it, and from where. Should its creation
   * fail, they go back.
   */
  readonly displaced?: readonly Displaced[];
  /** Why a container has less than it claims: one clause for people. */
  readonly degraded?: string;
  /** Its place in the order of admissions; given by the ledger. */
  readonly order?: number;
}

/** An exclusive container that was moved, and the CPUs that it had. */
export interface Displaced {
  readonly id: string;
  readonly from: CpuSet;
}

export type ExclusiveAssignment = Assignment & { readonly claim: ExclusiveClaim };

export function isExclusive(assignment: Assignment): assignment is ExclusiveAssignment {
  return assignment.claim.kind === "exclusive";
}

/** The set that was confirmed in the kernel, if one was. */
export function confirmedSet({ kernel }: Assignment): CpuSet | undefined {
  return kernel === "at-start" ? undefined : kernel;
}

/** Whether the container gets its set when it starts, and has none in the runtime's record: nothing is to be told. */
export function isSetAtStart({ kernel, grant }: Assignment): boolean {
  return kernel === "at-start" && grant.isEmpty;
}

/**
 * Whether the runtime's record lags behind the kernel: of a container with CPUs of its own, whose set is in both; what
 * either has of CPUs that are offline doesn't count. That of a shared one is in the kernel alone.
 */
export function recordLags(assignment: Assignment, online: CpuSet): boolean {
  const { grant, record } = assignment;
  const isGrant = (set: CpuSet | undefined) => set?.intersection(online).equals(grant) === true;
  return !grant.isEmpty && isGrant(confirmedSet(assignment)) && !isGrant(record);
}

/**
 * The assignment once the container was told `cpus`: what the kernel was told is confirmed; what was sent to the runtime
 * arrives, except while the container starts.
 */
export function withUpdate(assignment: Assignment, cpus: CpuSet): Assignment {
  if (confirmedSet(assignment) !== undefined) return { ...assignment, kernel: cpus };
  return withRecord(assignment, cpus);
}

/** The assignment once the runtime's record was sent `cpus`. */
export function withRecord(assignment: Assignment, cpus: CpuSet): Assignment {
  if (assignment.starting) return { ...assignment, unacknowledged: cpus };
  const { unacknowledged: _, ...known } = assignment;
  return { ...known, record: cpus };
}

/** Oldest first. */
export function byOrder(a: Assignment, b: Assignment): number {
  return (a.order ?? 0) - (b.order ?? 0);
}
