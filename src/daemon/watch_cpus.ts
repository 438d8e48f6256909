/**
 * CPUs that go offline, come online, or are kept from containers: read again before each claim is decided, and once a second, with
 * each tick. These are two short files that the kernel makes up: for the one its event would need a netlink socket, for the other
 * (cpuset.cpus.effective) there is none.
 */
import type { MachineChange, MachinePort } from "../agent/machine.ts";
import { type UsableCpus, usableCpusReader } from "../cgroup/usable_cpus.ts";
import { freeHugePages } from "../cpu/huge_pages.ts";
import type { ReadFile } from "../cpu/sysfs_files.ts";
import type { Topology } from "../cpu/topology.ts";
import { withheldText } from "../cpu/withheld.ts";
import type { ContainerRef } from "../ledger/claim.ts";
import { perLedger } from "../ledger/per_ledger.ts";
import { atInterval } from "../platform/shared_interval.ts";
import { readerOf } from "../platform/sysfs.ts";
import type { Context } from "./context.ts";
import type { Driver } from "./driver.ts";
import { TICK_MS } from "./latency.ts";
import { rediscover } from "./machine.ts";

/** Of those that are logged. */
const MAX_CAUSES = 64;

const REMOVED =
  "cgroup v1 removes CPUs that go offline for good; write them to the cpuset.cpus of kubepods and of its " +
  "parents, or restart the node";

type MachineContext = Pick<Context, "effective" | "log">;

/** The machine that the agent runs on. */
export function machineOn(context: MachineContext): MachinePort {
  return new Machine(context);
}

class Machine implements MachinePort {
  readonly #usable: (container?: ContainerRef) => UsableCpus | undefined;
  readonly #read: ReadFile;
  /** The causes that have been logged: each once, also where it comes and goes. */
  readonly #logged = new Set<string>();

  constructor(private readonly context: MachineContext) {
    const { sysfsRoot, cgroupRoot } = context.effective.config;
    this.#usable = usableCpusReader(sysfsRoot, cgroupRoot);
    this.#read = readerOf(sysfsRoot);
  }

  changed(known: Topology, container?: ContainerRef): MachineChange | undefined {
    const cpus = this.#usable(container);
    if (cpus === undefined) return undefined;
    this.#logWithheld(cpus);
    if (cpus.online.difference(cpus.unusable).equals(known.online)) return undefined;
    const topology = rediscover(this.context.effective.config, known, this.context, cpus);
    return topology.online.equals(known.online)
      ? undefined
      : { topology, offlineRemoved: cpus.removesOffline };
  }

  freeHugePages(node: number, pageKiB: number): number | undefined {
    return freeHugePages(this.#read, node, pageKiB);
  }

  /** The agent doesn't repair this: others below the same parents may have been removed from those CPUs on purpose. */
  #logWithheld({ withheld, removesOffline }: UsableCpus): void {
    for (const each of withheld) {
      const text = withheldText([each]);
      if (this.#logged.has(text) || this.#logged.size >= MAX_CAUSES) continue;
      this.#logged.add(text);
      const reason = removesOffline ? `${text}; ${REMOVED}` : text;
      this.context.log.write({
        level: "error",
        message: "online CPUs not available to containers",
        fields: { cpus: `${each.cpus}`, reason },
      });
    }
  }
}

/** Any container shows where kubelet's cgroups are. */
const anyIn = perLedger(({ assignments }) => ({
  container: assignments.values().find(({ container: { isGroup } }) => !isGroup)?.container,
}));

/** Reports changes of the machine to the agent, until closed. */
export function watchCpus(driver: Driver, machine: MachinePort): { close(): void } {
  return atInterval(TICK_MS, () => {
    const { ledger } = driver.agent.state;
    const change = machine.changed(ledger.topology, anyIn(ledger).container);
    if (change !== undefined) driver.feed({ kind: "topology", now: performance.now(), ...change });
  });
}
