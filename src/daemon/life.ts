/** The life of the process, one for both modes: machine, leader lock, agent, then one connection after the other. */
import type { AgentState, Ports } from "../agent/state.ts";
import { newAgent } from "../agent/step.ts";
import { mostDescriptors } from "../cgroup/kept_cgroups.ts";
import type { Topology } from "../cpu/topology.ts";
import type { Metrics } from "../metrics/metrics.ts";
import { observedCpusets } from "../metrics/observer.ts";
import { backoff } from "../platform/backoff.ts";
import { buildInfo } from "../platform/build_info.ts";
import { makeRoomForDescriptors } from "../platform/descriptor_table.ts";
import { pause } from "../platform/pause.ts";
import type { ByteStream } from "../platform/socket.ts";
import type { Context } from "./context.ts";
import { Driver } from "./driver.ts";
import { HttpEndpoint } from "./http_endpoint.ts";
import { Leadership } from "./leadership.ts";
import { cpusetsFor } from "./machine.ts";
import type { Mode } from "./modes.ts";
import { queriesOn } from "./host_queries.ts";
import { activityOf } from "./readiness.ts";
import { registrationNote } from "./registration_note.ts";
import { identityOf, settingsOf } from "./settings.ts";
import { logStart } from "./startup_log.ts";
import type { Served, StatusApi } from "./status_api.ts";
import { StatusServer } from "./status_server.ts";
import { machineOn, watchCpus } from "./watch_cpus.ts";
import { watchPeers } from "./watch_peers.ts";
import { watchRest } from "./watch_rest.ts";

/** Bounds of the delay between two connections: dialling a unix socket is cheap, a missed creation isn't. */
const FIRST_RETRY_MS = 100;
const LAST_RETRY_MS = 1000;

/**
 * Resolves when the process has nothing more to do: it is stopped, or disconnected in a mode that doesn't reconnect.
 * @throws {Error} what prevents the start in this mode
 */
export async function live(mode: Mode, context: Context): Promise<void> {
  const discovered = mode.discover(context.effective.config);
  logStart(mode.name, discovered, context);
  const end = new AbortController();
  const ended = AbortSignal.any([context.stop, end.signal]);
  const leadership = new Leadership(mode, context, ended, (isActive) => {
    driver.feed(isActive ? { kind: "promoted", now: performance.now() } : { kind: "demoted" });
    if (isActive) status.open();
    else status.close();
  });
  const machine = machineOn(context);
  const metrics = await metricsFor(mode, context);
  const ports = { machine, activeEnds: () => leadership.activeEnds };
  const driver = driverOf(discovered.topology, ports, context, ended, metrics);
  const room = makeRoomForDescriptors(mostDescriptors());
  const api = askedFor({ driver, mode, context, holder: () => leadership.holder, metrics });
  const status = new StatusServer(api, context);
  const { probeSocket } = context.effective.config;
  const probes = probeSocket === "" ? [] : [new StatusServer(api, context, probeSocket)];
  const http = new HttpEndpoint(api, context);
  const watches = [watchCpus(driver, machine), watchPeers(driver, context), watchRest(driver)];
  http.open();
  for (const probe of probes) probe.open();
  try {
    await serve(mode, driver, leadership, context);
  } finally {
    for (const watch of [...watches, ...probes, status, http]) watch.close();
    end.abort();
    driver.close();
    await Promise.all([leadership.close(), room]);
  }
}

/** What shows the agent's state is loaded when somebody asks for it: an agent that nobody asks doesn't carry it. */
function askedFor(served: Served): () => Promise<StatusApi> {
  let api: Promise<StatusApi> | undefined;
  return () => api ??= import("./status_api.ts").then(({ StatusApi }) => new StatusApi(served));
}

/** Loaded only where something can ask for them. */
async function metricsFor({ name: mode }: Mode, { effective }: Context): Promise<Metrics | undefined> {
  if (effective.config.http === "") return undefined;
  const { Metrics } = await import("../metrics/metrics.ts");
  return new Metrics({ ...buildInfo(), mode }, Date.now);
}

/** An agent on standby: it has neither a connection nor the leader lock yet. */
function driverOf(
  topology: Topology,
  ports: Ports,
  context: Context,
  ended: AbortSignal,
  metrics: Metrics | undefined,
): Driver {
  const { effective: { config }, log, stop } = context;
  const cpusets = cpusetsFor(context);
  const agent = newAgent({
    identity: identityOf(config),
    topology,
    standby: true,
    cpusets: cpusets && metrics ? observedCpusets(cpusets, metrics) : cpusets,
    ...ports,
    ...settingsOf(config),
  });
  return new Driver(agent, queriesOn({ ...context, stop: ended }), log, stop, metrics);
}

/** The last connection that was made on standby, and until when that lasts: one may be made each second, for days. */
interface Standby {
  connection?: ByteStream;
  settled?: Promise<void>;
}

/** Serves one connection after the other. */
async function serve(mode: Mode, driver: Driver, leadership: Leadership, context: Context): Promise<void> {
  const retries = backoff(FIRST_RETRY_MS, LAST_RETRY_MS);
  const onState = mode.name === "launched" ? registrationNote(context) : () => {};
  const standby: Standby = {};
  for (let isFirst = true; !context.stop.aborted; isFirst = false) {
    const connection = await mode.connect(context);
    if (connection !== undefined) await askForLock(connection, standby, leadership, mode, driver);
    const served = connection !== undefined &&
      await serveOne(connection, isFirst, driver, leadership, { ...context, onState });
    if (!mode.reconnects) return;
    if (served) retries.reset();
    leadership.disconnected(served);
    await pause(retries.next(), context.stop);
  }
}

/**
 * Asks for the leader lock, now that there is a connection. While another agent holds it this one is on standby, registered: a
 * runtime doesn't wait long for a registration.
 * @throws {Error} where the lock can't be used and is needed; the connection is closed then
 */
async function askForLock(
  connection: ByteStream,
  standby: Standby,
  leadership: Leadership,
  { reconnects }: Mode,
  driver: Driver,
): Promise<void> {
  try {
    const { contested, settled } = leadership.claim();
    if (!contested) return await settled;
    standby.connection = connection;
    if (standby.settled === settled) return;
    standby.settled = settled;
    settled.then(() => {
      // What it has received on standby isn't enough: a new connection brings the runtime's list.
      if (reconnects && driver.agent.state.phase === "configured") standby.connection?.close();
    }, () => standby.connection?.close()); // the next claim says why
  } catch (error) {
    connection.close();
    throw error;
  }
}

/** Serves a connection until it ends: whether the agent was synchronized on it. */
async function serveOne(
  connection: ByteStream,
  isFirst: boolean,
  driver: Driver,
  leadership: Leadership,
  { log, stop, onState }: Context & { readonly onState: (state: AgentState) => void },
): Promise<boolean> {
  const { ledger: { topology: known }, machine } = driver.agent.state;
  // At the start what was read of the machine is recent.
  const topology = isFirst ? known : machine?.changed(known)?.topology ?? known;
  let activity = "";
  const served = await driver.serve(connection, topology, (state) => {
    const now = activityOf(state);
    // Also of an agent that was registered before it had the lock, and of one that is released or resumed by hand.
    if (now !== activity) leadership.describe(activity = now);
    onState(state);
  });
  if (!stop.aborted) log.write({ level: "warn", message: "connection lost; reconnecting" });
  return served;
}
