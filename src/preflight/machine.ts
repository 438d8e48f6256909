/** The machine's CPUs, and how many of them can be exclusive. */
import { usableCpusReader, usableReader } from "../cgroup/usable_cpus.ts";
import type { Config } from "../config/schema.ts";
import { CpuSet } from "../cpu/cpu_set.ts";
import { discover } from "../cpu/discover.ts";
import type { Topology } from "../cpu/topology.ts";
import { freeFor, spare } from "../ledger/candidates.ts";
import { keptIsolated } from "../ledger/isolated.ts";
import { Ledger } from "../ledger/ledger.ts";
import type { Policy } from "../ledger/policy.ts";
import { milliValue } from "../manifests/quantity.ts";
import { at } from "../platform/json_at.ts";
import { type KubeletFacts, type KubeletSettings, unknownSettings } from "./kubelet.ts";
import { fail, pass, textOf, type Verdict, warn } from "./verdict.ts";

/** What sysfs shows. */
export type MachineFacts =
  | {
    readonly kind: "known";
    readonly topology: Topology;
    /** What of it is unknown: a sentence each. */
    readonly warnings: readonly string[];
    /** CPUs that are online, also those that no container can have: kubelet counts all of them. */
    readonly online: CpuSet;
  }
  /** `reason` is a sentence. */
  | { readonly kind: "unknown"; readonly reason: string };

/** Throws nothing. */
export function readMachine({ sysfsRoot, cgroupRoot }: Config): MachineFacts {
  try {
    const usable = usableCpusReader(sysfsRoot, cgroupRoot)();
    const { topology, warnings } = discover(usableReader(sysfsRoot, usable), usable?.withheld);
    return { kind: "known", topology, warnings, online: usable?.online ?? topology.online };
  } catch (error) {
    return { kind: "unknown", reason: (error as Error).message };
  }
}

export function checkSysfs(machine: MachineFacts, { sysfsRoot }: Pick<Config, "sysfsRoot">): Verdict {
  if (machine.kind === "unknown") {
    return fail(`${sysfsRoot}: ${machine.reason}`, "mount sysfs there, or name where it is: sysfsRoot");
  }
  const { topology: { online, nodes, cores }, warnings: [first] } = machine;
  const ids = CpuSet.from(nodes.map(({ id }) => id));
  return first === undefined
    ? pass(`CPUs ${online} in ${cores.length} cores, NUMA nodes ${ids}`)
    : warn(first, "none, where the hardware or hypervisor shows no more: CPUs are placed by what is known");
}

export function checkIsolated(
  machine: MachineFacts,
  { isolatedCpus }: Pick<Policy, "isolatedCpus">,
): Verdict {
  const isolated = machine.kind === "known"
    ? machine.topology.isolated.intersection(machine.topology.online)
    : CpuSet.empty;
  if (isolated.isEmpty) return pass("no CPUs are isolated (isolcpus)");
  if (isolatedCpus !== "ignore") {
    return pass(`CPUs ${isolated} are isolated; isolatedCpus is ${isolatedCpus}`);
  }
  return warn(
    `CPUs ${isolated} are isolated, and in the shared pool, where the kernel balances no load onto or off them`,
    "in /etc/weka-cpuset/config.yaml: isolatedCpus: exclusive",
  );
}

/** CPUs for the host, for example: the machine's first core. */
export function forHost(machine: MachineFacts): CpuSet {
  return CpuSet.from(machine.kind === "known" ? machine.topology.cores[0]?.threads ?? [] : []);
}

/** The CPUs that exclusive containers could have on the node while nothing runs there, and how many at once. */
export function exclusiveRoom(
  topology: Topology,
  policy: Policy,
): { readonly cpus: CpuSet; readonly most: number } {
  const ledger = Ledger.empty(topology, policy);
  const cpus = freeFor(ledger, CpuSet.empty);
  const isolated = cpus.intersection(keptIsolated(ledger)).size;
  return { cpus, most: isolated + Math.min(cpus.size - isolated, spare(ledger)) };
}

/**
 * The scheduler counts with what kubelet offers, its CPUs less what it reserves (Node Allocatable); the agent with what is
 * neither reserved nor kept for the shared pool. Where the first is more, a pod is scheduled that the agent refuses for ever.
 */
export function checkAllocatable(
  machine: MachineFacts,
  { settings }: Pick<KubeletFacts, "settings">,
  policy: Policy,
): Verdict {
  if (machine.kind === "unknown") return warn("the node's CPUs are unknown", "see the check sysfs");
  if (settings.kind === "unknown") return unknownSettings(settings);
  const { online, topology } = machine;
  const reserved = reservedMilli(settings);
  if (reserved === undefined) {
    return warn(
      `${settings.file} reserves what can't be understood`,
      `in ${settings.file}: reservedSystemCPUs: "0"`,
    );
  }
  const { most } = exclusiveRoom(topology, policy);
  const whole = Math.floor((online.size * 1000 - reserved) / 1000);
  const said = `kubelet offers ${
    (online.size * 1000 - reserved) / 1000
  } of ${online.size} CPUs, and ${most} of them can be exclusive`;
  if (whole <= most) return pass(said);
  const list = reservedList(online, policy.systemReserved, online.size - most);
  return fail(
    `${said}: a Guaranteed pod with ${whole} CPUs would be scheduled here and refused for ever`,
    `in ${settings.file}: reservedSystemCPUs: "${list}"; systemctl restart kubelet`,
  );
}

/** What kubelet reserves, in thousandths of a CPU; undefined: it isn't understood. `reservedSystemCPUs` replaces the others. */
function reservedMilli({ values }: KubeletSettings & { kind: "read" }): number | undefined {
  const named = at(values, "reservedSystemCPUs");
  if (named !== undefined && named !== "") {
    const cpus = CpuSet.parse(textOf(named));
    return cpus instanceof CpuSet ? cpus.size * 1000 : undefined;
  }
  const amounts = ["kubeReserved", "systemReserved"].map((key) => at(values, key, "cpu") ?? 0);
  try {
    return amounts.reduce<number>((sum, amount) => sum + milliValue(textOf(amount)), 0);
  } catch {
    return undefined;
  }
}

/** So many CPUs: those that the agent reserves, and the first of the others. */
function reservedList(online: CpuSet, reserved: CpuSet, count: number): CpuSet {
  const own = online.intersection(reserved);
  const others = online.difference(reserved).toArray().slice(0, Math.max(0, count - own.size));
  return own.union(CpuSet.from(others));
}
