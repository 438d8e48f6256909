/** Leaks to plant, so that it is seen that {@link growth} finds them. */
import type { Agent } from "../../src/agent/step.ts";

const hidden = new Map<string, true>();

export const LEAKS: Readonly<Record<string, (agent: Agent, id: string) => Agent>> = {
  /** Of every container something is kept in a map of the agent's. */
  ids: (agent, id) => {
    const { state } = agent;
    return { ...agent, state: { ...state, early: new Map(state.early).set(id, undefined) } };
  },
  /** The same somewhere in the program where no list of the agent's leads to. */
  hidden: (agent, id) => {
    hidden.set(id, true);
    return agent;
  },
};
