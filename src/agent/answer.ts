/**
 * Answers to the runtime's calls: at once; or, for a start that waits for what may come true in a moment, a little later.
 */
import type { RefusalReason, Reply, Response } from "./decision.ts";
import {
  type Agent,
  type DeferredCall,
  describe,
  idle,
  logOutput,
  type Output,
  type Step,
  wakeFor,
} from "./agent.ts";
import { startRefused } from "./handlers/ends.ts";
import { movedFor } from "./logs.ts";
import { requestListing } from "./rebuild.ts";
import { withRefusal } from "./refused.ts";
import { filterRefusals } from "./refusal_log.ts";
import { answerAfterBug, serve } from "./serve.ts";
import { outdated } from "./standby.ts";
import type { AgentState } from "./state.ts";
import type { ConfigureRequest } from "../nri/gen/nri_pb.ts";
import type { Call } from "../nri/methods.ts";
import { ProtocolError } from "../wire/errors.ts";
import type { Session } from "../wire/session.ts";
import { Code } from "../wire/ttrpc.ts";

/** Milliseconds for which a start may wait for what it needs, and from one look to the next. */
const START_WAIT_MS = 300;
const START_RETRY_MS = 20;

/** The share of the runtime's request time-out that waiting may take: the writes of a call may take half of it (transaction.ts). */
const WAIT_SHARE = 0.25;

/** The runtime starts one container at a time; more that wait are refused. */
const MAX_DEFERRED = 16;

/** Serves a call; one that is refused for something that may come true in a moment waits for that moment. */
export function answerCall(agent: Agent, session: Session, stream: number, call: Call): Step {
  return answer(agent, session, { stream, call, since: agent.state.now });
}

function answer(agent: Agent, session: Session, deferred: DeferredCall): Step {
  const { stream, call, since } = deferred;
  const configured = call.kind === "Configure" ? configure(agent, call.request) : idle(agent);
  const { retryable, ...response } = serveOrExplain(configured.agent, call);
  const later = retryable && defer(agent, deferred, response);
  if (later !== undefined) return later;
  const settled = retryable === undefined ? response : { ...response, logs: [...response.logs, retryable] };
  const isRefused = response.reply.kind === "refuse";
  const final = isRefused && call.kind === "StartContainer" ? startRefused(settled, call) : settled;
  const { state: after, outputs } = consequencesOf(agent, call, final, isRefused);
  const state = { ...after, refused: withRefusal(after.refused, call, refusalIn(final), after) };
  const asked = call.kind === "Configure"
    ? idle({ ...configured.agent, state })
    : requestListing({ ...configured.agent, state });
  const refused = final.reply.kind === "refuse" ? final.reply.reason : undefined;
  return {
    agent: asked.agent,
    outputs: [
      send(session, stream, final.reply, { call: call.kind, since, refused }),
      ...configured.outputs,
      ...asked.outputs,
      ...outputs,
    ],
  };
}

/** The sentence of a refusal; a bug isn't one. */
function refusalIn({ reply }: Response): string | undefined {
  return reply.kind === "refuse" && reply.reason !== "internal" ? reply.message : undefined;
}

/** The call is decided anew in a moment; undefined where it is to be answered now. What it has shown counts at once. */
function defer(agent: Agent, deferred: DeferredCall, response: Response): Step | undefined {
  const { connection, state: { now } } = agent;
  const waiting = [...connection?.deferred ?? [], { ...deferred, retryAt: now + START_RETRY_MS }];
  if (connection === undefined || waiting.length > MAX_DEFERRED) return undefined;
  // A runtime that has dropped the plugin starts the container all the same.
  const waitMs = Math.min(START_WAIT_MS, (connection.requestTimeout || Infinity) * WAIT_SHARE);
  if (now >= deferred.since + waitMs) return undefined;
  const { state, outputs } = consequencesOf(agent, deferred.call, response, true);
  return {
    agent: { ...agent, state, connection: { ...connection, deferred: waiting } },
    outputs: [...outputs, { kind: "wake", after: START_RETRY_MS }],
  };
}

/** What comes of a call besides its reply: what is logged, what the runtime is asked for, and when the next tick is due. */
function consequencesOf(
  before: Agent,
  call: Call,
  { state: after, logs, background = [] }: Response,
  isRefused: boolean,
): { readonly state: AgentState; readonly outputs: readonly Output[] } {
  const { now } = before.state;
  const filtered = filterRefusals(after.refusals, call, { isRefused, logs }, now);
  const state = { ...after, refusals: filtered.refusals };
  const apply: Output[] = background.length === 0 ? [] : [{ kind: "apply", changes: background }];
  const logged = movedFor(filtered.logs, call).map(logOutput);
  return { state, outputs: [...logged, ...apply, ...wakeFor(before.state, state)] };
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
    const reply = answerAfterBug(call, state.dryRun || state.standby);
    return {
      kind: "response",
      state: state.standby ? outdated(state) : state,
      reply,
      logs: [{ level: "error", message }],
    };
  }
}

/** Deferred calls that are due are decided anew. */
export function answerDeferred(agent: Agent): Step {
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

/** The codes by which each refusal travels; none of them makes a runtime drop the plugin. */
const STATUS: Readonly<Record<RefusalReason, number>> = {
  invalid: Code.INVALID_ARGUMENT,
  unavailable: Code.RESOURCE_EXHAUSTED,
  "not-ready": Code.FAILED_PRECONDITION,
  unimplemented: Code.UNIMPLEMENTED,
  internal: Code.INTERNAL,
};

type Sent = Extract<Output, { kind: "send" }>;

export function send(session: Session, stream: number, reply: Reply, answers?: Sent["answers"]): Output {
  const bytes = reply.kind === "answer"
    ? session.answer(stream, reply.payload)
    : session.refuse(stream, { code: STATUS[reply.reason], message: reply.message });
  return answers === undefined ? { kind: "send", bytes } : { kind: "send", bytes, answers };
}
