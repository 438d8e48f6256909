/**
 * Answers one call of the runtime: a pure function from what the agent stands for to what it stands
 * for afterwards, the reply, and what to log. A refusal is a value; only bugs and a broken wire throw.
 */
import { create, toBinary } from "@bufbuild/protobuf";
import type { LogRecord } from "../log_record.ts";
import { createContainer, removeContainer, stopContainer, stopPodSandbox } from "./handlers/containers.ts";
import { noteEarly, NOTHING_EARLY } from "./early.ts";
import { gather, neutralSynchronize } from "./synchronize_parts.ts";
import { type ConfigureRequest, ConfigureResponseSchema } from "../nri/gen/nri_pb.ts";
import { advance, type Happening } from "./lifecycle.ts";
import { type Call, eventMask, SUBSCRIBED } from "../nri/methods.ts";
import { NEUTRAL, type Node, type Reply, type Served } from "./state.ts";
import { postStartContainer, postUpdateContainer, startContainer } from "./handlers/start_container.ts";
import { updateContainer } from "./handlers/update_container.ts";
import { synchronize } from "./handlers/synchronize.ts";

/** Deals with `call`, unless it may not come in the node's present phase. */
export function serve(node: Node, call: Call): Served {
  const phase = advance(node.phase, happeningOf(call));
  if (phase === undefined) {
    const message = `${call.kind} out of order: the plugin is ${node.phase}`;
    const reply = node.dryRun ? neutral(call) : { kind: "refuse", reason: "not-ready", message } as const;
    return { node, reply, logs: [{ level: "warn", message }] };
  }
  const advanced = { ...node, phase };
  const served = node.standby ? standBy(advanced, call) : dispatch(advanced, call);
  const known = served.node.phase === "serving" && !served.node.awaiting;
  const unknown = !node.standby && !known && served.reply.kind === "answer";
  return unknown
    ? { ...served, node: { ...served.node, early: noteEarly(served.node.early, call) } }
    : served;
}

/** What an agent answers while another one decides on the node: it is there, and changes nothing. */
function standBy(node: Node, call: Call): Served {
  return call.kind === "Configure" ? configure(node, call.request) : { node, reply: neutral(call), logs: [] };
}

/** The node of an agent that stood by and decides from now on: it first has to hear what runs. */
export function promote(node: Node): Node {
  return {
    ...node,
    phase: advance(node.phase, "promoted") ?? node.phase,
    standby: false,
    parts: [],
    early: NOTHING_EARLY,
    awaiting: false,
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

function dispatch(node: Node, call: Call): Served {
  switch (call.kind) {
    case "Configure":
      return configure(node, call.request);
    case "Synchronize":
      return call.request.more ? gather(node, call) : synchronize(node, call);
    case "CreateContainer":
      return createContainer(node, call);
    case "StartContainer":
      return startContainer(node, call);
    case "PostStartContainer":
      return postStartContainer(node, call);
    case "PostUpdateContainer":
      return postUpdateContainer(node, call);
    case "StopPodSandbox":
      return stopPodSandbox(node, call.pod);
    case "UpdateContainer":
      return updateContainer(node, call);
    case "StopContainer":
      return stopContainer(node, call);
    case "RemoveContainer":
      return removeContainer(node, call);
    case "Shutdown":
      return { node, reply: NEUTRAL, logs: [{ level: "info", message: "the runtime is shutting down" }] };
    case "Notification":
      return { node, reply: NEUTRAL, logs: [] };
  }
}

function configure(node: Node, request: ConfigureRequest): Served {
  const fields = {
    runtime: `${request.runtimeName} ${request.runtimeVersion}`,
    nri: request.nriVersion || "not told",
    registrationTimeoutMs: Number(request.registrationTimeout),
    requestTimeoutMs: Number(request.requestTimeout),
  };
  const logs: LogRecord[] = [{ level: "info", message: "configured by the runtime", fields }];
  return { node, reply: { kind: "answer", payload: configureResponse() }, logs };
}

function configureResponse(): Uint8Array {
  return toBinary(
    ConfigureResponseSchema,
    create(ConfigureResponseSchema, { events: eventMask(SUBSCRIBED) }),
  );
}
