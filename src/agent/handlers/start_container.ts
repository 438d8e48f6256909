/**
 * StartContainer: the container's cgroup is there and none of its program runs yet, so this is the moment to see that it
 * has the CPUs that it should. One that hasn't is refused: an error fails the start, and kubelet tries again.
 *
 * No other container may be on the CPUs of one with a grant. Where a container gets its CPUs by its cgroup, the last read shows it;
 * all others are read here, whoever should have moved them.
 */
import type { CpusetReading } from "../../cgroup/port.ts";
import { CpuSet } from "../../cpu/cpu_set.ts";
import { type Assignment, isUnconfined, mayShare } from "../../ledger/assignment.ts";
import { type ContainerRef, describe } from "../../ledger/claim.ts";
import { confirmedHolder } from "../../ledger/conflict.ts";
import {
  confirm,
  created,
  failureOf,
  isConfirmed,
  isStartingAfterAll,
  observe,
  seenAtStart,
  starts,
  unreadable,
} from "../../ledger/delivery.ts";
import { isFence, runsOn, shouldRunOn } from "../../ledger/groups.ts";
import type { Ledger } from "../../ledger/ledger.ts";
import { limitOf, withLimit } from "../../ledger/limit.ts";
import { superseded } from "../../ledger/plan.ts";
import { settledHeld } from "../../ledger/pod_set.ts";
import { refuse } from "../../ledger/refusal.ts";
import { afterWrites, planWrites } from "../../ledger/plan_writes.ts";
import type { Subject } from "../../nri/methods.ts";
import { readClaim, recordOf, refOf } from "../../nri/read_claim.ts";
import { sandboxingOf } from "../../nri/rules.ts";
import { lookedAtStart } from "../affinity.ts";
import { ownCpus, readablePort, writablePort } from "../apply_mode.ts";
import { type Decision, type Readings, refused, unchanged, withLogs } from "../decision.ts";
import { fencedFirst, fenceOf, hasOtherFence, withFenceRead, withFencesOf } from "../fences.ts";
import { withReadings } from "../kernel.ts";
import { isNarrowed } from "../limits.ts";
import { logOf } from "../logs.ts";
import { withLedger } from "../pending.ts";
import type { AgentState } from "../state.ts";

/** Once it is let start its creation counts as done: containers that were moved for it aren't moved back any more. */
export function startContainer(state: AgentState, subject: Subject): Decision {
  if (state.phase !== "serving") return unchanged(state);
  const ref = refOf(subject.pod, subject.container);
  const known = state.ledger.assignments.get(ref.id);
  return known === undefined
    ? unknownStarts(state, ref, subject)
    : verified(state, state.ledger.with({ ...isStartingAfterAll(known), container: ref }), ref);
}

function allowed(state: AgentState, ledger: Ledger, id: string): Decision {
  const next = withLedger(state, ledger.update(id, withoutDisplaced));
  const own = next.ledger.assignments.get(id);
  return own === undefined || own.grant.isEmpty ? unchanged(next) : lookedAtStart(next, own);
}

function withoutDisplaced(assignment: Assignment): Assignment {
  const { displaced, ...rest } = assignment;
  return displaced === undefined ? assignment : rest;
}

/**
 * A container that isn't known was created while no agent was connected, and the runtime's list came too early for it
 * (containerd 1.7 asks its plugins before it notes a container): a shared one is taken in, the others are refused.
 */
function unknownStarts(state: AgentState, ref: ContainerRef, { pod, container }: Subject): Decision {
  const read = readClaim(pod, container, state.rules);
  const isShared = read.kind === "claim" && read.claim.kind === "shared";
  // In a dry run a container may run that would have been refused.
  if (read.kind === "unmanaged" || (state.dryRun && !isShared)) return unchanged(state);
  if (read.kind === "refusal" || read.claim.kind !== "shared") {
    return refused(state, ref, refuse(ref, "unavailable", "created while no agent was connected; retrying"));
  }
  const { claim } = read;
  return fencedFirst(state, ref, (known) => {
    const assignment: Assignment = {
      container: ref,
      claim,
      grant: CpuSet.empty,
      ...fenceOf(known, known.ledger, ref),
      ...created("record", recordOf(container)),
    };
    const { ledger } = known;
    return verified(known, settledHeld(ledger, superseded(ledger, ref).with(assignment)), ref);
  });
}

