import type { LogRecord } from "../log_record.ts";
import type { AgentState } from "./state.ts";

/** A state, and what is to be logged of the way to it. */
export interface Logged {
  readonly state: AgentState;
  readonly logs: readonly LogRecord[];
}
