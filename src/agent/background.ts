/** What is done while nobody waits for an answer: the kernel is written, compared, and the runtime asked what it knows. */
import { type Agent, idle, logOutput, type Output, type Step, wakeFor } from "./agent.ts";
import type { Change } from "../ledger/changes.ts";
import { serveWanting } from "../ledger/wanting.ts";
import { kernelOf, settle } from "./kernel_first.ts";
import type { Node } from "./state.ts";
import { urgent, withLedger } from "./pending.ts";
import { reconcile, type Reconciled } from "./reconcile.ts";

/** Does a part of what there is to do, and asks for a tick at once if that isn't all. */
export function atLeisure(agent: Agent): Step {
  if (agent.node.phase !== "serving") return idle(agent);
  const settled = settling(agent.node);
  const { node, logs, ended } = reconcile(settled.node);
  const more = node.audit.queue.length > 0 || node.settling;
  const outputs: Output[] = [
    ...[...settled.logs, ...logs].map(logOutput),
    ...(settled.owed.length === 0 ? [] : [{ kind: "apply", changes: settled.owed } as const]),
    ...(ended ? [{ kind: "count" } as const] : []),
    ...(more ? [{ kind: "wake", after: 0 } as const] : wakeFor(agent.node, node)),
  ];
  return { agent: { ...agent, node }, outputs };
}

interface Settling extends Pick<Reconciled, "node" | "logs"> {
  /** What the runtime is to be asked for at once: somebody has got its due, and others are still there. */
  readonly owed: readonly Change[];
}

function settling(node: Node): Settling {
  const kernel = kernelOf(node);
  const waits = node.ledger.stuck.size > 0;
  if (kernel === undefined) {
    return { node: node.settling ? { ...node, settling: false } : node, logs: [], owed: [] };
  }
  if (!node.settling && !waits) return { node, logs: [], owed: [] };
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
    owed: ledger === settled.ledger ? [] : urgent(next, ledger),
  };
}
