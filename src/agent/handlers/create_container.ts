/**
 * CreateContainer: where a new container may run. Before it is promised CPUs that others have to give up, these are
 * written, all or none; where one can't be, the claim is decided once more with what that has shown.
 */
import type { Population } from "../../cgroup/port.ts";
import { CpuSet } from "../../cpu/cpu_set.ts";
import { isExclusive, isOfPod } from "../../ledger/assignment.ts";
import type { ContainerRef } from "../../ledger/claim.ts";
import { hasNoProcess } from "../../ledger/delivery.ts";
import { hugePageWarnings } from "../../ledger/huge_pages.ts";
import type { Ledger } from "../../ledger/ledger.ts";
import { type AdmissionRequest, admit, granted, type Plan } from "../../ledger/plan.ts";
import { type Refusal, refuse } from "../../ledger/refusal.ts";
import { release } from "../../ledger/release.ts";
import type { LogRecord } from "../../log_record.ts";
import type { Subject } from "../../nri/methods.ts";
import { readClaim, recordOf, refOf } from "../../nri/read_claim.ts";
import { createReply } from "../../nri/write_reply.ts";
import { lookedBeforeMove } from "../affinity.ts";
import { deliverByFor, readablePort } from "../apply_mode.ts";
import { type Decision, refused, retriedFirst, unchanged, withLogs } from "../decision.ts";
import { fencedFirst, fenceOf } from "../fences.ts";
import { readHugePages } from "../huge_pages.ts";
import { aroundFirst } from "../limits.ts";
import { isPopulating, withLived } from "../lost_ends.ts";
import { misspeltLogs, newlyDegradedLogs, placedLog, recoveredLogs, warningsOf } from "../logs.ts";
import { withLedger } from "../pending.ts";
import { isUnlimited } from "../quotas.ts";
import type { AgentState } from "../state.ts";
import { MAX_CONTAINERS } from "../synchronize_parts.ts";
import { applyClaim, type Attempt, FIRST_ATTEMPT } from "./apply_claim.ts";
import { released } from "./ends.ts";
import { respond } from "./respond.ts";

const FULL = `${MAX_CONTAINERS} containers are known that haven't ended, more than any node has; ` +
  "restart the agent if the runtime lists fewer";

export function createContainer(state: AgentState, subject: Subject): Decision {
  const { pod, container } = subject;
  const names = state.ledger.ofPod(pod.uid).map(({ container: { name } }) => name);
  const misspelt = misspeltLogs(pod, refOf(pod, container), [...names, container.name]);
  return withLogs(decided(state, subject), misspelt);
}

function decided(state: AgentState, { pod, container }: Subject): Decision {
  const ref = refOf(pod, container);
  const read = readClaim(pod, container, state.rules);
  if (read.kind === "refusal") return refused(state, ref, read);
  const warnings = warningsOf(read.warnings, ref);
  if (read.kind === "unmanaged") return { ...unchanged(state), logs: warnings };
  const { claim, degraded } = read;
  const isKnown = state.phase === "serving";
  const against = state.claimsSuspendedReason ?? (isKnown ? undefined : NOT_SYNCHRONIZED);
  if (against !== undefined && claim.kind !== "shared") {
    return refused(state, ref, refuse(ref, "unavailable", against));
  }
  if (!isKnown) return { ...unchanged(state), logs: warnings };
  if (state.ledger.assignments.size >= MAX_CONTAINERS) {
    return refused(state, ref, refuse(ref, "unavailable", FULL));
  }
  const hugePages = claim.kind === "shared" ? [] : readHugePages(state, container);
  const decision = fencedFirst(state, ref, (known) => {
    const deliverBy = deliverByFor(known, container);
    const record = recordOf(container);
    return aroundFirst(known, ref, claim, (claim) => {
      const request = { container: ref, claim, record, degraded, deliverBy, hugePages, since: known.now };
      if (claim.kind === "shared") return admitted(known, request);
      const named = claim.kind === "pinned" ? claim.cpus : CpuSet.empty;
      return retriedFirst(
        known,
        (retried) => lookedBeforeMove(retried, named, (looked) => admitted(looked, request)),
      );
    });
  });
  return withLogs(decision, warnings);
}

const NOT_SYNCHRONIZED = "not synchronized with the runtime yet; retrying";

