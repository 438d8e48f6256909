/** The reply of a call after which another ledger holds, with the updates of other containers that it carries. */
import type { Ledger } from "../../ledger/ledger.ts";
import { type PlannedUpdate, planUpdates, type UpdateFilter } from "../../ledger/updates.ts";
import type { PlannedWrite } from "../../ledger/plan_writes.ts";
import type { LogRecord } from "../../log_record.ts";
import { NEUTRAL, type Response } from "../decision.ts";
import { deliveryLogs } from "../logs.ts";
import { mayDelayGrowth, withLedger } from "../pending.ts";
import type { AgentState } from "../state.ts";

export interface Answer {
  readonly filter?: UpdateFilter;
  /** The bytes of the reply with these updates of others. */
  encode(updates: readonly PlannedUpdate[]): Uint8Array;
  readonly logs: readonly LogRecord[];
  /** What was written in the kernel for this call. */
  readonly writes?: readonly PlannedWrite[];
}

/** What the reply sends counts as delivered; the kernel already has what was written for it. */
export function respond(
  state: AgentState,
  ledger: Ledger,
  { filter = {}, encode, logs, writes = [] }: Answer,
): Response {
  const planned = planUpdates(ledger, { ...filter, growth: mayDelayGrowth(state) });
  const moved = new Set(writes.map(({ assignment }) => assignment.container.id));
  const sent = planned.updates.filter(({ id }) => !moved.has(id));
  return {
    kind: "response",
    state: withLedger(state, planned.ledger),
    reply: state.dryRun ? NEUTRAL : { kind: "answer", payload: encode(planned.updates) },
    logs: [...logs, ...deliveryLogs([...writes, ...sent])],
  };
}
