/** What the status API answers to a question about a container or a CPU. */
import { explain, explainable } from "../agent/explain.ts";
import { MOVED } from "../agent/logs.ts";
import type { AgentState } from "../agent/state.ts";
import { type ExplainDocument, explanationDocument, type LoggedMove } from "../status/explain_document.ts";
import type { Surroundings } from "../status/status_document.ts";
import type { Journal, JournalEntry } from "./journal.ts";

export function explained(
  state: AgentState,
  asked: string,
  { entries, dropped }: Pick<Journal, "entries" | "dropped">,
  around: Surroundings,
): ExplainDocument {
  const moves = entries.flatMap(moveIn);
  const answered = explain(state, asked);
  const explanations = answered.explanations.map((each) => explanationDocument(each, moves, around));
  return {
    service: "weka-cpuset",
    version: 1,
    startedAt: around.startedAt,
    dropped,
    explanations,
    more: answered.more,
    ...(explanations.length === 0 ? { names: explainable(state) } : {}),
  };
}

function moveIn({ at, record: { message, fields = {} } }: JournalEntry): LoggedMove[] {
  if (message !== MOVED) return [];
  const { containerID: id, from, cpus: to, for: whom } = fields;
  const move = { id: `${id}`, at: new Date(at).toISOString(), from: `${from}`, to: `${to}` };
  return [whom === undefined ? move : { ...move, for: `${whom}` }];
}
