/**
 * Launched mode: the runtime has started us from its plugin directory, with one end of a socket pair, three
 * environment variables and nothing else. containerd 1.7 dies with a plugin that exits or hangs before it has
 * registered, so here nothing is a reason not to: whatever is wrong is logged, and the agent does what it still can.
 */
import { newAgent } from "../agent/step.ts";
import { CpuSet } from "../cpu/cpu_set.ts";
import type { Discovery } from "../cpu/discover.ts";
import { Topology } from "../cpu/topology.ts";
import type { Config } from "../config/schema.ts";
import { LeaderLock } from "../platform/lock.ts";
import { openInherited } from "../platform/inherited_fd.ts";
import { answersOf } from "./answers.ts";
import { type Boot, cpusetsFor, identityOf, logStart, machineOf, settingsOf } from "./boot.ts";
import { Driver } from "./driver.ts";
import { watchCpus } from "./watch_cpus.ts";
import { watchPeers } from "./watch_peers.ts";

/** Serves the connection at descriptor `fd` until the runtime closes it, or until stopped. */
export async function runLaunched(fd: number, boot: Boot): Promise<void> {
  const { effective: { config }, stop } = boot;
  const connection = openInherited(fd);
  const machine = discoverOrGuess(config);
  logStart("launched", machine, boot);
  const end = new AbortController();
  const ended = AbortSignal.any([stop, end.signal]);
  const ownership = claimOwnership(config, ended, boot);
  const answers = answersOf(machine.topology, { ...boot, stop: ended });
  const agent = newAgent({
    identity: identityOf(config),
    topology: machine.topology,
    standby: ownership.waiting,
    cpusets: cpusetsFor(boot),
    ...settingsOf(config),
  });
  const driver = new Driver(agent, answers, boot.log, stop);
  if (ownership.waiting) {
    ownership.gained.then(() => driver.feed({ kind: "promoted", now: performance.now() }));
  }
  const unwatch = watchCpus(driver, boot);
  const peers = watchPeers(driver, boot);
  try {
    await driver.converse(connection, machine.topology);
  } finally {
    unwatch();
    peers.close();
    end.abort();
    driver.close();
  }
}

/** The machine; where the kernel doesn't tell, as many single CPUs as this process sees. */
function discoverOrGuess(config: Config): Discovery {
  try {
    return machineOf(config);
  } catch (error) {
    const cpus = CpuSet.range(0, navigator.hardwareConcurrency - 1);
    const lone = cpus.toArray().map((id) => ({ id, core: id, cacheGroup: 0, node: 0, socket: 0 }));
    const node = { id: 0, cpus, hasMemory: false, distances: new Map() };
    const warning = `${(error as Error).message}; CPUs ${cpus} are assumed, each a core of its own`;
    return { topology: new Topology(lone, [node]), warnings: [warning] };
  }
}

interface Ownership {
  /** Another agent decides for now. */
  readonly waiting: boolean;
  /** Resolves when it doesn't any more; never, when this process ends before. */
  readonly gained: Promise<void>;
}

function claimOwnership({ runDir, dryRun }: Config, ended: AbortSignal, { log, version }: Boot): Ownership {
  if (dryRun) return { waiting: false, gained: Promise.resolve() };
  let waiting = false;
  const wait = (holder: string) => {
    waiting = true;
    log.write({
      level: "warn",
      message: "another agent decides on this node, standing by",
      fields: { holder },
    });
  };
  const gained = new Promise<void>((resolve) => {
    LeaderLock.acquire(runDir, `launched, ${version}`, ended, wait).then(() => resolve(), (error) => {
      if (ended.aborted) return;
      // Without the lock nobody else can have it either; without a decider containers would run anywhere.
      log.write({
        level: "error",
        message: `no owner's lock, deciding without it: ${(error as Error).message}`,
      });
      resolve();
    });
  });
  return { waiting, gained };
}
