/** What a simulated node is: drawn once for each seed, and part of what has to be kept to play a failure again. */
import { CpuSet } from "../../src/cpu/cpu_set.ts";
import type { Settings } from "../../src/agent/state.ts";
import type { Driver } from "./cgroup_paths.ts";
import { setOf } from "./cpus.ts";
import { MACHINE_WEIGHTS, machineWithout } from "./machines.ts";
import type { Nri } from "./messages.ts";
import { Random } from "../random.ts";

export interface Scenario {
  /** Of the drawing, and of how bytes are cut. */
  readonly seed: number;
  readonly machine: string;
  readonly cgroups: 1 | 2;
  /** Which names cgroups, and so the notation of a container's cgroup in its record. */
  readonly driver: Driver;
  /** `kernel`: kernel-first; `runtime`: the agent reads cpusets and writes none; `blind`: it can't even read them. */
  readonly mode: "kernel" | "runtime" | "blind";
  /** Whether QoS classes are kept off exclusive CPUs by their cgroups, which takes the mode `kernel` and cgroup v2. */
  readonly fence: Settings["fence"];
  /** Milliseconds from one comparison with the kernel to the next; 0: none is made. */
  readonly reconcileEvery: number;
  readonly nri: Nri;
  /** Who starts the agent. */
  readonly way: "external" | "launched";
  /** Where a second agent, on standby, is in the order in which plugins are asked; `none`: there is none. */
  readonly standby: "none" | "first" | "last";
  /** CPU list. */
  readonly systemReserved: string;
  readonly strictReserved: boolean;
  readonly minShared: number;
  /** Milliseconds. */
  readonly growDelay: number;
  readonly dryRun: boolean;
  /** What goes wrong in the cgroup tree goes wrong so much more often than usual: then one comes upon the other. */
  readonly trouble: number;
  /** On which CPUs the runtime's unit is kept (CPUAffinity), which containers inherit; empty: on all. */
  readonly runtimeMask: string;
}

const MODES = { kernel: 6, runtime: 2, blind: 2 };

/** What a scenario that was kept before there was such a choice is. */
export const BEFORE: Pick<
  Scenario,
  "standby" | "driver" | "mode" | "fence" | "reconcileEvery" | "trouble" | "runtimeMask"
> = {
  standby: "none",
  driver: "cgroupfs",
  mode: "blind",
  fence: "off",
  reconcileEvery: 0,
  trouble: 1,
  runtimeMask: "",
};

/** What may be chosen instead of what the seed draws; all else stays as the seed draws it. */
export type Chosen = {
  readonly [Key in "machine" | "mode" | "cgroups" | "driver" | "fence"]?: Scenario[Key] | undefined;
};

export function drawScenario(seed: number, chosen: Chosen = {}): Scenario {
  const random = new Random(seed);
  const drawn = random.weighted(MACHINE_WEIGHTS);
  const machine = chosen.machine ?? drawn;
  const cpus = machineWithout(machine, CpuSet.empty).online.toArray();
  const launched = random.chance(0.3);
  const scenario: Scenario = {
    seed,
    machine,
    cgroups: random.chance(0.25) ? 1 : 2,
    nri: random.chance(0.5) ? "0.6" : "0.12",
    way: launched ? "launched" : "external",
    standby: random.chance(launched ? 0.5 : 0.2) ? "last" : "none",
    systemReserved: random.chance(0.3)
      ? CpuSet.from(random.some(cpus.slice(1), random.between(1, 2))).toString()
      : "",
    strictReserved: random.chance(0.3),
    minShared: random.chance(0.8) ? 1 : random.between(1, Math.max(1, Math.floor(cpus.length / 3))),
    growDelay: random.oneOf(0, 500, 500, 3000),
    dryRun: random.chance(0.03),
    driver: random.chance(0.3) ? "systemd" : "cgroupfs",
    mode: random.weighted(MODES),
    reconcileEvery: random.oneOf(0, 1000, 10_000),
    trouble: random.chance(0.3) ? 8 : 1,
    fence: random.chance(0.6) ? "auto" : "off",
    runtimeMask: random.chance(0.2)
      ? `${CpuSet.from(random.some(cpus, random.between(1, cpus.length)))}`
      : "",
  };
  const standby = scenario.standby === "none" ? "none" : random.oneOf("first", "last");
  const { mode, cgroups, driver, fence } = chosen;
  return {
    ...scenario,
    standby,
    ...(mode === undefined ? {} : { mode }),
    ...(cgroups === undefined ? {} : { cgroups }),
    ...(driver === undefined ? {} : { driver }),
    ...(fence === undefined ? {} : { fence }),
  };
}

/** The agent keeps QoS classes off exclusive CPUs by their cgroups. */
export function isFenced({ mode, cgroups, fence, dryRun }: Scenario): boolean {
  return fence === "auto" && mode === "kernel" && cgroups === 2 && !dryRun;
}

export function settingsOf(scenario: Scenario): Settings {
  const { systemReserved, strictReserved, minShared, growDelay, dryRun, mode, fence, reconcileEvery } =
    scenario;
  return {
    policy: {
      systemReserved: setOf(systemReserved),
      strictReserved,
      minShared,
      exclusiveMems: "unset",
      pinnedMems: "local+cpuless",
      correctMems: "young",
      isolatedCpus: "ignore",
    },
    rules: {
      placement: "packed",
      pinnedNamespaces: ["*"],
      pinnedCpu0: "allow",
      unmanagedNamespaces: ["unmanaged"],
      isolationNamespaces: [],
      reservedNamespaces: ["kube-system"],
      sandboxedRuntimes: ["gvisor"],
      vmRuntimes: [],
    },
    growDelayMs: growDelay,
    dryRun,
    apply: mode === "kernel" ? "auto" : "runtime",
    fence,
    hostFence: "off",
    exclusiveQuota: "keep",
    reconcileMs: reconcileEvery,
  };
}
