/**
 * An agent on standby is registered and changes nothing. It follows the events of the runtime, so that it knows what runs in the
 * moment in which it is to decide: until the runtime's other interface has listed it, that counts.
 *
 * While the active agent ends nobody decides. It says so in the lock's file before it closes its connection, and what would be
 * created or started then waits for its successor.
 */
import type { Call, Subject } from "../nri/methods.ts";
import { resized } from "../nri/merge_resources.ts";
import type { Container, SynchronizeRequest } from "../nri/gen/nri_pb.ts";
import { refOf } from "../nri/read_claim.ts";
import { writablePort } from "./apply_mode.ts";
import type { Response } from "./decision.ts";
import { type EarlyEvents, type Listing, MAX_EARLY, NO_EARLY_EVENTS, withEarlyEvent } from "./early.ts";
import { logOf } from "./logs.ts";
import type { AgentState } from "./state.ts";
import { together, whole } from "./synchronize_parts.ts";

/** What was received: the runtime's list, and what came besides. */
export interface Received {
  readonly listing: Listing;
  readonly early: EarlyEvents;
}

/**
 * The state with what an answered call tells. The list is `parts`, one once it is complete; what has ended is in neither of both.
 * @param before the call; its phase shows whether a list was complete
 * @throws {ProtocolError} `overflow`, as for an active agent
 */
export function followed(before: AgentState, state: AgentState, call: Call): AgentState {
  switch (call.kind) {
    case "Synchronize": {
      const known = before.phase === "serving" ? { ...state, parts: [], early: NO_EARLY_EVENTS } : state;
      if (call.request.more) return { ...known, parts: together(known, call) };
      const { pods, containers } = whole(known, call);
      const request: SynchronizeRequest = { ...call.request, pods: [...pods], containers: [...containers] };
      return { ...known, parts: [{ request, bytes: call.bytes }] };
    }
    // How much it claims from now on is in no other event.
    case "UpdatePodSandbox":
      return outdated(state);
    case "UpdateContainer":
      return resized(call.container, call.resources) === undefined ? state : outdated(state);
    default: {
      // What comes now wouldn't be noted.
      if (state.early.size >= MAX_EARLY) return outdated(state);
      const early = call.kind === "CreateContainer" ? withoutReplaced(state.early, call) : state.early;
      return withoutEnded({ ...state, early: withEarlyEvent(early, call) }, call);
    }
  }
}

/**
 * Without those in whose place another one is created. One whose start the active agent refuses is never reported as stopped by
 * containerd 1.7, and one that ends at once may be reported as started after its end.
 */
function withoutReplaced(early: EarlyEvents, { pod: { uid }, container: { name } }: Subject): EarlyEvents {
  if (uid === "") return early;
  return new Map([...early].filter(([, each]) => each?.pod.uid !== uid || each.container.name !== name));
}

/** The state once something has happened that what was received doesn't say. */
export function outdated(state: AgentState): AgentState {
  return state.phase === "serving" ? { ...state, phase: "configured", parts: [] } : state;
}

function withoutEnded(state: AgentState, call: Call): AgentState {
  const hasEnded = (id: string) => state.early.has(id) && state.early.get(id) === undefined;
  const isPodEnd = call.kind === "StopPodSandbox";
  if (!isPodEnd && !state.early.keys().some(hasEnded)) return state;
  // Of those that it hasn't reported itself containerd 1.7.24 reports no end but their pod's.
  const isOver = ({ id, podSandboxId }: Container) =>
    hasEnded(id) || (isPodEnd && podSandboxId === call.pod.id);
  const parts = state.parts.map(({ request, ...rest }) => {
    const containers = request.containers.filter((each) => !isOver(each));
    const used = new Set(containers.map(({ podSandboxId }) => podSandboxId));
    return {
      ...rest,
      request: { ...request, containers, pods: request.pods.filter(({ id }) => used.has(id)) },
    };
  });
  return { ...state, parts, early: new Map([...state.early].filter(([id]) => !hasEnded(id))) };
}

/**
 * What an agent that is to decide from now on has received on standby; undefined where that isn't all, or says less than the kernel
 * does: where containers get their CPUs by the runtime, others were sent by replies of the former agent, which no other hears.
 */
export function received(state: AgentState): Received | undefined {
  const [list] = state.parts;
  // One that was released before it was on standby places nothing.
  if (state.phase !== "serving" || list === undefined || state.passive !== undefined) return undefined;
  if (writablePort({ ...state, standby: false }) === undefined) return undefined;
  return { listing: list.request, early: state.early };
}

/** What a list that is asked for now may lack: the runtime asks its plugins before it notes a container. */
export function onlyStarting(early: EarlyEvents): EarlyEvents {
  return new Map([...early].filter(([, subject]) => subject?.starting));
}

const WAITS = "nobody has decided on it: the active agent ends, and none has followed yet";

/** The answer on standby, which waits for the next active agent where what would be created or started has none. */
export function onceDecided(state: AgentState, call: Call, response: Response): Response {
  const isAsked = call.kind === "CreateContainer" || call.kind === "StartContainer";
  return isAsked && state.standby && state.activeEnds?.() === true
    ? { ...response, retryable: logOf("warn", WAITS, refOf(call.pod, call.container), { call: call.kind }) }
    : response;
}
