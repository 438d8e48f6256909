import type { Topology } from "../cpu/topology.ts";
import type { CpuUpdate, PlannedUpdate } from "../ledger/updates.ts";
import { Ledger } from "../ledger/ledger.ts";
import type { Policy } from "../ledger/policy.ts";
import type { LogRecord } from "../log_record.ts";
import { INITIAL_RECONCILE, type ReconcileState } from "./audit.ts";
import type { Apply, CpusetPort } from "../cgroup/port.ts";
import type { SynchronizeRequest } from "../nri/gen/nri_pb.ts";
import { type EarlyEvents, NO_EARLY_EVENTS } from "./early.ts";
import type { Phase } from "./lifecycle.ts";
import type { Rules } from "../nri/rules.ts";

/** Since when something is owed that no reply has said; see `owed.ts`. */
export interface PendingUpdates {
  /** In the milliseconds of {@link AgentState.now}. */
  readonly since: number;
  /** When the host was last asked to bring it about. */
  readonly requestedAt?: number;
}

/** One message of a Synchronize. */
export interface Part {
  readonly request: SynchronizeRequest;
  /** Of the message as it came. */
  readonly bytes: number;
}

/** What the agent knows and stands for between two calls. Immutable. */
export interface AgentState {
  readonly phase: Phase;
  readonly topology: Topology;
  readonly policy: Policy;
  readonly rules: Rules;
  /** Milliseconds for which growth of the shared pool may wait, so that several become one. */
  readonly growDelayMs: number;
  /** What the kernel's cpusets are read and written by; absent: they can't be. */
  readonly cpusets?: CpusetPort | undefined;
  readonly apply: Apply;
  /** Something is to be written in the kernel as soon as nobody waits for an answer. */
  readonly hasWrites: boolean;
  /** Milliseconds from one comparison of the ledger with the kernel to the next; 0: none is made. */
  readonly reconcileMs: number;
  readonly reconcile: ReconcileState;
  /** Absent: nothing is owed. */
  readonly pending?: PendingUpdates;
  /** The time of the last input, in milliseconds of any clock that never goes back. */
  readonly now: number;
  /** True to the node only in phase `serving`; before that nothing is decided from it. */
  readonly ledger: Ledger;
  /** The parts of a Synchronize that isn't complete yet. */
  readonly parts: readonly Part[];
  /** Containers that the runtime itself hasn't told of: their ends may never be told either. */
  readonly untracked: ReadonlySet<string>;
  /** What was heard of containers while they weren't known yet. */
  readonly early: EarlyEvents;
  /** A list of the running containers is on its way: it is to replace what is known. */
  readonly awaitsListing: boolean;
  /** Another agent decides on this node; this one answers everything as if it weren't there. */
  readonly standby: boolean;
  /** Decide and log, but answer as if nothing needed changing and nothing were refused. */
  readonly dryRun: boolean;
  /** Why nobody is given CPUs of its own for the time being. Absent: nothing is against it. */
  readonly claimsSuspendedReason?: string | undefined;
}

/** Why a call is answered with an error; each is one of ttrpc's status codes in the end. */
export type RefusalReason = "invalid" | "unavailable" | "not-ready" | "unimplemented" | "internal";

/** The answer to one call. */
export type Reply =
  | { readonly kind: "answer"; readonly payload: Uint8Array }
  | { readonly kind: "refuse"; readonly reason: RefusalReason; readonly message: string };

/** A call dealt with: the node afterwards, the answer, and what to write into the log. */
export interface Response {
  readonly state: AgentState;
  readonly reply: Reply;
  readonly logs: readonly LogRecord[];
  /** What has to be true in the kernel before the answer is given and the node adopted. */
  readonly writes?: readonly PlannedUpdate[];
  /** What the reply tells the runtime of others; it brings that about after the writes. */
  readonly replyUpdates?: readonly PlannedUpdate[];
  /** It is refused for something that may come true in a moment. */
  readonly retryable?: true;
  /** What should be brought about without waiting for the next reply. */
  readonly background?: readonly CpuUpdate[];
}

/** The answer without a field set: success, and nothing to change. */
export const NEUTRAL: Reply = { kind: "answer", payload: new Uint8Array() };

/** What the administrator decides, as far as it changes what the agent does. */
export interface Settings {
  readonly policy: Policy;
  readonly rules: Rules;
  /** Milliseconds. */
  readonly growDelayMs: number;
  readonly dryRun: boolean;
  readonly apply: Apply;
  /** Milliseconds; 0: never. */
  readonly reconcileMs: number;
}

/** A node that has heard of no container yet. */
export function initialState(
  topology: Topology,
  { policy, rules, growDelayMs, dryRun, apply, reconcileMs }: Settings,
  standby: boolean,
  cpusets?: CpusetPort,
): AgentState {
  const ledger = Ledger.empty(topology, policy);
  return {
    phase: "disconnected",
    topology,
    policy,
    rules,
    growDelayMs,
    cpusets,
    apply,
    hasWrites: false,
    reconcileMs,
    reconcile: INITIAL_RECONCILE,
    now: 0,
    ledger,
    parts: [],
    untracked: new Set(),
    early: NO_EARLY_EVENTS,
    awaitsListing: false,
    standby,
    dryRun,
  };
}
