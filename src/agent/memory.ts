/**
 * Memory nodes of pinned containers that run without those of their CPUs, as the ones that were created before the agent
 * (`correctMems`). Looked at once they run and at each comparison, since what a container has is migrated by the write: that is
 * done between calls, one container at a time.
 */
import type { MemoryPort } from "../cgroup/port.ts";
import type { CpuSet } from "../cpu/cpu_set.ts";
import type { Assignment } from "../ledger/assignment.ts";
import { hasNoProcess } from "../ledger/delivery.ts";
import type { Ledger } from "../ledger/ledger.ts";
import { memsFor } from "../ledger/memory_nodes.ts";
import { perLedger } from "../ledger/per_ledger.ts";
import type { LogRecord } from "../log_record.ts";
import { writablePort } from "./apply_mode.ts";
import type { Logged } from "./logged.ts";
import { logOf } from "./logs.ts";
import type { AgentState } from "./state.ts";

/** How many containers are looked at at a time: each takes some 100 µs. */
const BATCH = 32;

/** Binds those that aren't known to be bound right, up to the first whose memory had to be migrated. */
export function settleMemory(state: AgentState): Logged {
  const port = memoryPort(state);
  if (port === undefined) return { state, logs: [] };
  const open = openIn(state);
  const ended = [...state.memories.keys()].filter((id) => !state.ledger.assignments.has(id));
  if (open.length === 0 && ended.length === 0) return { state, logs: [] };
  const memories = new Map(state.memories);
  for (const id of ended) memories.delete(id);
  const logs: LogRecord[] = [];
  for (const { container, nodes } of open.slice(0, BATCH)) {
    const before = memories.get(container.id);
    const result = port.bind(container, nodes, state.ledger.policy.correctMems);
    const reason = result.kind === "failed" ? result.reason : undefined;
    memories.set(container.id, { nodes, ...(reason === undefined ? {} : { reason }) });
    // The amount of memory is another each time.
    if (reason !== undefined && before?.reason === undefined) {
      logs.push(logOf("warn", unboundText(nodes), container, { reason }));
    }
    if (result.kind === "failed" || result.before === undefined) continue;
    logs.push(
      logOf("info", "memory nodes corrected", container, { from: `${result.before}`, to: `${nodes}` }),
    );
    break;
  }
  return { state: { ...state, memories }, logs };
}

/** Of a container that isn't bound to its nodes. */
export function unboundText(nodes: CpuSet): string {
  return `memory nodes not set to ${nodes}, recreate the pod`;
}

/** Whether there is more than one look could settle. */
export function hasOpenMemory(state: AgentState): boolean {
  return memoryPort(state) !== undefined && openIn(state).length > 0;
}

export function memoryPort(state: AgentState): MemoryPort | undefined {
  return state.phase === "serving" ? writablePort(state)?.memory : undefined;
}

/** Those that aren't known to be bound to the right nodes, with these. */
function openIn({ ledger, memories }: AgentState) {
  return pinnedIn(ledger).filter(({ container, nodes }) => {
    const known = memories.get(container.id);
    return known === undefined || known.isUnsure === true || !known.nodes.equals(nodes);
  });
}

/** Pinned containers that run with all of their CPUs, where there is a choice of nodes. */
const pinnedIn = perLedger((ledger: Ledger) => {
  const { topology, policy } = ledger;
  if (topology.nodes.length < 2) return [];
  return ledger.those("claimants").flatMap(({ container, claim, grant, delivery }: Assignment) => {
    if (claim.kind !== "pinned" || !grant.equals(claim.cpus) || hasNoProcess(delivery)) return [];
    const nodes = memsFor(topology, policy.pinnedMems, claim.cpus);
    return nodes.isEmpty ? [] : [{ container, nodes }];
  });
});
