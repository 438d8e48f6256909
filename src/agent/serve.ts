/** One call of the runtime, dealt with: decided by its handler, carried out, and answered. */
import { create, toBinary } from "@bufbuild/protobuf";
import type { LogRecord } from "../log_record.ts";
import { type ConfigureRequest, ConfigureResponseSchema } from "../nri/gen/nri_pb.ts";
import { type Call, eventMask, subscribedOf } from "../nri/methods.ts";
import { resized } from "../nri/merge_resources.ts";
import { refOf } from "../nri/read_claim.ts";
import type { Adopted } from "./adopt.ts";
import { adoptMachine } from "./adopt_machine.ts";
import { readablePort } from "./apply_mode.ts";
import {
  type Decision,
  NEUTRAL,
  neutralSynchronize,
  type Reply,
  type Response,
  unchanged,
} from "./decision.ts";
import { NO_EARLY_EVENTS, withEarlyEvent } from "./early.ts";
import { createContainer } from "./handlers/create_container.ts";
import { removeContainer, stopContainer, stopPodSandbox } from "./handlers/ends.ts";
import { passiveDecision } from "./handlers/passive.ts";
import { runPodSandbox } from "./handlers/run_pod_sandbox.ts";
import { startContainer } from "./handlers/start_container.ts";
import { postStartContainer, postUpdateContainer } from "./handlers/started.ts";
import { synchronize, synchronizePart } from "./handlers/synchronize.ts";
import { updateContainer } from "./handlers/update_container.ts";
import { updatePodSandbox } from "./handlers/update_pod_sandbox.ts";
import { advance, type Happening } from "./lifecycle.ts";
import { hasFallenBack, immediateUpdates } from "./pending.ts";
import { currentPod, withPodNews } from "./pod_resources.ts";
import { followed, onceDecided } from "./standby.ts";
import type { AgentState } from "./state.ts";
import { carryOut } from "./transaction.ts";

/**
 * The response to `call`, with what it promises true in the kernel. Throws only for a bug or a broken wire; then nothing
 * has been adopted.
 *
 * @param requestTimeoutMs after which the runtime drops the plugin; absent: it hasn't said
 */
export function serve(before: AgentState, call: Call, requestTimeoutMs?: number): Response {
  const phase = advance(before.phase, happeningOf(call));
  if (phase === undefined) return outOfOrder(before, call);
  const advanced = { ...before, phase, podResources: withPodNews(before.podResources, call) };
  const change = onCurrentMachine(advanced, call);
  const state = change?.state ?? advanced;
  const decision = state.standby ? standbyReply(state, call) : dispatched(state, ofCurrentPod(state, call));
  const answered = carryOut(decision, { cpusets: readablePort(state), now: state.now, requestTimeoutMs });
  const response = onceDecided(state, call, withBackground(before, answered, change));
  if (response.reply.kind !== "answer") return response;
  const { phase: after, awaitsListing, standby, early } = response.state;
  if (standby) return { ...response, state: followed(before, response.state, call) };
  return after !== "serving" || awaitsListing
    ? { ...response, state: { ...response.state, early: withEarlyEvent(early, call, before.now) } }
    : response;
}

/**
 * What follows from the CPUs that are usable at this moment, where a claim is about to be decided: what the host reports
 * is up to a second old. Undefined where they are the same as before.
 */
function onCurrentMachine(state: AgentState, call: Call): Adopted | undefined {
  if (state.standby || (call.kind !== "CreateContainer" && call.kind !== "UpdateContainer")) return undefined;
  if (call.kind === "UpdateContainer" && resized(call.container, call.resources) === undefined) {
    return undefined;
  }
  const change = state.machine?.changed(state.ledger.topology, refOf(call.pod, call.container));
  return change === undefined ? undefined : adoptMachine(state, change);
}

/** With what the runtime is to be asked for besides the reply: what follows from a topology change, and from lost cgroups. */
function withBackground(
  before: AgentState,
  response: Response,
  change: Adopted | undefined,
): Response {
  const { state, background = [] } = response;
  const updates = [
    ...change?.updates ?? [],
    ...hasFallenBack(before, state) ? immediateUpdates(state, state.ledger) : [],
  ];
  const others = new Map(updates.map((update) => [update.id, update]));
  for (const { id } of background) others.delete(id);
  return {
    ...response,
    logs: [...change?.logs ?? [], ...response.logs],
    background: [...background, ...others.values()],
  };
}

