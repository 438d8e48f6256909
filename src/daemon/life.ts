/** The life of the process, one for both modes: machine, leader lock, agent, then one connection after the other. */
import { newAgent } from "../agent/step.ts";
import type { Topology } from "../cpu/topology.ts";
import { backoff } from "../platform/backoff.ts";
import { pause } from "../platform/pause.ts";
import { claimLock } from "./claim_lock.ts";
import type { Context } from "./context.ts";
import { Driver } from "./driver.ts";
import { cpusetsFor, rediscover } from "./machine.ts";
import type { Mode } from "./modes.ts";
import { queriesOn } from "./queries.ts";
import { identityOf, settingsOf } from "./settings.ts";
import { logStart } from "./startup_log.ts";
import { watchCpus } from "./watch_cpus.ts";
import { watchPeers } from "./watch_peers.ts";

/** Bounds of the delay between two connections: dialling a unix socket is cheap, a missed creation isn't. */
const FIRST_RETRY_MS = 100;
const LAST_RETRY_MS = 1000;

/**
 * Resolves when the process has nothing more to do: it is stopped, or disconnected in a mode that doesn't reconnect.
 * @throws {Error} what prevents the start in this mode
 */
export async function live(mode: Mode, context: Context): Promise<void> {
  const machine = mode.discover(context.effective.config);
  logStart(mode.name, machine, context);
  const end = new AbortController();
  const ended = AbortSignal.any([context.stop, end.signal]);
  const lock = claimLock(mode, context, ended);
  if (mode.standby === "unregistered") await lock.acquired;
  if (context.stop.aborted) return;
  const standby = lock.contested && mode.standby === "registered";
  const driver = driverOf(machine.topology, standby, context, ended);
  if (standby) lock.acquired.then(() => promote(driver, ended));
  const watches = [watchCpus(driver, context), watchPeers(driver, context)];
  try {
    // What was read of the machine is recent unless the lock was awaited since.
    await serve(mode, driver, standby || !lock.contested, context);
  } finally {
    for (const watch of watches) watch.close();
    end.abort();
    driver.close();
    (await lock.acquired)?.release();
  }
}

function driverOf(topology: Topology, standby: boolean, context: Context, ended: AbortSignal): Driver {
  const { effective: { config }, log, stop } = context;
  const queries = queriesOn(topology, { ...context, stop: ended });
  const cpusets = cpusetsFor(context);
  const agent = newAgent({
    identity: identityOf(config),
    topology,
    standby,
    cpusets,
    ...settingsOf(config),
  });
  return new Driver(agent, queries, log, stop);
}

function promote(driver: Driver, ended: AbortSignal): void {
  if (!ended.aborted) driver.feed({ kind: "promoted", now: performance.now() });
}

/** Serves one connection after the other, the first one with the agent's topology if that is `recent`. */
async function serve(mode: Mode, driver: Driver, recent: boolean, context: Context): Promise<void> {
  const { effective: { config }, log, stop } = context;
  const retries = backoff(FIRST_RETRY_MS, LAST_RETRY_MS);
  for (let isRecent = recent; !stop.aborted; isRecent = false) {
    const connection = await mode.connect(context);
    if (connection !== undefined) {
      const known = driver.agent.state.topology;
      const topology = isRecent ? known : rediscover(config, known, context);
      const served = await driver.serve(connection, topology);
      if (!mode.reconnects) return;
      if (served) retries.reset();
      if (!stop.aborted) log.write({ level: "warn", message: "connection lost; reconnecting" });
    }
    await pause(retries.next(), stop);
  }
}
