/** External mode: connect to the runtime's socket, serve until the connection ends, connect again, for ever. */
import { newAgent } from "../agent/step.ts";
import type { Config } from "../config/schema.ts";
import { backoff } from "../platform/backoff.ts";
import { OwnerLock } from "../platform/lock.ts";
import { pause } from "../platform/pause.ts";
import { type Connection, connectUnix } from "../platform/socket.ts";
import { answersOf } from "./answers.ts";
import { type Boot, cpusetsFor, identityOf, logStart, machineOf, rediscover, settingsOf } from "./boot.ts";
import { Driver } from "./driver.ts";
import { watchCpus } from "./watch_cpus.ts";
import { watchPeers } from "./watch_peers.ts";

/** Delays between connection attempts, in ms: dialling a unix socket is cheap, a missed creation is not. */
const FIRST_RETRY = 100;
const LAST_RETRY = 1000;

/** Runs until stopped; resolves when the request in hand is answered. Rejects only for what makes a start senseless. */
export async function runExternal(boot: Boot): Promise<void> {
  const { effective: { config }, stop } = boot;
  const machine = machineOf(config);
  logStart("external", machine, boot);
  const { lock, waited } = await ownership(config, boot);
  if (stop.aborted) return;
  const answers = answersOf(machine.topology, boot);
  const agent = newAgent({
    identity: identityOf(config),
    topology: machine.topology,
    standby: false,
    cpusets: cpusetsFor(boot),
    ...settingsOf(config),
  });
  const driver = new Driver(agent, answers, boot.log, stop);
  const unwatch = watchCpus(driver, boot);
  const peers = watchPeers(driver, boot);
  try {
    await serve(driver, waited, boot);
  } finally {
    unwatch();
    peers.close();
    driver.close();
    lock?.release();
  }
}

interface Ownership {
  readonly lock?: OwnerLock;
  /** Another agent had it first. */
  readonly waited: boolean;
}

/** A second instance waits here, unregistered. A dry run changes nothing and so needs no leave. */
async function ownership({ dryRun, runDir }: Config, { log, stop, version }: Boot): Promise<Ownership> {
  if (dryRun) return { waited: false };
  let waited = false;
  const wait = (holder: string) => {
    waited = true;
    log.write({
      level: "warn",
      message: "another agent decides on this node, waiting for its end",
      fields: { holder },
    });
  };
  try {
    return { lock: await OwnerLock.acquire(runDir, `external, ${version}`, stop, wait), waited };
  } catch (error) {
    if (stop.aborted) return { waited };
    throw error;
  }
}

async function serve(driver: Driver, waited: boolean, boot: Boot): Promise<void> {
  const { effective: { config }, log, stop } = boot;
  const retries = backoff(FIRST_RETRY, LAST_RETRY);
  // What the start has found out about the machine holds if there was nothing to wait for since.
  let fresh = !waited;
  while (!stop.aborted) {
    const connection = await dial(config.socket, boot);
    if (connection !== undefined) {
      const known = driver.agent.state.topology;
      const topology = fresh ? known : rediscover(config, known, boot);
      const served = await driver.converse(connection, topology);
      if (served) retries.reset();
      if (!stop.aborted) {
        log.write({ level: "warn", message: "disconnected from the runtime, connecting again" });
      }
    }
    fresh = false;
    await pause(retries.next(), stop);
  }
}

async function dial(socket: string, { log }: Boot): Promise<Connection | undefined> {
  try {
    return await connectUnix(socket);
  } catch (error) {
    log.write({ level: "warn", message: `${(error as Error).message} (still trying)` });
    return undefined;
  }
}
