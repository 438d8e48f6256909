/** CPUs that go offline or come online: read again before each claim is decided, and once a second. */
import type { MachineChange, MachinePort } from "../agent/machine.ts";
import { type UsableCpus, usableCpusReader } from "../cgroup/usable_cpus.ts";
import type { Topology } from "../cpu/topology.ts";
import type { Context } from "./context.ts";
import type { Driver } from "./driver.ts";
import { rediscover } from "./machine.ts";

/** Between two readings of two short files that the kernel makes up. Its event would need a netlink socket. */
const INTERVAL_MS = 1000;

type MachineContext = Pick<Context, "effective" | "log">;

/** The machine that the agent runs on. */
export function machineOn(context: MachineContext): MachinePort {
  return new Machine(context);
}

class Machine implements MachinePort {
  readonly #usable: () => UsableCpus | undefined;
  /** The CPUs that were last logged as not available. */
  #logged = "";

  constructor(private readonly context: MachineContext) {
    const { sysfsRoot, cgroupRoot } = context.effective.config;
    this.#usable = usableCpusReader(sysfsRoot, cgroupRoot);
  }

  changed(known: Topology): MachineChange | undefined {
    const cpus = this.#usable();
    if (cpus === undefined) return undefined;
    this.#logUnusable(cpus);
    if (cpus.online.difference(cpus.unusable).equals(known.online)) return undefined;
    const topology = rediscover(this.context.effective.config, known, this.context);
    return topology.online.equals(known.online)
      ? undefined
      : { topology, offlineRemoved: cpus.removesOffline };
  }

  /** The agent doesn't repair this: others below the same parents may have been removed from those CPUs on purpose. */
  #logUnusable({ unusable }: UsableCpus): void {
    const cpus = unusable.toString();
    if (cpus === this.#logged) return;
    this.#logged = cpus;
    if (unusable.isEmpty) return;
    const reason =
      "cgroup v1 has removed them from kubepods; write them to the cpuset.cpus of kubepods and of its " +
      "parents, or restart the node";
    this.context.log.write({
      level: "error",
      message: "online CPUs not available to containers",
      fields: { cpus, reason },
    });
  }
}

/** Reports changes of the machine to the agent, until closed. */
export function watchCpus(driver: Driver, machine: MachinePort): { close(): void } {
  const timer = setInterval(() => {
    const change = machine.changed(driver.agent.state.ledger.topology);
    if (change !== undefined) driver.feed({ kind: "topology", now: performance.now(), ...change });
  }, INTERVAL_MS);
  return { close: () => clearInterval(timer) };
}
