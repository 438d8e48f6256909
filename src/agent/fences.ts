/**
 * Fences: the cgroups of QoS classes, kept off exclusive CPUs, so that the kernel keeps every container of the class off
 * them, also one that starts while no agent runs. They are found from where containers are, never guessed, and watched:
 * systemd may empty one whose last pod has gone.
 */
import type { CpusetReading, CpusetValues } from "../cgroup/port.ts";
import type { Assignment } from "../ledger/assignment.ts";
import { type ContainerRef, type GroupClaim, HOST_GROUPS } from "../ledger/claim.ts";
import { CpuSet } from "../cpu/cpu_set.ts";
import { ANYWHERE } from "../ledger/bound.ts";
import { failureOf, observe } from "../ledger/delivery.ts";
import { failureAfter } from "../ledger/failure.ts";
import { groupOn, groupRef, isFence, isGroup, lossOf, withLoss, withoutFence } from "../ledger/groups.ts";
import type { Ledger } from "../ledger/ledger.ts";
import { isIn } from "../ledger/updates.ts";
import type { LogRecord } from "../log_record.ts";
import { isInSystemPartition, qosClassesOf } from "../nri/qos.ts";
import { ownCpus, writablePort } from "./apply_mode.ts";
import { type Decision, type Readings, withLogs } from "./decision.ts";
import { withReadings } from "./kernel.ts";
import { keptAgainLog, unfencedLog } from "./logs.ts";
import { withLedger } from "./pending.ts";
import { applySlice } from "./slice.ts";
import type { AgentState } from "./state.ts";

/** The classes around these containers, and beside them. */
function classesAround(state: AgentState, containers: readonly ContainerRef[]): ContainerRef[] {
  if (writablePort(state) === undefined) return [];
  const paths = containers.flatMap(({ cgroup }) =>
    cgroup === undefined ? [] : qosClassesOf(cgroup)?.all ?? []
  );
  return [...new Set(paths)].map(groupRef);
}

/** The groups that are to be looked at with these containers: the classes around and beside them, and the host's. */
export function groupsFor(state: AgentState, containers: readonly ContainerRef[]): ContainerRef[] {
  const host = writablePort(state)?.version === 2 ? HOST_GROUPS.map(groupRef) : [];
  return [...classesAround(state, containers), ...host];
}

/** The id of the fence around a container, by where it is; undefined: there is none. */
function fenceAround(ledger: Ledger, container: ContainerRef): string | undefined {
  const group = groupAround(ledger, container);
  return group !== undefined && isFence(group) ? group.container.id : undefined;
}

function groupAround({ assignments }: Ledger, { cgroup }: ContainerRef): Assignment | undefined {
  const own = cgroup && qosClassesOf(cgroup)?.own;
  return own === undefined ? undefined : assignments.get(own);
}

/** The same as a part of an assignment. In cgroup v1 a group that gets all CPUs back concerns those in it as well. */
export function fenceOf(
  state: AgentState,
  ledger: Ledger,
  container: ContainerRef,
): Pick<Assignment, "fence" | "isWithin"> {
  if (writablePort(state)?.version === 1) {
    const id = groupAround(ledger, container)?.container.id;
    return id === undefined ? {} : { fence: id, isWithin: true };
  }
  const fence = fenceAround(ledger, container);
  return fence === undefined ? {} : { fence };
}

/** Decides by a state in which the fence around the container is as read now, and in which all fences beside it are known. */
export function fencedFirst(
  state: AgentState,
  container: ContainerRef,
  then: (state: AgentState) => Decision,
): Decision {
  const { assignments } = state.ledger;
  const own = fenceAround(state.ledger, container);
  // Beside all of them may be an exclusive one, to which they matter as they are now.
  const containers = classesAround(state, [container])
    .filter(({ id }) => own === undefined || id === own || !assignments.has(id));
  if (containers.length === 0) return then(state);
  return {
    kind: "read",
    containers,
    then: (readings) => {
      const { ledger, logs } = withGroups(state, state.ledger, containers, readings);
      return withLogs(then(withLedger(state, ledger)), logs);
    },
  };
}

interface Known {
  readonly ledger: Ledger;
  readonly logs: readonly LogRecord[];
}

/** The ledger with what was read of these groups. One that isn't there yet is looked for again. */
export function withGroups(
  state: AgentState,
  before: Ledger,
  groups: readonly ContainerRef[],
  readings: Readings,
): Known {
  const logs: LogRecord[] = [];
  const ledger = state.dryRun ? before : groups.reduce((ledger, ref) => {
    const reading = readings.get(ref.id);
    if (reading === undefined || reading.kind === "absent") return ledger;
    const known = ledger.assignments.get(ref.id);
    const keeps = keptBy(state, ref);
    if (reading.kind === "unverified") {
      // Whether kubelet has a system partition isn't known then.
      if (known === undefined && (keeps === "online" || isInSystemPartition(ref.id))) return ledger;
      if (known === undefined || (isFence(known) && lossOf(known) === undefined)) {
        logs.push(unfencedLog(ref, reading.reason));
      }
      return withoutFence(
        known === undefined ? ledger.with(groupOn(ref, ANYWHERE, "online")) : ledger,
        ref.id,
      );
    }
    const cpus = ownCpus(reading);
    if (known !== undefined) return ledger.update(ref.id, (group) => observe(group, cpus));
    const problem = foreign(ref, reading, ledger);
    if (problem !== undefined) {
      if (keeps === "online") return ledger;
      logs.push(unfencedLog(ref, problem));
      return ledger.with(groupOn(ref, cpus, "found"));
    }
    // An agent before may have kept it off CPUs.
    const isWhole = ledger.topology.online.isSubsetOf(cpus);
    return keeps === "online" && isWhole ? ledger : ledger.with(groupOn(ref, cpus, keeps));
  }, before);
  return { ledger, logs };
}

