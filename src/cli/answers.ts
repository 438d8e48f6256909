import type { Topology } from "../cpu/topology.ts";
import { backoff } from "../host/backoff.ts";
import { scanClaims } from "../host/cgroup_scan.ts";
import { Cri } from "../host/cri.ts";
import type { Log } from "../host/log.ts";
import { pause } from "../host/pause.ts";
import type { Change } from "../ledger/changes.ts";
import type { Listing } from "../nri/early.ts";
import { type Boot, reconfigure } from "./boot.ts";
import type { Answers } from "./driver.ts";

/** Delays between tries to reach the CRI, in ms: it comes up a moment after the runtime has launched us. */
const FIRST_RETRY = 100;
const LAST_RETRY = 2000;

/** Who answers the agent's questions on this node. */
export function answersOf(topology: Topology, boot: Boot): Answers & { close(): void } {
  const { effective: { config }, log, stop } = boot;
  const running = new RunningContainers(config.criSockets, log, stop);
  return {
    list: () => running.list(),
    apply: (changes) => running.apply(changes),
    scan: () => scanClaims(config.cgroupRoot, topology.online),
    configure: (text) => reconfigure(text, boot),
    close: () => running.close(),
  };
}

/** The running containers, as the runtime's other interface (the CRI) tells them. */
class RunningContainers {
  #cri: Cri | undefined;

  constructor(
    private readonly sockets: readonly string[],
    private readonly log: Log,
    private readonly stop: AbortSignal,
  ) {}

  /** Tries until it is told, or stopped (undefined). */
  async list(): Promise<Listing | undefined> {
    const delays = backoff(FIRST_RETRY, LAST_RETRY);
    for (let told = ""; !this.stop.aborted; await pause(delays.next(), this.stop)) {
      try {
        this.#cri ??= await Cri.connect(this.sockets);
        return await this.#cri.list();
      } catch (error) {
        const message = `the running containers can't be listed (still trying): ${(error as Error).message}`;
        if (message !== told) this.log.write({ level: "warn", message });
        told = message;
        this.close();
      }
    }
    return undefined;
  }

  /**
   * One container after the other. The runtime asks its plugins about each such update, so what is written in the
   * end is the agent's own answer, which is never older than this list.
   */
  async apply(changes: readonly Change[]): Promise<void> {
    for (const { id, cpus } of changes) {
      if (this.stop.aborted) return;
      try {
        this.#cri ??= await Cri.connect(this.sockets);
        await this.#cri.updateCpus(id, cpus.toString());
      } catch (error) {
        const message = `container not put right yet: ${(error as Error).message}`;
        this.log.write({ level: "warn", message, fields: { container: id, cpus: cpus.toString() } });
      }
    }
  }

  close(): void {
    this.#cri?.close();
    this.#cri = undefined;
  }
}
