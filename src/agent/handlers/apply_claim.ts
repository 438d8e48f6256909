/**
 * A claim before it is promised: those that have to give up CPUs for it are written, all or none. Where one can't be, the
 * claim is decided once more with what that has shown.
 */
import { CpuSet } from "../../cpu/cpu_set.ts";
import { type ContainerRef, describe } from "../../ledger/claim.ts";
import { confirmedHolder, type Overhang, overhangsOf } from "../../ledger/conflict.ts";
import type { Assignment } from "../../ledger/assignment.ts";
import { failed, isConfirmed, unreadable } from "../../ledger/delivery.ts";
import { isGroup } from "../../ledger/groups.ts";
import { withLimit } from "../../ledger/limit.ts";
import { withGrant } from "../../ledger/pod_members.ts";
import type { Ledger } from "../../ledger/ledger.ts";
import { refuse } from "../../ledger/refusal.ts";
import { afterWrites, type PlannedWrite, planWrites } from "../../ledger/plan_writes.ts";
import { type Decision, MAX_TRIES, refused, unchanged, withLogs } from "../decision.ts";
import type { Refused } from "../logs.ts";
import { withLedger } from "../pending.ts";
import type { AgentState } from "../state.ts";

interface Claimed {
  /** Before the claim. */
  readonly state: AgentState;
  /** The ledger with the claim. */
  readonly next: Ledger;
  /** The container whose claim it is. */
  readonly id: string;
  /** As the log of a refusal names it. */
  readonly what: Refused;
  readonly attempt: Attempt;
  again(state: AgentState, attempt: Attempt): Decision;
  written(ledger: Ledger, writes: readonly PlannedWrite[]): Decision;
}

/** How often the claim has been decided, and what that has shown besides what the ledger remembers. */
export interface Attempt {
  readonly tries: number;
  /** Containers that leave their CPUs by the reply, since those on their new CPUs do. */
  readonly byReply: readonly string[];
  /** The pod's other containers were looked at: those that have ended are known. */
  readonly hasLooked?: true;
}

export const FIRST_ATTEMPT: Attempt = { tries: 1, byReply: [] };

export function applyClaim({ state, next: decided, id, what, attempt, again, written }: Claimed): Decision {
  const { tries, byReply } = attempt;
  const own = decided.assignments.get(id);
  if (own === undefined) return unchanged(state);
  const giveUp = (known: AgentState, reason: string) => givenUp(known, own.container, reason, what);
  const { ledger: next, writes, after } = deliveryOf(state, decided, id, byReply);
  const holder = holderInTheWay(state.ledger, after, id);
  if (holder !== undefined) {
    // The runtime moves no class.
    if (tries < MAX_TRIES && !isGroup(holder.holder) && waitsForRuntime(after, holder.holder)) {
      return leftByReply(state, holder.holder.container, attempt, again);
    }
    const { holder: { container }, cpus } = holder;
    const reason = `${describe(container)} has no other CPUs to run on yet`;
    if (tries >= MAX_TRIES) return giveUp(state, reason);
    const ledger = state.ledger.update(
      container.id,
      (a) => failed(a, a.mayRunOn, { cpus, reason, now: state.now }),
    );
    return again(withLedger(state, ledger), { ...attempt, tries: tries + 1 });
  }
  return {
    kind: "write",
    ledger: next,
    writes,
    after,
    written: (ledger) => written(ledger, writes),
    failed: ({ learn, reason, isFinal, logs }) => {
      // A shared container needs none of them: they are retried in the background.
      if (own.grant.isEmpty) {
        const known = learn(next);
        return withLogs(written(deliverable(state, known, id, known), []), logs);
      }
      const known = withLedger(state, learn(state.ledger));
      return withLogs(isFinal ? giveUp(known, reason) : again(known, attempt), logs);
    },
  };
}

/** No write shows what the cgroups above one leave it that the runtime moves: that is looked at before. */
function leftByReply(
  state: AgentState,
  container: ContainerRef,
  { tries, byReply, ...attempt }: Attempt,
  again: Claimed["again"],
): Decision {
  const { ledger } = state;
  const next = { ...attempt, tries: tries + 1, byReply: [...byReply, container.id] };
  return {
    kind: "around",
    container,
    cpus: ledger.topology.online,
    then: (limit) => again(withLedger(state, withLimit(ledger, container.id, limit)), next),
  };
}

