/**
 * The whole program as one function: `step(agent, input) → { agent, outputs }`. Inputs are values
 * (bytes received, connected, a tick), outputs are values (bytes to send, a log record, close). What
 * the agent stands for (`node`) is immutable; only the session's byte buffers are advanced in place, so
 * an agent is used once: step it, keep the one that comes back.
 */
import { create, toBinary } from "@bufbuild/protobuf";
import type { Topology } from "./cpu/topology.ts";
import type { Policy } from "./ledger/ledger.ts";
import type { LogRecord } from "./log_record.ts";
import { RegisterPluginRequestSchema } from "./nri/gen/nri_pb.ts";
import { advance } from "./nri/lifecycle.ts";
import { type Call, decodeCall, RUNTIME_SERVICE } from "./nri/methods.ts";
import { freshNode, type Node, type RefusalReason, type Reply, type Served } from "./nri/node.ts";
import { answerAfterBug, serve } from "./nri/serve.ts";
import { ProtocolError } from "./wire/errors.ts";
import { Session, type SessionEvent } from "./wire/session.ts";
import { Code } from "./wire/ttrpc.ts";

/** The NRI version whose messages this plugin understands; told at registration. */
const NRI_VERSION = "0.12.0";

/**
 * How long the runtime may take, in milliseconds, from the connection to its Configure. Its own limit
 * for a registration is 5 s; twice that is a runtime that has forgotten us.
 */
const CONFIGURE_TIMEOUT = 10_000;

/** Who the plugin says it is. */
export interface Identity {
  readonly name: string;
  /** Two digits; plugins are called in the order of their indices. */
  readonly index: string;
}

export interface Agent {
  readonly identity: Identity;
  readonly node: Node;
  readonly link?: Link;
}

/** What belongs to one connection and ends with it. */
interface Link {
  readonly session: Session;
  /** When this connection is given up unless the runtime has configured us, in the clock of the ticks. */
  readonly configureBy: number;
}

/** `now` is in milliseconds of any clock that never goes back. */
export type Input =
  | { readonly kind: "connected"; readonly now: number; readonly topology: Topology }
  | { readonly kind: "received"; readonly bytes: Uint8Array }
  | { readonly kind: "disconnected" }
  | { readonly kind: "tick"; readonly now: number };

export type Output =
  | { readonly kind: "send"; readonly bytes: Uint8Array }
  | { readonly kind: "log"; readonly record: LogRecord }
  /** The connection is of no more use; the host closes it and reports `disconnected`. */
  | { readonly kind: "close" };

export interface Step {
  readonly agent: Agent;
  readonly outputs: readonly Output[];
}

/** An agent without a connection. */
export function newAgent(identity: Identity, topology: Topology, policy: Policy, dryRun: boolean): Agent {
  return { identity, node: freshNode(topology, policy, dryRun) };
}

/** Takes one input in. Throws nothing: a bug is caught, logged and answered, and the ledger is kept. */
export function step(agent: Agent, input: Input): Step {
  switch (input.kind) {
    case "connected":
      return connected(agent, input.now, input.topology);
    case "received":
      return received(agent, input.bytes);
    case "disconnected":
      return disconnected(agent);
    case "tick":
      return tick(agent, input.now);
  }
}

function connected({ identity, node }: Agent, now: number, topology: Topology): Step {
  const session = new Session("plugin");
  const request = create(RegisterPluginRequestSchema, {
    pluginName: identity.name,
    pluginIdx: identity.index,
    nriVersion: NRI_VERSION,
  });
  const { bytes } = session.call(
    RUNTIME_SERVICE,
    "RegisterPlugin",
    toBinary(RegisterPluginRequestSchema, request),
  );
  const phase = advance("disconnected", "connected") ?? node.phase;
  return {
    agent: {
      identity,
      node: { ...node, phase, topology, parts: [] },
      link: { session, configureBy: now + CONFIGURE_TIMEOUT },
    },
    outputs: [{ kind: "send", bytes }],
  };
}

