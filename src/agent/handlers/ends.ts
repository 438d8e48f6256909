/**
 * StopContainer and RemoveContainer: what a container had for itself is held for its pod. StopPodSandbox: it is free, for
 * degraded containers first.
 */
import type { Assignment } from "../../ledger/assignment.ts";
import type { ContainerRef } from "../../ledger/claim.ts";
import type { Ledger } from "../../ledger/ledger.ts";
import { leftBehind, mayLeave } from "../../ledger/leftover.ts";
import { release, releaseSandbox } from "../../ledger/release.ts";
import type { LogRecord } from "../../log_record.ts";
import type { PodSandbox } from "../../nri/gen/nri_pb.ts";
import type { Subject } from "../../nri/methods.ts";
import { stopReply } from "../../nri/write_reply.ts";
import { readablePort } from "../apply_mode.ts";
import { type Decision, type Response, unchanged } from "../decision.ts";
import { withEarlyEvent } from "../early.ts";
import { endLog, leftLog, recoveredLogs } from "../logs.ts";
import { immediateUpdates, withLedger } from "../pending.ts";
import type { AgentState } from "../state.ts";
import { respond } from "./respond.ts";

/** The reply carries updates of those that have got CPUs by it. */
export function stopContainer(state: AgentState, { container }: Subject): Decision {
  if (state.phase !== "serving") return unchanged(state);
  return leftoversFirst(state, [container.id], (left) => {
    const { ledger, logs } = ended(state, container.id, left);
    return respond(state, ledger, { encode: stopReply, logs });
  });
}

/** Normally comes after a stop and finds nothing. Its reply carries no updates. */
export function removeContainer(state: AgentState, { container }: Subject): Decision {
  if (state.phase !== "serving") return unchanged(state);
  return leftoversFirst(
    state,
    [container.id],
    (left) => withoutUpdates(state, ended(state, container.id, left)),
  );
}

/** Decides by which of these containers, of those on CPUs that aren't for all, have left processes in their cgroups. */
function leftoversFirst(
  state: AgentState,
  ids: readonly string[],
  then: (left: ReadonlySet<string>) => Decision,
): Decision {
  const known = ids.flatMap((id) => state.ledger.assignments.get(id) ?? [])
    .filter((each) => mayLeave(state.ledger, each));
  if (known.length === 0 || readablePort(state) === undefined) return then(new Set());
  const containers = known.map(({ container }) => container);
  return {
    kind: "inside",
    containers,
    then: (found) => then(new Set(ids.filter((id) => found.get(id) === "populated"))),
  };
}

function ended(state: AgentState, id: string, left: ReadonlySet<string>): Released {
  return left.has(id)
    ? withLeftovers(state, { ledger: state.ledger, logs: [] }, left, () => false)
    : released(state, (before) => release(before, id), [id]);
}

/** With what comes of the ends of others, the ledger in which these have left processes behind. */
export function withLeftovers(
  state: AgentState,
  { ledger: before, logs }: Released,
  left: ReadonlySet<string>,
  isPodOver: (container: ContainerRef) => boolean,
): Released {
  const ledger = [...left].reduce(
    (next, id) => next.update(id, (each) => leftBehind(each, state.now, isPodOver(each.container))),
    before,
  );
  const isNew = ({ container: { id } }: Assignment) =>
    left.has(id) && state.ledger.assignments.get(id)?.leftover === undefined;
  return { ledger, logs: [...logs, ...ledger.leftovers.filter(isNew).map(leftLog)] };
}

/**
 * A start that is refused for good is the end of that container: the runtime kills it, and containerd 1.7 reports nothing
 * more of it. kubelet creates another one under another id.
 */
export function startRefused(response: Response, subject: Subject): Response {
  const { state, logs, background = [] } = response;
  if (state.phase !== "serving" || state.standby) return response;
  const { id } = subject.container;
  const ended = withoutUpdates(state, released(state, (before) => release(before, id), [id]));
  const early = state.awaitsListing
    ? withEarlyEvent(state.early, { kind: "RemoveContainer", ...subject }, state.now)
    : state.early;
  return {
    ...response,
    state: { ...ended.state, early },
    logs: [...logs, ...ended.logs],
    background: [...background, ...ended.background ?? []],
  };
}

/** A container whose start failed is never reported as stopped: with its sandbox it is gone for certain. */
export function stopPodSandbox(state: AgentState, pod: PodSandbox): Decision {
  if (state.phase !== "serving") return unchanged(state);
  const known = state.ledger.ofPod(pod.uid).map(({ container }) => container);
  const ids = known.filter(({ sandboxId }) => sandboxId === pod.id).map(({ id }) => id);
  return leftoversFirst(state, ids, (left) => {
    const over = released(state, (before) => releaseSandbox(before, pod.id, pod.uid, left), ids);
    return withoutUpdates(notedEnds(state, ids), withLeftovers(state, over, left, () => true));
  });
}

/** Of those that it hasn't reported itself containerd 1.7.24 reports no other end; a list that is on its way may still name them. */
function notedEnds(state: AgentState, ids: readonly string[]): AgentState {
  if (!state.awaitsListing) return state;
  return { ...state, early: new Map([...state.early, ...ids.map((id) => [id, undefined] as const)]) };
}

interface Released {
  readonly ledger: Ledger;
  readonly logs: readonly LogRecord[];
}

/** For a call whose reply can't carry updates. */
function withoutUpdates(state: AgentState, { ledger, logs }: Released): Response {
  return { ...unchanged(withLedger(state, ledger)), logs, background: immediateUpdates(state, ledger) };
}

/** The ledger after some of `ids` have ended, and what the log says of that. */
export function released(
  { ledger: before }: Pick<AgentState, "ledger">,
  release: (ledger: Ledger) => Ledger,
  ids: readonly string[],
): Released {
  const ledger = release(before);
  const gone = ids.flatMap((id) => ledger.assignments.has(id) ? [] : before.assignments.get(id) ?? []);
  return { ledger, logs: [...gone.map((each) => endLog(each, ledger)), ...recoveredLogs(before, ledger)] };
}
