/** What the agent thinks: the one place where a simulation looks inside it. */
import type { Agent } from "../../src/agent/step.ts";
import { CpuSet } from "../../src/cpu/cpu_set.ts";
import type { Claim } from "../../src/ledger/claim.ts";
import type { Phase } from "../../src/agent/lifecycle.ts";

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
  /** What it was sent while it starts: its record may say that by now. */
  readonly sent: CpuSet | undefined;
  /** What the agent thinks the kernel has; undefined: it doesn't know, and only the runtime is told. */
  readonly kernel: CpuSet | "at-start" | undefined;
  /** The agent knows that the kernel hasn't what it should, and tries again. */
  readonly stuck: boolean;
  readonly starting: boolean;
  readonly degraded: string | undefined;
}

export interface View {
  readonly phase: Phase;
  readonly placed: ReadonlyMap<string, Placed>;
  readonly online: CpuSet;
  readonly pool: CpuSet;
  readonly claimed: CpuSet;
  /** Somebody can't be made to have what it should. */
  readonly stuck: boolean;
  /** Sizes of what is kept in between. */
  readonly kept: { readonly early: number; readonly parts: number; readonly untold: number };
}

type Ledger = Agent["state"]["ledger"];

const EMPTY: Pick<View, "placed" | "online" | "pool" | "claimed" | "stuck"> = {
  placed: new Map(),
  online: CpuSet.empty,
  pool: CpuSet.empty,
  claimed: CpuSet.empty,
  stuck: false,
};
let last: { ledger: Ledger; books: typeof EMPTY } | undefined;

export function viewOf({ state }: Agent): View {
  const books = last?.ledger === state.ledger ? last.books : booksOf(state.ledger);
  last = { ledger: state.ledger, books };
  return {
    ...books,
    phase: state.phase,
    kept: { early: state.early.size, parts: state.parts.length, untold: state.untracked.size },
  };
}

function booksOf(ledger: Ledger): typeof EMPTY {
  const placed = new Map<string, Placed>();
  for (const assignment of ledger.assignments.values()) {
    const { container, claim, grant, record, unacknowledged, kernel, starting, degraded } = assignment;
    placed.set(container.id, {
      id: container.id,
      claim,
      grant,
      wanted: ledger.desired(assignment),
      record,
      sent: unacknowledged,
      kernel,
      stuck: ledger.writeFailures.has(container.id),
      starting: starting === true,
      degraded,
    });
  }
  return {
    placed,
    online: ledger.topology.online,
    pool: ledger.sharedPool,
    claimed: ledger.claimed,
    stuck: ledger.writeFailures.size > 0,
  };
}
