/** What a container's way from created to running means for the ledger. */
import type { Ledger } from "./ledger.ts";

/** The ledger once a container runs: what it is sent from now on arrives. */
export function running(ledger: Ledger, id: string): Ledger {
  const assignment = ledger.assignments.get(id);
  if (assignment?.starting === undefined) return ledger;
  const { starting: _, ...rest } = assignment;
  return ledger.with(rest);
}

/** The ledger once a container starts: whoever was moved for it stays where it is now. */
export function settle(ledger: Ledger, id: string): Ledger {
  const assignment = ledger.assignments.get(id);
  if (assignment?.displaced === undefined) return ledger;
  const { displaced: _, ...settled } = assignment;
  return ledger.with(settled);
}
