/**
 * The whole program as one function: `step(agent, input) → { agent, outputs }`. Inputs are values
 * (bytes received, connected, a tick), outputs are values (bytes to send, a log record, close). The
 * agent's state (`state`) is immutable; only the session's byte buffers are advanced in place, so
 * an agent is used once: step it, keep the one that comes back.
 */
import { create, toBinary } from "@bufbuild/protobuf";
import { runBackgroundWork } from "./background.ts";
import {
  counted,
  listed,
  promoted,
  requestListing,
  runRebuild,
  scanned,
  settingsChanged,
  topologyChanged,
} from "./rebuild.ts";
import {
  type Agent,
  atTime,
  close,
  type DeferredCall,
  describe,
  idle,
  type Input,
  log,
  logOutput,
  type Output,
  type Step,
  wakeFor,
  withoutLink,
} from "./agent.ts";
import type { CpuSet } from "../cpu/cpu_set.ts";
import type { Topology } from "../cpu/topology.ts";
import { applyTopology } from "../ledger/topology_change.ts";
import { NO_EARLY_EVENTS } from "./early.ts";
import { type ConfigureRequest, RegisterPluginRequestSchema } from "../nri/gen/nri_pb.ts";
import { advance } from "./lifecycle.ts";
import { type Call, decodeCall, RUNTIME_SERVICE } from "../nri/methods.ts";
import type { RefusalReason, Reply, Response } from "./decision.ts";
import { filterRefusals } from "./refusal_log.ts";
import { answerAfterBug, serve } from "./serve.ts";
import { startRefused } from "./handlers/ends.ts";
import { ProtocolError } from "../wire/errors.ts";
import { Session, type SessionEvent } from "../wire/session.ts";
import { Code } from "../wire/ttrpc.ts";

export { type Agent, type Input, newAgent, type Output, pendingFor, type Step } from "./agent.ts";

/** The NRI version whose messages this plugin understands; sent at registration. */
const NRI_VERSION = "0.12.0";

/**
 * Milliseconds from the connection to the runtime's Configure: its own limit for a registration is 5 s,
 * twice that is a runtime that has no connection to this plugin any more.
 */
const CONFIGURE_TIMEOUT_MS = 10_000;

/** Milliseconds for which a start may wait for what it needs, and from one look to the next. */
const START_WAIT_MS = 300;
const START_RETRY_MS = 20;

/** The runtime starts one container at a time; more that wait are refused. */
const MAX_DEFERRED = 16;

/** Takes one input in. Throws nothing: a bug is caught, logged and answered, and the ledger is kept. */
export function step(agent: Agent, input: Input): Step {
  const next = stepped(agent, input);
  const changed = poolLogs(agent.state.ledger.sharedPool, next.agent.state.ledger.sharedPool);
  return changed.length === 0 ? next : { ...next, outputs: [...next.outputs, ...changed] };
}

function poolLogs(before: CpuSet, after: CpuSet): Output[] {
  return after.equals(before)
    ? []
    : [log("debug", "shared pool changed", { before: `${before}`, cpus: `${after}` })];
}

function stepped(agent: Agent, input: Input): Step {
  switch (input.kind) {
    case "connected":
      return connected(atTime(input.now, agent), input.topology);
    case "received":
      return received(atTime(input.now, agent), input.bytes);
    case "disconnected":
      return disconnected(agent);
    case "tick":
      return tick(atTime(input.now, agent));
    case "listed":
      return listed(agent, input.listing);
    case "counted":
      return counted(agent, input.living);
    case "scanned":
      return scanned(agent, input.claims);
    case "settings":
      return settingsChanged(agent, input.settings);
    case "suspended":
      return idle({ ...agent, state: { ...agent.state, claimsSuspendedReason: input.reason } });
    case "promoted":
      return promoted(atTime(input.now, agent));
    case "demoted":
      return idle({ ...agent, state: { ...agent.state, standby: true } });
    case "topology":
      return topologyChanged(atTime(input.now, agent), input);
  }
}

function connected(agent: Agent, topology: Topology): Step {
  const session = new Session("plugin");
  const request = create(RegisterPluginRequestSchema, {
    pluginName: agent.identity.name,
    pluginIdx: agent.identity.index,
    nriVersion: NRI_VERSION,
  });
  const payload = toBinary(RegisterPluginRequestSchema, request);
  const { bytes } = session.call(RUNTIME_SERVICE, "RegisterPlugin", payload);
  const phase = advance("disconnected", "connected") ?? agent.state.phase;
  const { ledger: before } = agent.state;
  const isSame = before.topology === topology;
  const ledger = isSame ? before : applyTopology(before, { topology, policy: before.policy });
  const state = { ...agent.state, phase, ledger, parts: [], early: NO_EARLY_EVENTS, awaitsListing: false };
  return {
    agent: { ...agent, state, connection: { session, connectedAt: agent.state.now } },
    outputs: [{ kind: "send", bytes }],
  };
}

