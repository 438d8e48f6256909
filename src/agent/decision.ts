/**
 * What a handler answers: a value. It reads and writes nothing; what has to be known or true in the kernel before the
 * reply is given as data, and `transaction.ts` carries it out.
 */
import type { AffinityOf, AffinityReading, CpusetReading, Population } from "../cgroup/port.ts";
import type { CpuSet } from "../cpu/cpu_set.ts";
import type { ContainerRef, CpuLimit } from "../ledger/claim.ts";
import type { Ledger } from "../ledger/ledger.ts";
import type { Refusal } from "../ledger/refusal.ts";
import type { CpuUpdate } from "../ledger/updates.ts";
import type { PlannedWrite } from "../ledger/plan_writes.ts";
import type { LogRecord } from "../log_record.ts";
import { synchronizeReply } from "../nri/write_reply.ts";
import { refusalLog, type Refused } from "./logs.ts";
import type { AgentState } from "./state.ts";

/** Why a call is answered with an error; each is one of ttrpc's status codes in the end. */
export type RefusalReason = "invalid" | "unavailable" | "not-ready" | "unimplemented" | "internal";

/** The answer to one call. */
export type Reply =
  | { readonly kind: "answer"; readonly payload: Uint8Array }
  | { readonly kind: "refuse"; readonly reason: RefusalReason; readonly message: string };

/** The answer without a field set: success, and nothing to change. */
export const NEUTRAL: Reply = { kind: "answer", payload: new Uint8Array() };

/** The answer of a Synchronize that changes nothing. */
export function neutralSynchronize(more: boolean): Reply {
  return { kind: "answer", payload: synchronizeReply([], more) };
}

/** By container id; what isn't in it can't be read at all. */
export type Readings = ReadonlyMap<string, CpusetReading>;

/** By container id; empty where threads can't be looked at at all. */
export type Affinities = ReadonlyMap<string, AffinityReading>;

/** How often a call may be decided: each time has shown CPUs more that a container keeps. Its deadline is what counts. */
export const MAX_TRIES = 64;

/** What is logged of it comes before what is logged of what follows. */
export type Decision =
  | Response
  | ReadFirst
  | LookAround
  | GrowPod
  | LookFirst
  | LookInside
  | RetryFirst
  | WriteFirst;

/** A call dealt with: the state afterwards, the reply, and what to log. */
export interface Response {
  readonly kind: "response";
  readonly state: AgentState;
  readonly reply: Reply;
  readonly logs: readonly LogRecord[];
  /**
   * It is refused for something that may come true within milliseconds: the call is decided anew until then. This is what
   * is logged of the refusal once it is final.
   */
  readonly retryable?: LogRecord;
  /** What the runtime is to be asked for without waiting for the next reply. */
  readonly background?: readonly CpuUpdate[];
}

/** Cgroups to be read before it can be decided. */
export interface ReadFirst {
  readonly kind: "read";
  readonly containers: readonly ContainerRef[];
  readonly logs?: readonly LogRecord[];
  then(readings: Readings): Decision;
}

/** What the cgroups above a container leave it is to be known before it can be decided. */
export interface LookAround {
  readonly kind: "around";
  readonly container: ContainerRef;
  /** Those that containers can have. */
  readonly cpus: CpuSet;
  readonly logs?: readonly LogRecord[];
  then(limit: CpuLimit | undefined): Decision;
}

/** The cgroup of a container's pod is to have its CPUs before it is made there (cgroup v1), as far as its class has them. */
export interface GrowPod {
  readonly kind: "grow";
  readonly container: ContainerRef;
  readonly cpus: CpuSet;
  readonly logs?: readonly LogRecord[];
  then(): Decision;
}

/** Threads to be looked at before it can be decided: how much of its set is left to them. */
export interface LookFirst {
  readonly kind: "look";
  readonly containers: readonly ContainerRef[];
  readonly of: AffinityOf;
  readonly logs?: readonly LogRecord[];
  then(affinities: Affinities): Decision;
}

/** By container id; what isn't in it can't be known at all. */
export type Populations = ReadonlyMap<string, Population>;

/** Whether processes are in these cgroups has to be known before it can be decided. */
export interface LookInside {
  readonly kind: "inside";
  readonly containers: readonly ContainerRef[];
  readonly logs?: readonly LogRecord[];
  then(populations: Populations): Decision;
}

/** Containers that couldn't be made to give up CPUs are to be read and written once more before it can be decided. */
export interface RetryFirst {
  readonly kind: "retry";
  readonly state: AgentState;
  readonly logs?: readonly LogRecord[];
  then(state: AgentState): Decision;
}

/** Cgroups to be written, all or none, before the reply promises what they make true. */
export interface WriteFirst {
  readonly kind: "write";
  /** The ledger for which they are written. */
  readonly ledger: Ledger;
  readonly writes: readonly PlannedWrite[];
  /** The same ledger once they are. */
  readonly after: Ledger;
  readonly logs?: readonly LogRecord[];
  written(ledger: Ledger): Decision;
  failed(failure: WriteFailed): Decision;
}

/** Nothing was written, or all is rolled back but what couldn't be. */
export interface WriteFailed {
  /** A ledger, with what the failure has shown: which containers keep which CPUs, and which can't be written at all. */
  learn(ledger: Ledger): Ledger;
  /** One sentence. */
  readonly reason: string;
  /** The time for this call is used up: it is to be answered now. */
  readonly isFinal: boolean;
  readonly logs: readonly LogRecord[];
}

/** Success, and nothing changes. */
export function unchanged(state: AgentState): Response {
  return { kind: "response", state, reply: NEUTRAL, logs: [] };
}

/** An error for this call; a dry run only logs it. */
export function refused(
  state: AgentState,
  container: ContainerRef,
  { reason, message }: Refusal,
  what: Refused = "container",
): Response {
  return {
    kind: "response",
    state,
    reply: state.dryRun ? NEUTRAL : { kind: "refuse", reason, message },
    logs: [refusalLog(container, message, state.dryRun, what)],
  };
}

/** The same decision, with log records before its own. */
export function withLogs(decision: Decision, logs: readonly LogRecord[]): Decision {
  return logs.length === 0 ? decision : { ...decision, logs: [...logs, ...decision.logs ?? []] };
}

/** A claim is decided by a state in which all that failed was retried. */
export function retriedFirst(state: AgentState, then: (state: AgentState) => Decision): Decision {
  return state.ledger.failed.length === 0 ? then(state) : { kind: "retry", state, then };
}