function admitted(state: AgentState, request: AdmissionRequest, attempt = FIRST_ATTEMPT): Decision {
  const { container } = request;
  const plan = admit(state.ledger, { ...request, fence: fenceOf(state, state.ledger, container) });
  const before = attempt.hasLooked || isServed(plan, container) ? [] : runningInPod(state, container);
  if (before.length > 0) return withEndedHeld(state, request, attempt, before);
  if (plan.kind === "refusal") return refused(state, container, plan);
  return applyClaim({
    state,
    next: plan.next,
    id: container.id,
    what: "container",
    attempt,
    again: (known, attempt) => admitted(known, request, attempt),
    written: (ledger, writes) => {
      // A write that has failed may have shown that others get other CPUs than was planned.
      const final = granted(ledger, request, plan.adjustment.mems);
      return podGrownFirst(final.next, container, () =>
        respond(state, final.next, {
          encode: (updates) => createReply(adjustmentIn(state, final, container.id), updates),
          logs: admittedLogs(state, final, request),
          writes,
        }));
    },
  });
}

/** In cgroup v1 its set has to lie within that of its pod. */
function podGrownFirst(ledger: Ledger, { id }: ContainerRef, then: () => Decision): Decision {
  const own = ledger.assignments.get(id);
  if (!own?.isWithin) return then();
  return { kind: "grow", container: own.container, cpus: ledger.desired(own), then };
}

/** Whether it has all that it could have: with its pod's figures, also what containers of that leave that have ended. */
function isServed(plan: Plan | Refusal, { id }: ContainerRef): boolean {
  const placed = plan.kind === "plan" ? plan.next.assignments.get(id) : undefined;
  return placed !== undefined && placed.degraded === undefined &&
    !(isExclusive(placed) && isOfPod(placed) && placed.grant.size < placed.claim.count);
}

/**
 * Containers of its pod that have CPUs of their own, or would be served with the next that are free, and run by all that is known.
 * None where the runtime may keep all processes of the pod in another cgroup.
 */
function runningInPod(state: AgentState, { podUid, name, handler }: ContainerRef): ContainerRef[] {
  if (readablePort(state) === undefined || podUid === "" || !isPopulating(state, handler)) return [];
  return state.ledger.ofPod(podUid).filter(({ container, claim, grant, delivery }) =>
    container.name !== name && (!grant.isEmpty || claim.kind !== "shared") && !hasNoProcess(delivery)
  ).map(({ container }) => container);
}

/**
 * kubelet creates an app container once the init containers have ended, which the runtime may report later: those without
 * processes count as ended.
 */
function withEndedHeld(
  state: AgentState,
  request: AdmissionRequest,
  attempt: Attempt,
  containers: readonly ContainerRef[],
): Decision {
  return {
    kind: "inside",
    containers,
    then: (populations) => {
      const ended = containers.map(({ id }) => id).filter((id) => hasNone(populations.get(id)));
      const { ledger, logs } = released(state, (before) => ended.reduce(release, before), ended);
      const known = withLived(withLedger(state, ledger), populations);
      const again = admitted(known, request, { ...attempt, hasLooked: true });
      return withLogs(again, logs);
    },
  };
}

function hasNone(population: Population | undefined): boolean {
  return population === "empty" || population === "absent";
}

/** What it starts with; without a CFS quota where its CPUs are its own and the node is configured so. */
function adjustmentIn(state: AgentState, { next, adjustment }: Plan, id: string) {
  const own = next.assignments.get(id);
  return own !== undefined && isUnlimited(state, own) ? { ...adjustment, quota: -1 } : adjustment;
}

function admittedLogs(
  { ledger: before, dryRun }: AgentState,
  { next: ledger, adjustment }: Plan,
  { container, hugePages = [] }: AdmissionRequest,
): LogRecord[] {
  const placed = ledger.assignments.get(container.id);
  if (placed === undefined) return [];
  const verb = dryRun ? "would be admitted" : "admitted";
  return [
    placedLog(verb, ledger, placed, adjustment),
    ...warningsOf(hugePageWarnings(ledger, placed, hugePages), container),
    ...newlyDegradedLogs(before, ledger, container.id),
    ...recoveredLogs(before, ledger),
  ];
}