function received(agent: Agent, bytes: Uint8Array): Step {
  const session = agent.connection?.session;
  if (session === undefined) return { agent, outputs: [] };
  const outputs: Output[] = [];
  let current = agent;
  try {
    session.receive(bytes);
    // A step that closes takes the link away; what follows in these bytes is void.
    while (current.connection !== undefined) {
      const event = session.next();
      if (event === undefined) break;
      const next = event.kind === "called" ? called(current, session, event) : registered(current, event);
      current = next.agent;
      outputs.push(...next.outputs);
    }
    return { agent: current, outputs };
  } catch (error) {
    const closing = close(current, describe(error));
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
  const { now } = agent.state;
  return answer(agent, session, { stream, call, until: now + START_WAIT_MS });
}

/** Serves a call; one that is refused for something that may come true in a moment waits for that moment. */
function answer(agent: Agent, session: Session, deferred: DeferredCall): Step {
  const { stream, call, until } = deferred;
  const configured = call.kind === "Configure" ? configure(agent, call.request) : idle(agent);
  const response = serveOrExplain(configured.agent, call);
  if (response.retryable && agent.state.now < until && agent.connection !== undefined) {
    const retryAt = agent.state.now + START_RETRY_MS;
    const waiting = [...agent.connection.deferred ?? [], { ...deferred, retryAt }];
    const later = { ...agent, state: response.state, connection: { ...agent.connection, deferred: waiting } };
    if (waiting.length <= MAX_DEFERRED) {
      return {
        agent: later,
        outputs: [...wakeFor(agent.state, later.state), { kind: "wake", after: START_RETRY_MS }],
      };
    }
  }
  const isRefused = response.reply.kind === "refuse";
  const final = isRefused && call.kind === "StartContainer" ? startRefused(response, call) : response;
  const { reply, background = [] } = final;
  const { refusals, logs } = filterRefusals(
    final.state.refusals,
    call,
    { isRefused, logs: final.logs },
    agent.state.now,
  );
  const state = { ...final.state, refusals };
  const asked = call.kind === "Configure"
    ? idle({ ...configured.agent, state })
    : requestListing({ ...configured.agent, state });
  const apply: Output[] = background.length === 0 ? [] : [{ kind: "apply", changes: background }];
  const logged = logs.map(logOutput);
  const wake = wakeFor(agent.state, state);
  const consequences = [...configured.outputs, ...logged, ...asked.outputs, ...apply, ...wake];
  return {
    agent: asked.agent,
    outputs: [
      send(session, stream, reply, { call: call.kind, since: until - START_WAIT_MS }),
      ...consequences,
    ],
  };
}

function configure(agent: Agent, { config, requestTimeout }: ConfigureRequest): Step {
  if (agent.connection === undefined) return idle(agent);
  const link = { ...agent.connection, configuredAt: agent.state.now, requestTimeout: Number(requestTimeout) };
  return {
    agent: { ...agent, connection: link },
    outputs: config === "" ? [] : [{ kind: "configure", text: config }],
  };
}

/** The one place where a bug in deciding is caught: nothing was adopted, so the old node still stands. */
function serveOrExplain({ state, connection }: Agent, call: Call): Response {
  try {
    return serve(state, call, connection?.requestTimeout);
  } catch (error) {
    if (error instanceof ProtocolError) throw error;
    const message = `bug while answering ${call.kind}, please report it: ${describe(error)}`;
    const reply = answerAfterBug(call, state.dryRun);
    return { kind: "response", state, reply, logs: [{ level: "error", message }] };
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
    agent.connection?.session.finish();
    return { agent: withoutLink(agent), outputs: [] };
  } catch (error) {
    return { agent: withoutLink(agent), outputs: [log("warn", `the connection ended: ${describe(error)}`)] };
  }
}

function tick(before: Agent): Step {
  const { agent, outputs } = answerDeferred(before);
  const next = runTimers(agent);
  return { agent: next.agent, outputs: [...outputs, ...next.outputs] };
}

function answerDeferred(agent: Agent): Step {
  const { connection } = agent;
  if (connection?.deferred === undefined) return idle(agent);
  const { now } = agent.state;
  // One tick each: ticks for other reasons don't try them again, and don't add to their ticks.
  const { due = [], later = [] } = Object.groupBy(
    connection.deferred,
    ({ retryAt = now }) => retryAt <= now ? "due" : "later",
  );
  const outputs: Output[] = [];
  let current: Agent = { ...agent, connection: { ...connection, deferred: later } };
  for (const each of due) {
    const next = answer(current, connection.session, each);
    current = next.agent;
    outputs.push(...next.outputs);
  }
  return { agent: current, outputs };
}

function runTimers(agent: Agent): Step {
  const { connection, state } = agent;
  const forgotten = state.phase === "registering" && connection !== undefined &&
    state.now - connection.connectedAt >= CONFIGURE_TIMEOUT_MS;
  if (!forgotten) {
    const next = runRebuild(agent);
    const later = runBackgroundWork(next.agent);
    return { agent: later.agent, outputs: [...next.outputs, ...later.outputs] };
  }
  return close(agent, `the runtime didn't configure the plugin within ${CONFIGURE_TIMEOUT_MS / 1000} s`);
}

/** The codes by which each refusal travels; none of them makes a runtime drop the plugin. */
const STATUS: Readonly<Record<RefusalReason, number>> = {
  invalid: Code.INVALID_ARGUMENT,
  unavailable: Code.RESOURCE_EXHAUSTED,
  "not-ready": Code.FAILED_PRECONDITION,
  unimplemented: Code.UNIMPLEMENTED,
  internal: Code.INTERNAL,
};

type Sent = Extract<Output, { kind: "send" }>;

function send(session: Session, stream: number, reply: Reply, answers?: Sent["answers"]): Output {
  const bytes = reply.kind === "answer"
    ? session.answer(stream, reply.payload)
    : session.refuse(stream, { code: STATUS[reply.reason], message: reply.message });
  return answers === undefined ? { kind: "send", bytes } : { kind: "send", bytes, answers };
}
