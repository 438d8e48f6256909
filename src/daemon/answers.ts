import type { Topology } from "../cpu/topology.ts";
import { backoff } from "../platform/backoff.ts";
import { scanClaims } from "../cgroup/scan.ts";
import { Cri } from "../cri/cri.ts";
import { pause } from "../platform/pause.ts";
import type { CpuUpdate } from "../ledger/updates.ts";
import type { Listing } from "../agent/early.ts";
import { type Boot, reconfigure } from "./boot.ts";
import type { Answers } from "./driver.ts";

/** Delays between tries to reach the CRI, in ms: it comes up a moment after the runtime has launched us. */
const FIRST_RETRY = 100;
const LAST_RETRY = 2000;

/** Who answers the agent's questions on this node. */
export function answersOf(topology: Topology, boot: Boot): Answers {
  const { cgroupRoot } = boot.effective.config;
  return {
    list: () => list(boot),
    count: counter(boot),
    apply: (next) => apply(next, boot),
    scan: () => scanClaims(cgroupRoot, topology.online),
    configure: (text) => reconfigure(text, boot),
  };
}

/** Lets `work` use the CRI. A connection of its own each time: an old one may be broken without saying so. */
async function withCri<T>(sockets: readonly string[], work: (cri: Cri) => Promise<T>): Promise<T> {
  const cri = await Cri.connect(sockets);
  try {
    return await work(cri);
  } finally {
    cri.close();
  }
}

/** Counts the living again and again; why that can't be done is said once, until it changes. */
function counter({ effective: { config }, log }: Boot): Answers["count"] {
  let said = "";
  return async () => {
    try {
      const living = await withCri(config.criSockets, (cri) => cri.living());
      said = "";
      return living;
    } catch (error) {
      const message = `the containers can't be counted (still trying): ${(error as Error).message}`;
      if (message !== said) log.write({ level: "warn", message });
      said = message;
      return undefined;
    }
  };
}

/** The running containers, as the CRI tells them. Tries until it is told, or stopped (undefined). */
async function list({ effective: { config }, log, stop }: Boot): Promise<Listing | undefined> {
  const delays = backoff(FIRST_RETRY, LAST_RETRY);
  for (let told = ""; !stop.aborted; await pause(delays.next(), stop)) {
    try {
      return await withCri(config.criSockets, (cri) => cri.list());
    } catch (error) {
      const message = `the running containers can't be listed (still trying): ${(error as Error).message}`;
      if (message !== told) log.write({ level: "warn", message });
      told = message;
    }
  }
  return undefined;
}

/**
 * One container after the other. The runtime asks its plugins about each such update, so what is written in the
 * end is the agent's own answer, which is never older than these changes.
 */
async function apply(
  next: () => CpuUpdate | undefined,
  { effective: { config }, log, stop }: Boot,
): Promise<void> {
  await withCri(config.criSockets, async (cri) => {
    for (let change = next(); change !== undefined && !stop.aborted; change = next()) {
      const cpus = change.cpus.toString();
      try {
        await cri.updateCpus(change.id, cpus);
      } catch (error) {
        const message = `container not put right yet: ${(error as Error).message}`;
        log.write({ level: "warn", message, fields: { container: change.id, cpus } });
      }
    }
  });
}
