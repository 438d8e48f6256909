/** What is done while nobody waits for an answer: the kernel is written, compared, and the runtime asked what it knows. */
import { type Agent, idle, logOutput, type Output, type Step, wakeFor } from "./agent_values.ts";
import { serveWanting } from "./ledger/wanting.ts";
import { kernelOf, settle } from "./nri/kernel_first.ts";
import type { Node } from "./nri/node.ts";
import { withLedger } from "./nri/owed.ts";
import { reconcile } from "./nri/reconcile.ts";

/** Does a part of what there is to do, and asks for a tick at once if that isn't all. */
export function atLeisure(agent: Agent): Step {
  if (agent.node.phase !== "serving") return idle(agent);
  const settled = settling(agent.node);
  const { node, logs, ended } = reconcile(settled.node);
  const more = node.audit.queue.length > 0 || node.settling;
  const outputs: Output[] = [
    ...[...settled.logs, ...logs].map(logOutput),
    ...(ended ? [{ kind: "count" } as const] : []),
    ...(more ? [{ kind: "wake", after: 0 } as const] : wakeFor(agent.node, node)),
  ];
  return { agent: { ...agent, node }, outputs };
}

function settling(node: Node): Pick<ReturnType<typeof reconcile>, "node" | "logs"> {
  const kernel = kernelOf(node);
  const waits = node.ledger.stuck.size > 0;
  if (kernel === undefined) return { node: node.settling ? { ...node, settling: false } : node, logs: [] };
  if (!node.settling && !waits) return { node, logs: [] };
  const settled = settle(kernel, node.ledger, node.now);
  const { logs, written } = settled;
  // Who had to do without what somebody couldn't be made to leave may have it now.
  const isFree = settled.ledger.stuck.size < node.ledger.stuck.size;
  const ledger = isFree ? serveWanting(settled.ledger) : settled.ledger;
  const { audit } = node;
  const repaired = written.filter(({ id }) => audit.causes.has(id)).length;
  const next = withLedger(node, ledger);
  return {
    node: repaired === 0 ? next : { ...next, audit: { ...audit, repairs: audit.repairs + repaired } },
    logs,
  };
}