function outOfOrder(state: AgentState, call: Call): Response {
  const message = `${call.kind} out of order: the plugin is ${state.phase}`;
  const reply = state.dryRun ? neutral(call) : { kind: "refuse", reason: "not-ready", message } as const;
  const logs: LogRecord[] = [{
    level: "warn",
    message: "call out of order",
    fields: { call: call.kind, phase: state.phase },
  }];
  return { kind: "response", state, reply, logs };
}

/** What an agent in standby answers: it is there, and changes nothing. */
function standbyReply(state: AgentState, call: Call): Decision {
  return call.kind === "Configure"
    ? configure(state, call.request)
    : { ...unchanged(state), reply: neutral(call) };
}

/** The state of an agent that was in standby and is active from now on: it first has to know what runs, or the rest of that. */
export function promote(state: AgentState): AgentState {
  return {
    ...state,
    phase: advance(state.phase, "promoted") ?? state.phase,
    standby: false,
    parts: state.phase === "synchronizing" ? state.parts : [],
    received: undefined,
    early: NO_EARLY_EVENTS,
    awaitsListing: false,
  };
}

/**
 * The reply to a call that failed by a bug. An error in answer to Configure or
 * Synchronize would lose the plugin, and with it every placement, so these get a neutral answer; a dry run refuses
 * nothing, whatever happens, and neither does an agent on standby.
 */
export function answerAfterBug(call: Call, decidesNothing: boolean): Reply {
  if (decidesNothing || call.kind === "Configure" || call.kind === "Synchronize") return neutral(call);
  return { kind: "refuse", reason: "internal", message: "cpuset: internal error, see the agent's log" };
}

/** Success, and nothing to change. */
function neutral(call: Call): Reply {
  if (call.kind === "Configure") return { kind: "answer", payload: configureResponse(call.request) };
  return call.kind === "Synchronize" ? neutralSynchronize(call.request.more) : NEUTRAL;
}

function happeningOf(call: Call): Happening {
  if (call.kind === "Configure") return "configure";
  if (call.kind === "Synchronize") return call.request.more ? "synchronizePart" : "synchronizeEnd";
  return "event";
}

/** The call, with what its pod may use by now. */
function ofCurrentPod({ podResources }: AgentState, call: Call): Call {
  return podResources.size > 0 && "pod" in call ? { ...call, pod: currentPod(podResources, call.pod) } : call;
}

function dispatched(state: AgentState, call: Call): Decision {
  return (state.passive && passiveDecision(state, call)) ?? dispatch(state, call);
}

function dispatch(state: AgentState, call: Call): Decision {
  switch (call.kind) {
    case "Configure":
      return configure(state, call.request);
    case "Synchronize":
      return call.request.more ? synchronizePart(state, call) : synchronize(state, call);
    case "CreateContainer":
      return createContainer(state, call);
    case "StartContainer":
      return startContainer(state, call);
    case "PostStartContainer":
      return postStartContainer(state, call);
    case "PostUpdateContainer":
      return postUpdateContainer(state, call);
    case "RunPodSandbox":
      return runPodSandbox(state, call.pod);
    case "StopPodSandbox":
      return stopPodSandbox(state, call.pod);
    case "UpdatePodSandbox":
      return updatePodSandbox(state, call);
    case "UpdateContainer":
      return updateContainer(state, call);
    case "StopContainer":
      return stopContainer(state, call);
    case "RemoveContainer":
      return removeContainer(state, call);
    case "Shutdown":
      return { ...unchanged(state), logs: [{ level: "info", message: "runtime shutting down" }] };
    case "Notification":
      return unchanged(state);
  }
}

function configure(state: AgentState, request: ConfigureRequest): Decision {
  const fields = {
    runtime: `${request.runtimeName} ${request.runtimeVersion}`,
    nri: request.nriVersion || "unknown",
    registrationTimeoutMs: Number(request.registrationTimeout),
    requestTimeoutMs: Number(request.requestTimeout),
  };
  const logs: LogRecord[] = [{ level: "info", message: "configured by the runtime", fields }];
  return { kind: "response", state, reply: { kind: "answer", payload: configureResponse(request) }, logs };
}

function configureResponse(request: ConfigureRequest): Uint8Array {
  return toBinary(
    ConfigureResponseSchema,
    create(ConfigureResponseSchema, { events: eventMask(subscribedOf(request)) }),
  );
}
