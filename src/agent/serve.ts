/**
 * Answers one call of the runtime: a pure function from what the agent stands for to what it stands
 * for afterwards, the reply, and what to log. A refusal is a value; only bugs and a broken wire throw.
 */
import { create, toBinary } from "@bufbuild/protobuf";
import type { LogRecord } from "../log_record.ts";
import { createContainer, removeContainer, stopContainer, stopPodSandbox } from "./handlers/containers.ts";
import { NO_EARLY_EVENTS, withEarlyEvent } from "./early.ts";
import { gather, neutralSynchronize } from "./synchronize_parts.ts";
import { type ConfigureRequest, ConfigureResponseSchema } from "../nri/gen/nri_pb.ts";
import { advance, type Happening } from "./lifecycle.ts";
import { type Call, eventMask, SUBSCRIBED } from "../nri/methods.ts";
import { type AgentState, NEUTRAL, type Reply, type Response } from "./state.ts";
import { postStartContainer, postUpdateContainer, startContainer } from "./handlers/start_container.ts";
import { updateContainer } from "./handlers/update_container.ts";
import { synchronize } from "./handlers/synchronize.ts";

/** Deals with `call`, unless it may not come in the node's present phase. */
export function serve(state: AgentState, call: Call): Response {
  const phase = advance(state.phase, happeningOf(call));
  if (phase === undefined) {
    const message = `${call.kind} out of order: the plugin is ${state.phase}`;
    const reply = state.dryRun ? neutral(call) : { kind: "refuse", reason: "not-ready", message } as const;
    return { state, reply, logs: [{ level: "warn", message }] };
  }
  const advanced = { ...state, phase };
  const served = state.standby ? standbyReply(advanced, call) : dispatch(advanced, call);
  const known = served.state.phase === "serving" && !served.state.awaitsListing;
  const unknown = !state.standby && !known && served.reply.kind === "answer";
  return unknown
    ? { ...served, state: { ...served.state, early: withEarlyEvent(served.state.early, call) } }
    : served;
}

/** What an agent answers while another one decides on the node: it is there, and changes nothing. */
function standbyReply(state: AgentState, call: Call): Response {
  return call.kind === "Configure"
    ? configure(state, call.request)
    : { state, reply: neutral(call), logs: [] };
}

/** The node of an agent that stood by and decides from now on: it first has to hear what runs. */
export function promote(state: AgentState): AgentState {
  return {
    ...state,
    phase: advance(state.phase, "promoted") ?? state.phase,
    standby: false,
    parts: [],
    early: NO_EARLY_EVENTS,
    awaitsListing: false,
  };
}

/**
 * The answer to a call that a bug kept from being dealt with. An error in answer to Configure or
 * Synchronize would lose the plugin, and with it every placement, so these get a neutral answer; a dry run refuses
 * nothing, whatever happens.
 */
export function answerAfterBug(call: Call, dryRun: boolean): Reply {
  if (dryRun || call.kind === "Configure" || call.kind === "Synchronize") return neutral(call);
  return { kind: "refuse", reason: "internal", message: "cpuset: internal error, see the agent's log" };
}

/** Success, and nothing to change. */
function neutral(call: Call): Reply {
  if (call.kind === "Configure") return { kind: "answer", payload: configureResponse() };
  return call.kind === "Synchronize" ? neutralSynchronize(call.request.more) : NEUTRAL;
}

function happeningOf(call: Call): Happening {
  if (call.kind === "Configure") return "configure";
  if (call.kind === "Synchronize") return call.request.more ? "synchronizePart" : "synchronizeEnd";
  return "event";
}

function dispatch(state: AgentState, call: Call): Response {
  switch (call.kind) {
    case "Configure":
      return configure(state, call.request);
    case "Synchronize":
      return call.request.more ? gather(state, call) : synchronize(state, call);
    case "CreateContainer":
      return createContainer(state, call);
    case "StartContainer":
      return startContainer(state, call);
    case "PostStartContainer":
      return postStartContainer(state, call);
    case "PostUpdateContainer":
      return postUpdateContainer(state, call);
    case "StopPodSandbox":
      return stopPodSandbox(state, call.pod);
    case "UpdateContainer":
      return updateContainer(state, call);
    case "StopContainer":
      return stopContainer(state, call);
    case "RemoveContainer":
      return removeContainer(state, call);
    case "Shutdown":
      return { state, reply: NEUTRAL, logs: [{ level: "info", message: "the runtime is shutting down" }] };
    case "Notification":
      return { state, reply: NEUTRAL, logs: [] };
  }
}

function configure(state: AgentState, request: ConfigureRequest): Response {
  const fields = {
    runtime: `${request.runtimeName} ${request.runtimeVersion}`,
    nri: request.nriVersion || "not told",
    registrationTimeoutMs: Number(request.registrationTimeout),
    requestTimeoutMs: Number(request.requestTimeout),
  };
  const logs: LogRecord[] = [{ level: "info", message: "configured by the runtime", fields }];
  return { state, reply: { kind: "answer", payload: configureResponse() }, logs };
}

function configureResponse(): Uint8Array {
  return toBinary(
    ConfigureResponseSchema,
    create(ConfigureResponseSchema, { events: eventMask(SUBSCRIBED) }),
  );
}
