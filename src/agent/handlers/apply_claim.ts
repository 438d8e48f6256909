/**
 * A claim before it is promised: those that have to give up CPUs for it are written, all or none. Where one can't be, the
 * claim is decided once more with what that has shown.
 */
import { describe } from "../../ledger/claim.ts";
import { type Overhang, Overhangs } from "../../ledger/conflict.ts";
import type { Assignment } from "../../ledger/assignment.ts";
import { failed, isConfirmed, unreadable } from "../../ledger/delivery.ts";
import type { Ledger } from "../../ledger/ledger.ts";
import { afterWrites, type PlannedWrite, planWrites } from "../../ledger/plan_writes.ts";
import { type Decision, withLogs } from "../decision.ts";
import { withLedger } from "../pending.ts";
import type { AgentState } from "../state.ts";

/** Each try has shown CPUs more that a container keeps; the deadline of the call is the bound that counts. */
const MAX_TRIES = 64;

interface Claimed {
  /** Before the claim. */
  readonly state: AgentState;
  /** The ledger with the claim. */
  readonly next: Ledger;
  /** The container whose claim it is. */
  readonly id: string;
  readonly attempt: Attempt;
  again(state: AgentState, attempt: Attempt): Decision;
  giveUp(state: AgentState, reason: string): Decision;
  written(ledger: Ledger, writes: readonly PlannedWrite[]): Decision;
}

/** How often the claim has been decided, and what that has shown besides what the ledger remembers. */
export interface Attempt {
  readonly tries: number;
  /** Containers that leave their CPUs by the reply, since those on their new CPUs do. */
  readonly byReply: readonly string[];
}

export const FIRST_ATTEMPT: Attempt = { tries: 1, byReply: [] };

export function applyClaim({ state, next: decided, id, attempt, again, giveUp, written }: Claimed): Decision {
  const { tries, byReply } = attempt;
  const isShared = decided.assignments.get(id)?.grant.isEmpty !== false;
  const planned = afterWrites(decided, planWrites(decided, { kind: "losses", grows: id }));
  const next = byReply.reduce(
    (ledger, other) => ledger.update(other, unreadable),
    deliverable(state, decided, id, planned),
  );
  const writes = planWrites(next, { kind: "losses", grows: id });
  const after = afterWrites(next, writes);
  const holder = holderOn(after, id) ?? holderOnMoved(state.ledger, after);
  if (holder !== undefined) {
    if (tries < MAX_TRIES && waitsForRuntime(after, holder.holder)) {
      return again(state, { tries: tries + 1, byReply: [...byReply, holder.holder.container.id] });
    }
    const { holder: { container }, cpus } = holder;
    const reason = `${describe(container)} has no other CPUs to run on yet`;
    if (tries >= MAX_TRIES) return giveUp(state, reason);
    const ledger = state.ledger.update(
      container.id,
      (a) => failed(a, a.mayRunOn, { cpus, reason, now: state.now }),
    );
    return again(withLedger(state, ledger), { tries: tries + 1, byReply });
  }
  return {
    kind: "write",
    ledger: next,
    writes,
    written: (ledger) => written(ledger, writes),
    failed: ({ learn, reason, isFinal, logs }) => {
      // A shared container needs none of them: they are retried in the background.
      if (isShared) {
        const known = learn(next);
        return withLogs(written(deliverable(state, known, id, known), []), logs);
      }
      const known = withLedger(state, learn(state.ledger));
      return withLogs(isFinal ? giveUp(known, reason) : again(known, attempt), logs);
    },
  };
}

/** Without the CPUs that degraded containers have got on the way and that others can't be made to give up yet. */
function deliverable({ ledger: before }: AgentState, next: Ledger, id: string, after: Ledger): Ledger {
  return before.degraded.reduce((ledger, was) => {
    const { container } = was;
    const isUndone = container.id !== id && after.assignments.get(container.id)?.degraded === undefined &&
      holderOn(after, container.id) !== undefined;
    return isUndone ? ledger.update(container.id, () => was) : ledger;
  }, next);
}

/** Containers that run on another's own CPUs, by their cgroups as last read or written. */
function holderOn(ledger: Ledger, id: string): Overhang | undefined {
  const own = ledger.assignments.get(id);
  if (own === undefined || own.grant.isEmpty) return undefined;
  return new Overhangs(ledger).holdersOf(own, own.grant).find(({ holder }) => isConfirmed(holder));
}

/** The same for containers that are moved for the claim, where the runtime moves them. */
function holderOnMoved(before: Ledger, after: Ledger): Overhang | undefined {
  for (const { container: { id }, grant, delivery } of after.dirty) {
    if (grant.isEmpty || delivery.by === "cgroup" || before.assignments.get(id)?.grant.equals(grant)) {
      continue;
    }
    const holder = holderOn(after, id);
    if (holder !== undefined) return holder;
  }
  return undefined;
}

/** It can't be written, since those on its new CPUs leave them only with the reply: so it has to go with the reply too. */
function waitsForRuntime(ledger: Ledger, { container: { id } }: Assignment): boolean {
  const holder = ledger.assignments.get(id);
  if (holder === undefined) return false;
  const gained = ledger.desired(holder).difference(ledger.mayRunOn(holder));
  const blockers = new Overhangs(ledger).holdersOf(holder, gained);
  return blockers.length > 0 && blockers.every(({ holder: { delivery } }) => delivery.by === "record");
}