function givenUp(state: AgentState, container: ContainerRef, reason: string, what: Refused): Decision {
  const why = `the CPUs of other containers can't be changed: ${reason}; retrying`;
  return refused(state, container, refuse(container, "unavailable", why), what);
}

interface Deliveries {
  readonly ledger: Ledger;
  readonly writes: readonly PlannedWrite[];
  /** The ledger once these are written. */
  readonly after: Ledger;
}

/** What is written for the claim; without what can't be delivered to degraded containers on the way. */
function deliveryOf(
  state: AgentState,
  decided: Ledger,
  id: string,
  byReply: readonly string[],
): Deliveries {
  const planned = plannedFor(decided, id);
  const possible = deliverable(state, decided, id, planned.after);
  const next = byReply.reduce((ledger, other) => ledger.update(other, leftToRuntime), possible);
  return next === decided ? planned : plannedFor(next, id);
}

function plannedFor(ledger: Ledger, id: string): Deliveries {
  const writes = planWrites(ledger, { kind: "losses", grows: id });
  return { ledger, writes, after: afterWrites(ledger, writes) };
}

/** The runtime moves it with the reply; until then it runs where it was read. */
function leftToRuntime(assignment: Assignment): Assignment {
  const { mayRunOn } = isConfirmed(assignment) ? assignment : unreadable(assignment);
  return { ...unreadable(assignment), mayRunOn };
}

/** Without the CPUs that degraded containers have got on the way and that others can't be made to give up yet. */
function deliverable({ ledger: before }: AgentState, next: Ledger, id: string, after: Ledger): Ledger {
  const undone = before.degraded.filter(({ container }) => {
    const now = after.assignments.get(container.id);
    return container.id !== id && now !== undefined && now.degraded === undefined &&
      confirmedHolder(after, now) !== undefined;
  });
  // All give up first what they have got: one's CPUs of before may be among what another has got.
  const without = undone.reduce((ledger, was) => bare(ledger, was), next);
  return undone.reduce((ledger, was) => withGrant(ledger, was), without);
}

/** Without its CPUs, and those that it shares with others of its pod. */
function bare(ledger: Ledger, was: Assignment): Ledger {
  const now = ledger.assignments.get(was.container.id);
  return now === undefined ? ledger : withGrant(ledger, { ...now, grant: CpuSet.empty });
}

/** Who is on CPUs that the container claims, or on those that the runtime moves others to for it; or which fence has these. */
function holderInTheWay(before: Ledger, after: Ledger, id: string): Overhang | undefined {
  if (!overhangsOf(after).all.some(({ holder }) => isConfirmed(holder))) return undefined;
  const own = after.assignments.get(id);
  // What one has had before is no matter of this claim, nor is what is held for one that doesn't run.
  const moved = after.those("claimants").flatMap((each) => {
    if (each.grant.isEmpty || each.isHeld) return [];
    const gained = each.grant.difference(before.assignments.get(each.container.id)?.grant ?? each.grant);
    return gained.isEmpty ? [] : [{ each, gained }];
  });
  const byRecord = moved.filter(({ each }) => each.delivery.by === "record");
  for (
    const { each, gained } of own === undefined ? byRecord : [{ each: own, gained: own.grant }, ...byRecord]
  ) {
    const holder = confirmedHolder(after, each, gained);
    if (holder !== undefined) return holder;
  }
  // Two that change places are written one after the other; a fence that grows before it shrinks would stay open.
  return moved.flatMap(({ each, gained }) => overhangsOf(after).holdersOf(each, gained)).find(({ holder }) =>
    isGroup(holder)
  );
}

/** It can't be written, since those on its new CPUs leave them only with the reply: so it has to go with the reply too. */
function waitsForRuntime(ledger: Ledger, { container: { id } }: Assignment): boolean {
  const holder = ledger.assignments.get(id);
  if (holder === undefined) return false;
  const gained = ledger.desired(holder).difference(ledger.mayRunOn(holder));
  const blockers = overhangsOf(ledger).holdersOf(holder, gained);
  return blockers.length > 0 && blockers.every(({ holder: { delivery } }) => delivery.by === "record");
}