function received(agent: Agent, bytes: Uint8Array): Step {
  const session = agent.link?.session;
  if (session === undefined) return { agent, outputs: [] };
  const outputs: Output[] = [];
  let current = agent;
  try {
    session.receive(bytes);
    // A step that closes takes the link away; what follows in these bytes is void.
    while (current.link !== undefined) {
      const event = session.next();
      if (event === undefined) break;
      const next = event.kind === "called" ? called(current, session, event) : registered(current, event);
      current = next.agent;
      outputs.push(...next.outputs);
    }
    return { agent: current, outputs };
  } catch (error) {
    const closing = close(current, `the connection is closed: ${describe(error)}`);
    return { agent: closing.agent, outputs: [...outputs, ...closing.outputs] };
  }
}

type Called = Extract<SessionEvent, { kind: "called" }>;
type Answered = Extract<SessionEvent, { kind: "answered" }>;

function called(agent: Agent, session: Session, { stream, service, method, payload }: Called): Step {
  const call = decodeCall(service, method, payload);
  if (call === undefined) {
    const message = `${service}/${method} is not a call of this plugin`;
    const reply = { kind: "refuse", reason: "unimplemented", message } as const;
    return { agent, outputs: [send(session, stream, reply), log("debug", message)] };
  }
  const { node, reply, logs } = serveOrExplain(agent.node, call);
  return {
    agent: { ...agent, node },
    outputs: [send(session, stream, reply), ...logs.map((record): Output => ({ kind: "log", record }))],
  };
}

/** The one place where a bug in deciding is caught: nothing was adopted, so the old node still stands. */
function serveOrExplain(node: Node, call: Call): Served {
  try {
    return serve(node, call);
  } catch (error) {
    if (error instanceof ProtocolError) throw error;
    const message = `bug while answering ${call.kind}, please report it: ${describe(error)}`;
    return { node, reply: answerAfterBug(call), logs: [{ level: "error", message }] };
  }
}

function registered(agent: Agent, { status }: Answered): Step {
  const { name, index } = agent.identity;
  if (status.code === Code.OK) {
    return { agent, outputs: [log("info", "registered with the runtime", { name, index })] };
  }
  return close(agent, `the runtime refused to register the plugin ${index}-${name}: ${status.message}`);
}

function disconnected(agent: Agent): Step {
  try {
    agent.link?.session.finish();
    return { agent: unlinked(agent), outputs: [] };
  } catch (error) {
    return { agent: unlinked(agent), outputs: [log("warn", `the connection ended: ${describe(error)}`)] };
  }
}

function tick(agent: Agent, now: number): Step {
  const late = agent.node.phase === "registering" && agent.link !== undefined &&
    now >= agent.link.configureBy;
  if (!late) return { agent, outputs: [] };
  return close(
    agent,
    `the connection is closed: the runtime didn't configure the plugin within ${CONFIGURE_TIMEOUT / 1000} s`,
  );
}

function close(agent: Agent, why: string): Step {
  return { agent: unlinked(agent), outputs: [log("error", why), { kind: "close" }] };
}

function unlinked({ identity, node }: Agent): Agent {
  return { identity, node: { ...node, phase: "disconnected", parts: [] } };
}

/** The codes by which each refusal travels; none of them makes a runtime drop the plugin. */
const STATUS: Readonly<Record<RefusalReason, number>> = {
  invalid: Code.INVALID_ARGUMENT,
  unavailable: Code.RESOURCE_EXHAUSTED,
  "not-ready": Code.FAILED_PRECONDITION,
  unimplemented: Code.UNIMPLEMENTED,
  internal: Code.INTERNAL,
};

function send(session: Session, stream: number, reply: Reply): Output {
  const bytes = reply.kind === "answer"
    ? session.answer(stream, reply.payload)
    : session.refuse(stream, { code: STATUS[reply.reason], message: reply.message });
  return { kind: "send", bytes };
}

function log(level: LogRecord["level"], message: string, fields?: LogRecord["fields"]): Output {
  return { kind: "log", record: fields === undefined ? { level, message } : { level, message, fields } };
}

/** A peer's mistake by its sentence; one of ours with the place it was made. */
function describe(error: unknown): string {
  if (error instanceof ProtocolError) {
    return `the runtime broke the protocol (${error.code}): ${error.message}`;
  }
  return error instanceof Error ? error.stack ?? error.message : String(error);
}
