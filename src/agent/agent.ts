/** What goes into `step` and what comes out of it, and the agent itself: values all. */
import type { CpuSet } from "../cpu/cpu_set.ts";
import type { Topology } from "../cpu/topology.ts";
import { type CpuUpdate, pendingUpdateOf } from "../ledger/updates.ts";
import type { LogRecord } from "../log_record.ts";
import type { RefusalReason } from "./decision.ts";
import type { Listing, Living } from "./early.ts";
import type { Call } from "../nri/methods.ts";
import { writablePort } from "./apply_mode.ts";
import type { MachineChange } from "./machine.ts";
import { hasWrites } from "./pending.ts";
import { type AgentState, initialState, type Ports, type Settings } from "./state.ts";
import { ProtocolError } from "../wire/errors.ts";
import type { Session } from "../wire/session.ts";

/** The name and index under which the plugin registers. */
export interface Identity {
  readonly name: string;
  /** Two digits; plugins are called in the order of their indices. */
  readonly index: string;
}

export interface Agent {
  readonly identity: Identity;
  readonly state: AgentState;
  readonly connection?: Connection;
}

/** What belongs to one connection and ends with it. */
export interface Connection {
  readonly session: Session;
  readonly connectedAt: number;
  readonly configuredAt?: number;
  /** Milliseconds after which the runtime drops a plugin that hasn't answered; 0: it hasn't said. */
  readonly requestTimeout?: number;
  /** When the host was asked for the running containers. */
  readonly listedAt?: number;
  /** When it was last asked which of them still live. */
  readonly countedAt?: number;
  /** It took too long: the host was asked which CPUs seem taken. */
  readonly scanned?: true;
  /** Calls that wait for an answer. */
  readonly deferred?: readonly DeferredCall[];
}

/** A call that can't be answered yet. */
export interface DeferredCall {
  readonly stream: number;
  readonly call: Call;
  /** When it came, in the milliseconds of {@link Input}. */
  readonly since: number;
  /** When it is tried again; absent: now. */
  readonly retryAt?: number;
}

/** `now` is in milliseconds of any clock that never goes back. */
export type Input =
  | { readonly kind: "connected"; readonly now: number; readonly topology: Topology }
  | { readonly kind: "received"; readonly now: number; readonly bytes: Uint8Array }
  | { readonly kind: "disconnected" }
  | { readonly kind: "tick"; readonly now: number }
  /** The answer to `list`. */
  | { readonly kind: "listed"; readonly listing: Listing }
  /** The answer to `count`: the ids of the containers that live, and of the pods' sandboxes. */
  | { readonly kind: "counted"; readonly living: Living }
  /** The answer to `scan`: CPUs that seem to be claimed. */
  | { readonly kind: "scanned"; readonly claims: CpuSet }
  /** The answer to `configure`, and any later change of them. */
  | { readonly kind: "settings"; readonly settings: Settings }
  /** The runtime couldn't apply an update of this container that `apply` has asked for. */
  | { readonly kind: "notApplied"; readonly now: number; readonly id: string }
  /** CPUs have gone offline or come back. */
  | { readonly kind: "topology"; readonly now: number } & MachineChange
  /** Claims are suspended: no container is given CPUs of its own, for this reason; undefined: they are served again. */
  | { readonly kind: "suspended"; readonly reason: string | undefined }
  /** By hand: it becomes passive, and everything has all CPUs; or it places again. */
  | { readonly kind: "released"; readonly now: number }
  | { readonly kind: "resumed"; readonly now: number }
  /** This agent holds the leader lock: no other agent decides on this node. */
  | { readonly kind: "promoted"; readonly now: number }
  /** This agent, which has no connection, has given up the leader lock: another one may be active from now on. */
  | { readonly kind: "demoted" };

export type Output =
  /** `answers`: the call that these bytes are the answer to; the time of the input that brought it; why it is refused. */
  | {
    readonly kind: "send";
    readonly bytes: Uint8Array;
    readonly answers?: {
      readonly call: Call["kind"];
      readonly since: number;
      readonly refused?: RefusalReason | undefined;
    };
  }
  | { readonly kind: "log"; readonly record: LogRecord }
  /** The runtime's configuration text: what it means is to be reported as `settings`, before any more bytes. */
  | { readonly kind: "configure"; readonly text: string }
  /** Find out which containers run, however long it takes, and report `listed`; `anew`: what was begun before is of no use. */
  | { readonly kind: "list"; readonly anew?: true }
  /** Find out which containers still live, and report `counted`. */
  | { readonly kind: "count" }
  /** Look into the cgroup tree for CPUs that are taken, and report `scanned`. */
  | { readonly kind: "scan" }
  /**
   * Bring these about by the runtime's other interface, one after the other, as far as possible, and each only as it
   * is pending by then ({@link pendingFor}).
   */
  | { readonly kind: "apply"; readonly changes: readonly CpuUpdate[] }
  /** Give a `tick` after so many milliseconds or before, when all outputs up to here were acted on. */
  | { readonly kind: "wake"; readonly after: number }
  /** The connection is of no more use; the host closes it and reports `disconnected`. */
  | { readonly kind: "close" };

export interface Step {
  readonly agent: Agent;
  readonly outputs: readonly Output[];
}

/** What an agent is made of. */
export interface AgentOptions extends Settings, Ports {
  readonly identity: Identity;
  readonly topology: Topology;
  /** Another agent decides, until `promoted`. */
  readonly standby: boolean;
}

/** An agent without a connection. */
export function newAgent(setup: AgentOptions): Agent {
  const { identity, topology, standby } = setup;
  return { identity, state: initialState(topology, setup, standby, setup) };
}

/** The agent at a later time. */
export function atTime(now: number, agent: Agent): Agent {
  return { ...agent, state: { ...agent.state, now } };
}

/** The pending update of a container, if there is one: replies may have carried it meanwhile. */
export function pendingFor({ state }: Agent, id: string): CpuUpdate | undefined {
  return pendingUpdateOf(state.ledger, id);
}

/** A tick for when there is something to do: cgroups to be written at once, or pending updates once they are due. */
export function wakeFor(
  before: AgentState,
  state: AgentState,
  isMore = writablePort(state) !== undefined && hasWrites(state),
): Output[] {
  const isNew = state.pending !== undefined && before.pending === undefined;
  const delays = [...(isMore ? [0] : []), ...(isNew ? [state.growDelayMs] : [])];
  return delays.map((after) => ({ kind: "wake", after }));
}

/** Nothing to do. */
export function idle(agent: Agent): Step {
  return { agent, outputs: [] };
}

/** Ends the connection, for a reason that is worth an error in the log. */
export function close(agent: Agent, why: string): Step {
  return {
    agent: withoutLink(agent),
    outputs: [log("error", `the connection is closed: ${why}`), { kind: "close" }],
  };
}

/** Without a connection, and so without a phase; what is known is kept until a runtime reports it anew. */
export function withoutLink({ connection: _, ...agent }: Agent): Agent {
  return { ...agent, state: { ...agent.state, phase: "disconnected", parts: [], received: undefined } };
}

export function logOutput(record: LogRecord): Output {
  return { kind: "log", record };
}

export function log(level: LogRecord["level"], message: string, fields?: LogRecord["fields"]): Output {
  return { kind: "log", record: fields === undefined ? { level, message } : { level, message, fields } };
}

/** A peer's mistake by its sentence; one of ours with the place it was made. */
export function describe(error: unknown): string {
  if (error instanceof ProtocolError) {
    return `the runtime broke the protocol (${error.code}): ${error.message}`;
  }
  return error instanceof Error ? error.stack ?? error.message : String(error);
}