function verified(state: AgentState, ledger: Ledger, ref: ContainerRef): Decision {
  const own = ledger.assignments.get(ref.id);
  const isLooked = own !== undefined && readablePort(state) !== undefined;
  if (!isLooked) return allowed(state, ledger.update(ref.id, starts), ref.id);
  return withoutIntruder(state, ledger, own, (readings) => {
    const reading = readings.get(ref.id);
    if (reading?.kind !== "values") return unreadableStart(state, ledger, ref, reading);
    if (writablePort(state) !== undefined) {
      const known = withFencesOf(ledger, readings).update(ref.id, (a) => startsOn(a, ownCpus(reading)));
      return withinLimit(known, own, reading, (known) => {
        const written = () =>
          hasOtherFence(known, own, reading)
            ? withFenceRead(known, own, (next) => byCgroup(state, next, ref.id))
            : byCgroup(state, known, ref.id);
        const now = known.assignments.get(ref.id);
        // Those on the CPUs that it has instead haven't been looked at.
        const isMoved = now !== undefined && !now.grant.equals(own.grant);
        return isMoved ? withoutIntruder(withLedger(state, known), known, now, written) : written();
      });
    }
    const { online } = ledger.topology;
    const seen = ledger.update(ref.id, (a) => starts(seenAtStart(a, reading.cpus, online)));
    return withinLimit(seen, own, reading, (limited) => {
      const why = limitedBy(limited, ref.id);
      if (why !== undefined) return unconfirmed(withLedger(state, seen), own, why);
      return byRecord(withLedger(state, seen), own, reading.cpus);
    });
  });
}

/** Where not all of its grant is in force it is placed elsewhere, within what the cgroups above leave it. */
function withinLimit(
  known: Ledger,
  { container, grant }: Assignment,
  reading: CpusetReading,
  then: (ledger: Ledger) => Decision,
): Decision {
  if (grant.isEmpty || !isNarrowed(known, grant, reading)) return then(known);
  const { online } = known.topology;
  return {
    kind: "around",
    container,
    cpus: online,
    then: (limit) => then(withLimit(known, container.id, limit)),
  };
}

/** Why a container has no CPUs of its own that another program leaves it; undefined where it has, or needs none. */
function limitedBy(ledger: Ledger, id: string): string | undefined {
  const own = ledger.assignments.get(id);
  return own === undefined || limitOf(own) === undefined ? undefined : own.degraded;
}

/** Goes on with what was read of it, unless one of those that the agent doesn't write is on its CPUs. */
function withoutIntruder(
  state: AgentState,
  ledger: Ledger,
  own: Assignment,
  then: (readings: Readings) => Decision,
): Decision {
  const others = own.grant.isEmpty ? [] : unconfirmedBeside(ledger, own);
  const fences = own.grant.isEmpty ? [] : ledger.those("groups").filter(isFence);
  return {
    kind: "read",
    containers: [own, ...others, ...fences].map(({ container }) => container),
    then: (readings) => {
      const intruder = others.find((other) =>
        isOn(ledger, other, readings.get(other.container.id), own.grant)
      );
      return intruder === undefined ? then(readings) : unconfirmed(state, own, stillHeld(own, intruder));
    },
  };
}

/** Containers that run, mustn't share CPUs with it, and whose cgroups the agent doesn't write. */
function unconfirmedBeside(ledger: Ledger, own: Assignment): Assignment[] {
  return ledger.those("unconfirmed").filter((other) =>
    other.container.id !== own.container.id && !mayShare(own, other) && !isUnconfined(other)
  );
}

/** By its cgroup; by all that is known where that can't be read. */
function isOn(ledger: Ledger, other: Assignment, reading: CpusetReading | undefined, cpus: CpuSet): boolean {
  if (reading?.kind === "absent") return false;
  const runs = reading?.kind === "values" ? reading.effective ?? reading.cpus : runsOn(ledger, other);
  return runs.intersects(cpus);
}

/** The runtime has delivered what replies carried, or has failed to without reporting it. */
function byRecord(state: AgentState, own: Assignment, cpus: CpuSet): Decision {
  const { grant } = own;
  if (grant.isEmpty || cpus.equals(grant)) return allowed(state, state.ledger, own.container.id);
  return unconfirmed(state, own, `the runtime has given it the CPUs ${cpus} instead of ${grant}`);
}

/** A write that has failed a moment ago stays so: its back-off goes on. */
function startsOn(assignment: Assignment, cpus: CpuSet): Assignment {
  return assignment.delivery.state === "failed"
    ? observe(assignment, cpus)
    : confirm(assignment, cpus, "starting");
}

