/** Whether the agent does its work, for those who ask whether a node is in order. Pure. */
import type { AgentState } from "../agent/state.ts";
import type { LockHolder } from "../platform/lock.ts";

/** What the holder of the leader lock says of itself while it places containers. */
const SERVING = "serving";

export interface Readiness {
  readonly isReady: boolean;
  /** One sentence. */
  readonly why: string;
}

/**
 * It is synchronized with the runtime and places containers; or it stands by, and the agent that it stands by for does. Whether claims
 * are refused for the time being doesn't matter: it does that itself.
 *
 * @param holder of the leader lock, which this agent has asked for; undefined: it has the lock, or hasn't asked yet
 */
export function readiness(
  { phase, standby, passive }: Pick<AgentState, "phase" | "standby" | "passive">,
  holder: LockHolder | undefined,
): Readiness {
  if (holder !== undefined) {
    const { name, activity } = holder;
    const doing = activity === "" ? "says nothing of what it does" : `is ${activity}`;
    return { isReady: activity === SERVING, why: `standing by: the active agent (${name}) ${doing}` };
  }
  if (phase === "disconnected") {
    return { isReady: false, why: "no connection to the runtime: is it running, with NRI enabled?" };
  }
  if (passive !== undefined) {
    return { isReady: false, why: "passive: it was released, and places nothing until weka-cpuset resume" };
  }
  return phase === "serving" && !standby
    ? { isReady: true, why: "synchronized with the runtime and serving" }
    : { isReady: false, why: `not synchronized with the runtime yet: ${phase}` };
}

/** What an agent that has a connection says of itself in the file of the leader lock, for those that stand by for it. */
export function activityOf(
  { phase, standby, passive }: Pick<AgentState, "phase" | "standby" | "passive">,
): string {
  if (standby) return "standing by";
  if (phase === "registering") return "registering with the runtime";
  if (passive !== undefined) return "passive";
  return phase === "serving" ? SERVING : "synchronizing with the runtime";
}
