/**
 * The whole program as one function: `step(agent, input) → { agent, outputs }`. Inputs are values
 * (bytes received, connected, a tick), outputs are values (bytes to send, a log record, close). The
 * agent's state (`state`) is immutable; only the session's byte buffers are advanced in place, so
 * an agent is used once: step it, keep the one that comes back.
 */
import { create, toBinary } from "@bufbuild/protobuf";
import { answerCall, answerDeferred, send } from "./answer.ts";
import { runBackgroundWork } from "./background.ts";
import {
  claimsSuspended,
  counted,
  listed,
  promoted,
  runRebuild,
  scanned,
  settingsChanged,
  topologyChanged,
} from "./rebuild.ts";
import {
  type Agent,
  atTime,
  close,
  describe,
  idle,
  type Input,
  log,
  type Output,
  type Step,
  withoutLink,
} from "./agent.ts";
import type { CpuSet } from "../cpu/cpu_set.ts";
import type { Topology } from "../cpu/topology.ts";
import { applyTopology } from "../ledger/topology_change.ts";
import { NO_EARLY_EVENTS } from "./early.ts";
import { RegisterPluginRequestSchema } from "../nri/gen/nri_pb.ts";
import { advance } from "./lifecycle.ts";
import { released, resumed } from "./passive.ts";
import { withUpdateLost } from "./pending.ts";
import { decodeCall, RUNTIME_SERVICE } from "../nri/methods.ts";
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
    case "notApplied":
      return notApplied(atTime(input.now, agent), input.id);
    case "settings":
      return settingsChanged(agent, input.settings);
    case "suspended":
      return claimsSuspended(agent, input.reason);
    case "released":
      return released(atTime(input.now, agent));
    case "resumed":
      return resumed(atTime(input.now, agent));
    case "promoted":
      return promoted(atTime(input.now, agent));
    case "demoted":
      return idle({ ...agent, state: { ...agent.state, standby: true } });
    case "topology":
      return topologyChanged(atTime(input.now, agent), input);
  }
}

function notApplied(agent: Agent, id: string): Step {
  return idle({ ...agent, state: withUpdateLost(agent.state, id) });
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
  const nothing = { parts: [], received: undefined, early: NO_EARLY_EVENTS, awaitsListing: false };
  const state = { ...agent.state, phase, ledger, ...nothing };
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
  return answerCall(agent, session, stream, call);
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
