/** By which way containers get their CPUs on this node: written in their cgroups, or by the runtime alone. */
import type { CpusetPort, CpusetReading, CpusetValues } from "../cgroup/port.ts";
import { ANYWHERE, VOID } from "../ledger/bound.ts";
import { confirm, created, type Delivered, foundByRecord } from "../ledger/delivery.ts";
import type { DeliverBy } from "../ledger/plan.ts";
import type { CpuSet } from "../cpu/cpu_set.ts";
import type { Container } from "../nri/gen/nri_pb.ts";
import type { AgentState } from "./state.ts";

/** What cgroups are read by; undefined where nothing may depend on them: in standby, and in a dry run. */
export function readablePort({ cpusets, dryRun, standby }: AgentState): CpusetPort | undefined {
  return dryRun || standby ? undefined : cpusets;
}

/** What cgroups are written by; undefined where the runtime does it. */
export function writablePort(state: AgentState): CpusetPort | undefined {
  const cpusets = readablePort(state);
  return state.apply === "runtime" || !cpusets?.writable ? undefined : cpusets;
}

/**
 * How a new container gets its CPUs. systemd may take the cpuset controller away from a unit without AllowedCPUs
 * (cgroup v2) when it realizes that unit anew, so there the record has the CPUs of every container that has a set of its own.
 */
export function deliverByFor(state: AgentState, container: Container): DeliverBy {
  const cpusets = writablePort(state);
  if (cpusets === undefined) return "record";
  const isUnit = (container.linux?.cgroupsPath ?? "").split(":").length === 3;
  return isUnit && cpusets.version === 2 ? "both" : "cgroup";
}

interface FoundContainer {
  /** The CPU set in the runtime's record, if it names one. */
  readonly record: CpuSet | undefined;
  readonly isRunning: boolean;
}

/** How far the delivery to a container has come that is there already, by its record and a reading of its cgroup. */
export function deliveryOfFound(
  state: AgentState,
  { record, isRunning }: FoundContainer,
  reading: CpusetReading | undefined,
): Delivered {
  const found = foundByRecord(record, isRunning);
  if (reading === undefined) return found;
  if (writablePort(state) === undefined) {
    return reading.kind === "values" ? foundOn(found, reading.cpus, state.ledger.topology.online) : found;
  }
  if (reading.kind === "values") {
    return confirm(
      created("cgroup", record),
      ownCpus(reading),
      isRunning ? "running" : "starting",
    );
  }
  // An agent before may have written another set than the record's.
  if (reading.kind === "unverified") return foundOn(found, ANYWHERE);
  return isRunning ? found : created("cgroup", record);
}

/**
 * It may be running on `cpus` too: what the record has may not have been delivered, which a reading shows; before it runs
 * that may be lost again. Where the record has nothing and its cgroup isn't seen it may be on fewer CPUs than it should be.
 */
function foundOn({ mayRunOn, delivery }: Delivered, cpus: CpuSet, online = cpus): Delivered {
  return {
    mayRunOn: mayRunOn.union(cpus),
    delivery: hasRecord(delivery, cpus, online) ? delivery : { ...delivery, recordUnsure: true },
  };
}

function hasRecord({ record, state }: Delivered["delivery"], cpus: CpuSet, online: CpuSet): boolean {
  if (state === "created") return record?.equals(cpus) ?? true;
  if (cpus === ANYWHERE) return record !== undefined;
  return record === undefined || record.intersection(online).equals(cpus.intersection(online));
}

/**
 * The CPUs of a cgroup's own set, by a reading. Without one that counts it follows the cgroup above, which may be given any:
 * only a fence or a partition keeps it off CPUs, and for now.
 */
export function ownCpus({ cpus, isInherited, isVoid }: CpusetValues): CpuSet {
  if (isVoid) return VOID;
  return isInherited ? ANYWHERE : cpus;
}
