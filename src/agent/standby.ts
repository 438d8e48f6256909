/**
 * An agent on standby is registered and changes nothing. It follows the events of the runtime, so that it knows what runs in the
 * moment in which it is to decide: until the runtime's other interface has listed it, that counts.
 *
 * While the active agent ends nobody decides. It says so in the lock's file before it closes its connection, and what would be
 * created or started then waits for its successor.
 */
import type { Call } from "../nri/methods.ts";
import { resized } from "../nri/merge_resources.ts";
import { refOf } from "../nri/read_claim.ts";
import { writablePort } from "./apply_mode.ts";
import type { Response } from "./decision.ts";
import {
  type EarlyContainer,
  type EarlyEvents,
  MAX_EARLY,
  mergeEarlyEvents,
  NO_EARLY_EVENTS,
  withEarlyEvent,
} from "./early.ts";
import { logOf } from "./logs.ts";
import { Received } from "./received.ts";
import type { AgentState } from "./state.ts";
import { together, whole } from "./synchronize_parts.ts";

/**
 * The state with what an answered call tells. Until a list is complete that is its parts and the early events, as of an active agent.
 * @param before the call; its phase shows whether a list was complete
 * @throws {ProtocolError} `overflow`, as for an active agent
 */
export function followed(before: AgentState, state: AgentState, call: Call): AgentState {
  switch (call.kind) {
    case "Synchronize": {
      if (call.request.more) {
        const parts = before.phase === "serving" ? [] : state.parts;
        return { ...state, parts: together({ ...state, parts }, call), received: undefined };
      }
      const listing = mergeEarlyEvents(whole(state, call), state.early);
      return { ...state, parts: [], early: NO_EARLY_EVENTS, received: Received.of(listing) };
    }
    // How much it claims from now on is in no other event.
    case "UpdatePodSandbox":
      return outdated(state);
    case "UpdateContainer":
      return resized(call.container, call.resources) === undefined ? state : outdated(state);
  }
  const { received } = state;
  if (received === undefined) return { ...state, early: withEarlyEvent(state.early, call, state.now) };
  // What comes now wouldn't be noted.
  return received.events >= MAX_EARLY
    ? outdated(state)
    : { ...state, received: received.with(call, state.now) };
}

/** The state once something has happened that what was received doesn't say. */
export function outdated(state: AgentState): AgentState {
  return state.phase === "serving" ? { ...state, phase: "configured", received: undefined } : state;
}

/**
 * What an agent that is to decide from now on has received on standby; undefined where that isn't all, or says less than the kernel
 * does: where containers get their CPUs by the runtime, others were sent by replies of the former agent, which no other receives.
 */
export function received(state: AgentState): Received | undefined {
  // One that was released before it was on standby places nothing.
  if (state.phase !== "serving" || state.passive !== undefined) return undefined;
  return writablePort({ ...state, standby: false }) === undefined ? undefined : state.received;
}

/** Milliseconds after which a container whose creation was agreed to has been started, or is listed, as a rule. */
const CREATED_MS = 10_000;

/** Without creations of which nothing has come: the active agent may have refused them, which isn't reported. None of them runs. */
export function withoutRefused(early: EarlyEvents, now: number): EarlyEvents {
  const isKept = ({ askedAt = now }: EarlyContainer) => now - askedAt <= CREATED_MS;
  return new Map([...early].filter(([, each]) => each === undefined || isKept(each)));
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
