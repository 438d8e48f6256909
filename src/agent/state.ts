import type { Topology } from "../cpu/topology.ts";
import type { Change, Sent } from "../ledger/changes.ts";
import { Ledger } from "../ledger/ledger.ts";
import type { Policy } from "../ledger/policy.ts";
import type { LogRecord } from "../log_record.ts";
import { type Audit, NOTHING_AUDITED } from "./audit.ts";
import type { Apply, CpusetPort } from "../cgroup/port.ts";
import type { SynchronizeRequest } from "../nri/gen/nri_pb.ts";
import { type Early, NOTHING_EARLY } from "./early.ts";
import type { Phase } from "./lifecycle.ts";
import type { Rules } from "../nri/rules.ts";

/** Since when something is owed that no reply has said; see `owed.ts`. */
export interface Owing {
  /** In the milliseconds of {@link Node.now}. */
  readonly since: number;
  /** When the host was last asked to bring it about. */
  readonly askedAt?: number;
}

/** One message of a Synchronize. */
export interface Part {
  readonly request: SynchronizeRequest;
  /** Of the message as it came. */
  readonly bytes: number;
}

/** What the agent knows and stands for between two calls. Immutable. */
export interface Node {
  readonly phase: Phase;
  readonly topology: Topology;
  readonly policy: Policy;
  readonly rules: Rules;
  /** Milliseconds for which growth of the shared pool may wait, so that several become one. */
  readonly growDelay: number;
  /** What the kernel's cpusets are read and written by; absent: they can't be. */
  readonly cpusets?: CpusetPort | undefined;
  readonly apply: Apply;
  /** Something is to be written in the kernel as soon as nobody waits for an answer. */
  readonly settling: boolean;
  /** Milliseconds from one comparison of the ledger with the kernel to the next; 0: none is made. */
  readonly reconcileEvery: number;
  readonly audit: Audit;
  /** Absent: nothing is owed. */
  readonly owing?: Owing;
  /** The time of the last input, in milliseconds of any clock that never goes back. */
  readonly now: number;
  /** True to the node only in phase `serving`; before that nothing is decided from it. */
  readonly ledger: Ledger;
  /** The parts of a Synchronize that isn't complete yet. */
  readonly parts: readonly Part[];
  /** Containers that the runtime itself hasn't told of: their ends may never be told either. */
  readonly untold: ReadonlySet<string>;
  /** What was heard of containers while they weren't known yet. */
  readonly early: Early;
  /** A list of the running containers is on its way: it is to replace what is known. */
  readonly awaiting: boolean;
  /** Another agent decides on this node; this one answers everything as if it weren't there. */
  readonly standby: boolean;
  /** Decide and log, but answer as if nothing needed changing and nothing were refused. */
  readonly dryRun: boolean;
  /** Why nobody is given CPUs of its own for the time being. Absent: nothing is against it. */
  readonly barred?: string | undefined;
}

/** Why a call is answered with an error; each is one of ttrpc's status codes in the end. */
export type RefusalReason = "invalid" | "unavailable" | "not-ready" | "unimplemented" | "internal";

/** The answer to one call. */
export type Reply =
  | { readonly kind: "answer"; readonly payload: Uint8Array }
  | { readonly kind: "refuse"; readonly reason: RefusalReason; readonly message: string };

/** A call dealt with: the node afterwards, the answer, and what to write into the log. */
export interface Served {
  readonly node: Node;
  readonly reply: Reply;
  readonly logs: readonly LogRecord[];
  /** What has to be true in the kernel before the answer is given and the node adopted. */
  readonly writes?: readonly Sent[];
  /** What the reply tells the runtime of others; it brings that about after the writes. */
  readonly updates?: readonly Sent[];
  /** It is refused for something that may come true in a moment. */
  readonly mayRecover?: true;
  /** What should be brought about without waiting for the next reply. */
  readonly owed?: readonly Change[];
}

/** The answer without a field set: success, and nothing to change. */
export const NEUTRAL: Reply = { kind: "answer", payload: new Uint8Array() };

/** What the administrator decides, as far as it changes what the agent does. */
export interface Settings {
  readonly policy: Policy;
  readonly rules: Rules;
  /** Milliseconds. */
  readonly growDelay: number;
  readonly dryRun: boolean;
  readonly apply: Apply;
  /** Milliseconds; 0: never. */
  readonly reconcileEvery: number;
}

/** A node that has heard of no container yet. */
export function freshNode(
  topology: Topology,
  { policy, rules, growDelay, dryRun, apply, reconcileEvery }: Settings,
  standby: boolean,
  cpusets?: CpusetPort,
): Node {
  const ledger = Ledger.empty(topology, policy);
  return {
    phase: "disconnected",
    topology,
    policy,
    rules,
    growDelay,
    cpusets,
    apply,
    settling: false,
    reconcileEvery,
    audit: NOTHING_AUDITED,
    now: 0,
    ledger,
    parts: [],
    untold: new Set(),
    early: NOTHING_EARLY,
    awaiting: false,
    standby,
    dryRun,
  };
}