/** Its own set is written, once without regard to a back-off, and those of others that have to give up CPUs. */
function byCgroup(state: AgentState, ledger: Ledger, id: string, retried = new Set([id])): Decision {
  const writes = planWrites(ledger, { kind: "losses", grows: id, retried });
  return {
    kind: "write",
    ledger,
    writes,
    after: afterWrites(ledger, writes),
    written: (after) =>
      writes.some(({ assignment: { container } }) => container.id === after.assignments.get(id)?.fence)
        ? withinOpened(state, after, id)
        : checked(state, after, id),
    failed: ({ learn, isFinal, logs, reason }) => {
      const next = learn(ledger);
      return withLogs(isFinal ? checked(state, next, id, reason) : byCgroupAgain(state, next, id), logs);
    },
  };
}

/** Once the fence around it has grown a set counts that another program has given its pod and that had nothing in common with it. */
function withinOpened(state: AgentState, ledger: Ledger, id: string): Decision {
  const own = ledger.assignments.get(id);
  if (own === undefined || own.grant.isEmpty) return checked(state, ledger, id);
  return {
    kind: "read",
    containers: [own.container],
    then: (readings) => {
      const reading = readings.get(id);
      if (reading?.kind !== "values") return checked(state, ledger, id);
      return withinLimit(
        withReadings(ledger, readings),
        own,
        reading,
        (limited) => checked(state, limited, id),
      );
    },
  };
}

/** A container that couldn't be read any more isn't known by its cgroup. */
function byCgroupAgain(state: AgentState, ledger: Ledger, id: string): Decision {
  const own = ledger.assignments.get(id);
  const after = withLedger(state, ledger);
  if (own === undefined) return unchanged(after);
  return withoutIntruder(after, ledger, own, () => byCgroup(state, ledger, id, new Set()));
}

/** With a grant it starts on exactly that and alone; a shared container starts on no claimed CPU. As far as that is seen. */
function checked(
  state: AgentState,
  ledger: Ledger,
  id: string,
  failure?: string,
): Decision {
  const own = ledger.assignments.get(id);
  if (own === undefined) return unchanged(withLedger(state, ledger));
  const less = limitedBy(ledger, id);
  if (less !== undefined) return unconfirmed(withLedger(state, ledger), own, less);
  const reason = failure ?? failureOf(own)?.reason ?? "its cgroup has other CPUs";
  const cpus = runsOn(ledger, own);
  const isSeen = isConfirmed(own);
  const isRight = !isSeen || (own.grant.isEmpty ? !cpus.intersects(ledger.claimed) : cpus.equals(own.grant));
  const after = withLedger(state, ledger);
  if (!isRight) {
    return unconfirmed(after, own, `it can't be started on the CPUs ${shouldRunOn(ledger, own)}: ${reason}`);
  }
  const holder = confirmedHolder(ledger, own);
  return holder === undefined
    ? allowed(state, ledger, id)
    : unconfirmed(after, own, stillHeld(own, holder.holder));
}

function stillHeld({ grant }: Assignment, holder: Assignment): string {
  return `its CPUs ${grant} are still held by ${describe(holder.container)}`;
}

/** It is refused, unless it comes true in a moment. */
function unconfirmed(state: AgentState, { container }: Assignment, why: string): Decision {
  const { logs: [retryable], ...response } = refused(
    state,
    container,
    refuse(container, "unavailable", `${why}; retrying`),
  );
  return retryable === undefined ? { ...response, logs: [] } : { ...response, logs: [], retryable };
}

/** Where its own cgroup can't be read, those that are to leave its CPUs are written all the same. */
function unreadableStart(
  state: AgentState,
  before: Ledger,
  { id }: ContainerRef,
  reading: Exclude<CpusetReading, { kind: "values" }> | undefined,
): Decision {
  const reason = reading?.kind === "unverified" ? reading.reason : "its cgroup wasn't found";
  const ledger = before.update(id, (a) => starts(unreadable(a)));
  const own = ledger.assignments.get(id);
  if (own === undefined) return unchanged(withLedger(state, ledger));
  // A runtime that keeps processes elsewhere need not make one: see sandboxes.ts.
  const isUsual = reading?.kind === "absent" &&
    sandboxingOf(state.rules, own.container.handler) !== undefined;
  const logs = isUsual ? [] : [logOf("warn", "cpuset not verified at the start", own.container, { reason })];
  const decision = writablePort(state) === undefined
    ? allowed(state, ledger, id)
    : byCgroup(state, ledger, id);
  return withLogs(decision, logs);
}
