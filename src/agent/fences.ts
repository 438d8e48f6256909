/**
 * Fences: the cgroups of QoS classes, kept off exclusive CPUs, so that the kernel keeps every container of the class off
 * them, also one that starts while no agent runs. They are found from where containers are, never guessed, and watched:
 * systemd may empty one whose last pod has gone.
 */
import type { CpusetReading } from "../cgroup/port.ts";
import type { Assignment } from "../ledger/assignment.ts";
import type { ContainerRef } from "../ledger/claim.ts";
import { ANYWHERE, observe } from "../ledger/delivery.ts";
import { groupOn, groupRef, isFence, withoutFence } from "../ledger/groups.ts";
import type { Ledger } from "../ledger/ledger.ts";
import type { LogRecord } from "../log_record.ts";
import { qosClassesOf } from "../nri/qos.ts";
import { ownCpus, writablePort } from "./apply_mode.ts";
import { type Decision, type Readings, withLogs } from "./decision.ts";
import { unfencedLog } from "./logs.ts";
import { withLedger } from "./pending.ts";
import type { AgentState } from "./state.ts";

/** The classes around these containers, and beside them. */
export function classesAround(state: AgentState, containers: readonly ContainerRef[]): ContainerRef[] {
  if (writablePort(state)?.version !== 2) return [];
  const paths = containers.flatMap(({ cgroup }) =>
    cgroup === undefined ? [] : qosClassesOf(cgroup)?.all ?? []
  );
  return [...new Set(paths)].map(groupRef);
}

/** These containers, and the classes around and beside them. */
export function withClassesAround(state: AgentState, containers: readonly ContainerRef[]): ContainerRef[] {
  return [...containers, ...classesAround(state, containers)];
}

/** The id of the fence around a container, by where it is; undefined: there is none. */
export function fenceAround(ledger: Ledger, { cgroup }: ContainerRef): string | undefined {
  const own = cgroup && qosClassesOf(cgroup)?.own;
  const group = own === undefined ? undefined : ledger.assignments.get(own);
  return group !== undefined && isFence(group) ? group.container.id : undefined;
}

/** The same as a part of an assignment. */
export function fenceOf(ledger: Ledger, container: ContainerRef): Pick<Assignment, "fence"> {
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
  const containers = classesAround(state, [container]).filter(({ id }) => id === own || !assignments.has(id));
  if (containers.length === 0) return then(state);
  return {
    kind: "read",
    containers,
    then: (readings) => {
      const { ledger, logs } = withClasses(state, state.ledger, containers, readings);
      return withLogs(then(withLedger(state, ledger)), logs);
    },
  };
}

interface Known {
  readonly ledger: Ledger;
  readonly logs: readonly LogRecord[];
}

/** The ledger with what was read of these classes. One that isn't there yet is looked for again. */
export function withClasses(
  { fence, dryRun }: AgentState,
  before: Ledger,
  classes: readonly ContainerRef[],
  readings: Readings,
): Known {
  const logs: LogRecord[] = [];
  const ledger = classes.reduce((ledger, ref) => {
    const reading = readings.get(ref.id);
    if (reading === undefined || reading.kind === "absent" || dryRun) return ledger;
    const known = ledger.assignments.get(ref.id);
    if (reading.kind === "unverified") {
      if (fence === "off") return ledger;
      if (known === undefined || isFence(known)) logs.push(unfencedLog(ref, reading.reason));
      return withoutFence(
        known === undefined ? ledger.with(groupOn(ref, ANYWHERE, "online")) : ledger,
        ref.id,
      );
    }
    if (known !== undefined) return ledger.update(ref.id, (group) => observe(group, ownCpus(reading)));
    if (fence === "auto") return ledger.with(groupOn(ref, ownCpus(reading), "unexclusive"));
    // An agent before may have kept it off CPUs.
    const isWhole = ledger.topology.online.isSubsetOf(reading.cpus);
    return isWhole ? ledger : ledger.with(groupOn(ref, reading.cpus, "online"));
  }, before);
  return { ledger, logs };
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
