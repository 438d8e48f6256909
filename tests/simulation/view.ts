/** What the agent thinks: the one place where a simulation looks inside it. */
import type { Agent } from "../../src/agent.ts";
import { CpuSet } from "../../src/cpu/cpu_set.ts";
import type { Claim } from "../../src/ledger/claim.ts";
import type { Phase } from "../../src/nri/lifecycle.ts";

/** One container in the agent's books. */
export interface Placed {
  readonly id: string;
  readonly claim: Claim;
  /** Empty for one that lives in the pool. */
  readonly grant: CpuSet;
  /** Where it should run. */
  readonly wanted: CpuSet;
  /** What the agent thinks the runtime's record holds; undefined: no set. */
  readonly record: CpuSet | undefined;
  readonly starting: boolean;
  readonly degraded: string | undefined;
}

export interface View {
  readonly phase: Phase;
  readonly placed: ReadonlyMap<string, Placed>;
  readonly online: CpuSet;
  readonly pool: CpuSet;
  readonly claimed: CpuSet;
  /** Sizes of what is kept in between. */
  readonly kept: { readonly early: number; readonly parts: number; readonly untold: number };
}

type Ledger = Agent["node"]["ledger"];

const EMPTY: Pick<View, "placed" | "online" | "pool" | "claimed"> = {
  placed: new Map(),
  online: CpuSet.empty,
  pool: CpuSet.empty,
  claimed: CpuSet.empty,
};
let last: { ledger: Ledger; books: typeof EMPTY } | undefined;

export function viewOf({ node }: Agent): View {
  const books = last?.ledger === node.ledger ? last.books : booksOf(node.ledger);
  last = { ledger: node.ledger, books };
  return {
    ...books,
    phase: node.phase,
    kept: { early: node.early.size, parts: node.parts.length, untold: node.untold.size },
  };
}

function booksOf(ledger: Ledger): typeof EMPTY {
  const placed = new Map<string, Placed>();
  for (const assignment of ledger.assignments.values()) {
    const { container, claim, grant, record, starting, degraded } = assignment;
    placed.set(container.id, {
      id: container.id,
      claim,
      grant,
      wanted: ledger.effective(assignment),
      record,
      starting: starting === true,
      degraded,
    });
  }
  return { placed, online: ledger.topology.online, pool: ledger.sharedPool, claimed: ledger.claimed };
}