function keptBy(state: AgentState, { id }: ContainerRef): GroupClaim["keeps"] {
  const { fence, hostFence } = state;
  const isFencing = fence === "on" || (fence === "auto" && writablePort(state)?.version === 2);
  if (!HOST_GROUPS.includes(id)) return isFencing ? "unexclusive" : "online";
  return hostFence === "off" ? "online" : hostFence;
}

/**
 * The ledger with a group that couldn't keep what it should and can be read again: after a back-off it is written once more,
 * and it counts as a fence for what is in it only where that has succeeded or, for now, failed.
 */
export function withGroupRetried(state: AgentState, group: Assignment, reading: CpusetValues): Known {
  const { ledger, now } = state;
  const { container, claim } = group;
  const lost = lossOf(group);
  const keeps = keptBy(state, container);
  if (claim.kind !== "group" || (lost !== undefined && lost.retryAt > now)) return { ledger, logs: [] };
  if (claim.keeps !== "online") {
    const isOver = failureOf(group) === undefined && isIn(ledger, group, ledger.desired(group));
    if (lost === undefined || !isOver) return { ledger, logs: [] };
    const kept = ledger.update(container.id, (group) => withLoss(group, undefined));
    return { ledger: kept, logs: [keptAgainLog(container, lost.tries - 1)] };
  }
  const cpusets = writablePort(state);
  const isOthers = foreign(container, reading, ledger) !== undefined;
  if (keeps === "online" || isOthers || cpusets === undefined) return { ledger, logs: [] };
  const next = failureAfter(lost, { cpus: CpuSet.empty, reason: "", now });
  const known = ledger.update(container.id, (group) => withLoss(group, next));
  if (lost === undefined) return { ledger: known, logs: [] };
  const slice = applySlice(cpusets, withGroupKept(state, known, container, keeps), now, { kind: "due", now });
  const written = slice.ledger.assignments.get(container.id);
  const isTried = written !== undefined &&
    (failureOf(written) !== undefined || isIn(slice.ledger, written, slice.ledger.desired(written)));
  return { ...slice, ledger: isTried ? slice.ledger : withoutFence(slice.ledger, container.id) };
}

/** The ledger with a group that keeps that again; where it is a fence, all that is in it is behind it. */
function withGroupKept(
  state: AgentState,
  before: Ledger,
  { id }: ContainerRef,
  keeps: GroupClaim["keeps"],
): Ledger {
  const ledger = before.update(
    id,
    (group) => ({ ...group, claim: { ...group.claim, kind: "group", keeps } }),
  );
  return ledger.assignments.values().filter((each) => !isGroup(each)).reduce((next, each) => {
    const around = fenceOf(state, ledger, each.container);
    return around.fence === id ? next.with({ ...each, ...around }) : next;
  }, ledger);
}

/** Why a set isn't changed that another program has narrowed. */
function foreign(
  { id }: ContainerRef,
  { cpus, isForeign }: CpusetValues,
  ledger: Ledger,
): string | undefined {
  const isWhole = ledger.topology.online.isSubsetOf(cpus);
  if (!isForeign || isWhole) return undefined;
  return `another program has given ${id} the CPUs ${cpus}; ` +
    `write all CPUs there, or set ${HOST_GROUPS.includes(id) ? "hostFence" : "fence"}: off`;
}

/** Whether what is in force of a container's own set shows that the fence around it has other CPUs than are known. */
export function hasOtherFence(
  ledger: Ledger,
  { fence }: Assignment,
  reading: CpusetReading | undefined,
): boolean {
  const group = fence === undefined ? undefined : ledger.assignments.get(fence);
  if (group === undefined || reading?.kind !== "values") return false;
  const { online } = ledger.topology;
  const known = ownCpus(reading).intersection(ledger.mayRunOn(group));
  return !(reading.effective ?? reading.cpus).intersection(online).equals(known.intersection(online));
}

/** The ledger with the fence around a container as it is read now, as where systemd has emptied its set. */
export function withFenceRead(
  ledger: Ledger,
  { fence = "" }: Assignment,
  then: (ledger: Ledger) => Decision,
): Decision {
  const group = ledger.assignments.get(fence);
  if (group === undefined) return then(ledger);
  const containers = [group.container];
  return { kind: "read", containers, then: (readings) => then(withReadings(ledger, readings)) };
}

/** The ledger with what these readings show of groups. */
export function withFencesOf(ledger: Ledger, readings: Readings): Ledger {
  const groups = [...readings].filter(([id]) => {
    const read = ledger.assignments.get(id);
    return read !== undefined && isGroup(read);
  });
  return withReadings(ledger, new Map(groups));
}
