/** StopContainer, RemoveContainer and StopPodSandbox: what a container held is free, for degraded ones first. */
import type { Ledger } from "../../ledger/ledger.ts";
import { release, releaseSandbox } from "../../ledger/release.ts";
import type { LogRecord } from "../../log_record.ts";
import type { PodSandbox } from "../../nri/gen/nri_pb.ts";
import type { Subject } from "../../nri/methods.ts";
import { stopReply } from "../../nri/write_reply.ts";
import { type Decision, type Response, unchanged } from "../decision.ts";
import { withEarlyEvent } from "../early.ts";
import { recoveredLogs, releasedLog } from "../logs.ts";
import { immediateUpdates, withLedger } from "../pending.ts";
import { withoutPod } from "../pod_resources.ts";
import type { AgentState } from "../state.ts";
import { respond } from "./respond.ts";

/** A stopped container's CPUs are free; the reply carries updates of those that get them. */
export function stopContainer(state: AgentState, { container }: Subject): Decision {
  if (state.phase !== "serving") return unchanged(state);
  const { ledger, logs } = released(state, (before) => release(before, container.id), [container.id]);
  return respond(state, ledger, { encode: stopReply, logs });
}

/** Normally comes after a stop and finds nothing. Its reply carries no updates. */
export function removeContainer(state: AgentState, { container }: Subject): Response {
  if (state.phase !== "serving") return unchanged(state);
  return withoutUpdates(state, released(state, (before) => release(before, container.id), [container.id]));
}

/**
 * A start that is refused for good is the end of that container: the runtime kills it, and containerd 1.7 reports nothing
 * more of it. kubelet creates another one under another id.
 */
export function startRefused(response: Response, subject: Subject): Response {
  const { state, logs, background = [] } = response;
  if (state.phase !== "serving" || state.standby) return response;
  const ended = removeContainer(state, subject);
  const early = state.awaitsListing
    ? withEarlyEvent(state.early, { kind: "RemoveContainer", ...subject })
    : state.early;
  return {
    ...response,
    state: { ...ended.state, early },
    logs: [...logs, ...ended.logs],
    background: [...background, ...ended.background ?? []],
  };
}

/** A container whose start failed is never reported as stopped: with its sandbox it is gone for certain. */
export function stopPodSandbox(before: AgentState, pod: PodSandbox): Decision {
  const state = { ...before, podResources: withoutPod(before.podResources, pod) };
  if (state.phase !== "serving") return unchanged(state);
  const ids = state.ledger.ofPod(pod.uid).map(({ container }) => container.id);
  return withoutUpdates(state, released(state, (before) => releaseSandbox(before, pod.id, pod.uid), ids));
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
  return { ledger, logs: [...gone.map(releasedLog), ...recoveredLogs(before, ledger)] };
}
