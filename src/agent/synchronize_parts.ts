/**
 * A Synchronize in parts: the runtime cuts what doesn't fit in one message of 4 MiB, and each part but the last has to
 * be kept until that comes. What is kept is bounded, in number and in bytes.
 */
import { ProtocolError } from "../wire/errors.ts";
import type { Listing } from "./early.ts";
import type { AgentState, Part, Reply, Response } from "./state.ts";
import { synchronizeReply } from "../nri/write_reply.ts";

/** More containers than any node has: kubelet's default is 110 pods, its largest tested is some hundreds. */
export const MAX_CONTAINERS = 65536;

/** Bytes of all the parts: room for a kilobyte of each such container. */
export const MAX_BYTES = 64 * 2 ** 20;

/** The answer of a Synchronize that changes nothing. */
export function neutralSynchronize(more: boolean): Reply {
  return { kind: "answer", payload: synchronizeReply([], more) };
}

/**
 * A part that others will follow: kept, and answered with `more`.
 * @throws {ProtocolError} `overflow`, see {@link together}
 */
export function gather(state: AgentState, part: Part): Response {
  return { state: { ...state, parts: together(state, part) }, reply: neutralSynchronize(true), logs: [] };
}

/**
 * What all the parts tell, the last of them included.
 * @throws {ProtocolError} `overflow`, see {@link together}
 */
export function whole(state: AgentState, last: Part): Listing {
  const parts = together(state, last);
  return {
    pods: parts.flatMap(({ request }) => request.pods),
    containers: parts.flatMap(({ request }) => request.containers),
  };
}

/** The parts so far and this one; a ProtocolError when they are more than a node can mean. */
function together({ parts }: AgentState, part: Part): readonly Part[] {
  const all = [...parts, part];
  const sum = (of: (part: Part) => number) => all.reduce((total, each) => total + of(each), 0);
  const named = sum(({ request }) => request.containers.length + request.pods.length);
  if (named > MAX_CONTAINERS || all.length > MAX_CONTAINERS) {
    throw new ProtocolError("overflow", `Synchronize has more than ${MAX_CONTAINERS} pods and containers`);
  }
  if (sum(({ bytes }) => bytes) > MAX_BYTES) {
    throw new ProtocolError("overflow", `Synchronize has more than ${MAX_BYTES / 2 ** 20} MiB`);
  }
  return all;
}
