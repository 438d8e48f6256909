/**
 * A claim before it is promised: those that have to give up CPUs for it are written, all or none. Where one can't be, the
 * claim is decided once more with what that has shown.
 */
import { describe } from "../../ledger/claim.ts";
import { type Overhang, Overhangs } from "../../ledger/conflict.ts";
import { failed } from "../../ledger/delivery.ts";
import type { Ledger } from "../../ledger/ledger.ts";
import { afterWrites, type PlannedWrite, planWrites } from "../../ledger/writes.ts";
import { type Decision, withLogs } from "../decision.ts";
import { withLedger } from "../pending.ts";
import type { AgentState } from "../state.ts";

/** Each try has shown one container more that keeps its CPUs. */
const MAX_TRIES = 8;

interface Claimed {
  /** Before the claim. */
  readonly state: AgentState;
  /** The ledger with the claim. */
  readonly next: Ledger;
  /** The container whose claim it is. */
  readonly id: string;
  /** Tries so far, this one included. */
  readonly tries: number;
  again(state: AgentState, tries: number): Decision;
  giveUp(state: AgentState, reason: string): Decision;
  written(ledger: Ledger, writes: readonly PlannedWrite[]): Decision;
}

export function applyClaim({ state, next, id, tries, again, giveUp, written }: Claimed): Decision {
  const writes = planWrites(next, { kind: "losses", retryFailed: false, grows: id });
  const holder = holderAfter(next, writes, id);
  if (holder !== undefined) {
    const { holder: { container }, cpus } = holder;
    const reason = `${describe(container)} has no other CPUs to run on yet`;
    if (tries >= MAX_TRIES) return giveUp(state, reason);
    const ledger = state.ledger.update(
      container.id,
      (a) => failed(a, a.mayRunOn, { cpus, reason, now: state.now }),
    );
    return again(withLedger(state, ledger), tries + 1);
  }
  return {
    kind: "write",
    ledger: next,
    writes,
    written: (ledger) => written(ledger, writes),
    failed: ({ learn, reason, isFinal, logs }) => {
      const known = withLedger(state, learn(state.ledger));
      return withLogs(isFinal ? giveUp(known, reason) : again(known, tries), logs);
    },
  };
}

/** Who would still run on the container's own CPUs once all is written. */
function holderAfter(next: Ledger, writes: readonly PlannedWrite[], id: string): Overhang | undefined {
  const own = next.assignments.get(id);
  if (own === undefined || own.grant.isEmpty) return undefined;
  return new Overhangs(afterWrites(next, writes)).holdersOf(own, own.grant)[0];
}
