/**
 * External mode: connect to the runtime's socket, serve until the connection ends, connect again, for
 * ever. Everything that is decided is decided in `step`; here its outputs are carried out.
 */
import { type Agent, type Input, newAgent, type Output, step } from "../agent.ts";
import { discover } from "../cpu/discover.ts";
import type { Topology } from "../cpu/topology.ts";
import type { Config } from "../config/schema.ts";
import { backoff } from "../host/backoff.ts";
import { type Log, openLog } from "../host/log.ts";
import { pause } from "../host/pause.ts";
import { Repeats } from "../host/repeats.ts";
import { type Connection, connectUnix } from "../host/socket.ts";
import { readerOf } from "../host/sysfs.ts";
import { DEFAULT_POLICY } from "../ledger/ledger.ts";
import type { LogLevel } from "../log_record.ts";
import { nodeFacts } from "./node_facts.ts";

/** Milliseconds between ticks: what is due is looked at this often. */
const TICK = 1000;
/** Delays between connection attempts, in ms: dialling a unix socket is cheap, a missed creation is not. */
const FIRST_RETRY = 100;
const LAST_RETRY = 1000;
/** A sentence about the connection is logged again after this many ms. */
const REPEAT_LOG = 60_000;

/** Runs until `stop` is aborted; resolves when the request in hand is answered and the log is written. */
export async function run(
  config: Config,
  version: string,
  stop: AbortSignal,
  log = openLog(config.log.level),
): Promise<void> {
  try {
    const read = readerOf(config.sysfsRoot);
    const { topology, warnings } = discover(read);
    log.write({ level: "info", message: "starting", fields: { version, ...nodeFacts(config, topology) } });
    for (const message of warnings) log.write({ level: "warn", message });
    const identity = { name: config.pluginName, index: config.pluginIndex };
    const settings = { policy: DEFAULT_POLICY, dryRun: config.dryRun };
    const agent = newAgent({
      identity,
      topology,
      standby: false,
      ...settings,
    });
    await new External(agent, config.socket, () => discover(read).topology, log, stop).serve();
    log.write({ level: "info", message: "stopped, every container keeps its CPUs" });
  } finally {
    await log.flush();
  }
}

/** The agent with its one connection at a time. */
class External {
  #agent: Agent;
  #connection: Connection | undefined;
  /** Waiting for bytes: nothing is under way that closing the connection could cut short. */
  #idle = false;
  readonly #retries = backoff(FIRST_RETRY, LAST_RETRY);
  readonly #said = new Repeats(REPEAT_LOG);

  constructor(
    agent: Agent,
    private readonly socket: string,
    private readonly rediscover: () => Topology,
    private readonly log: Log,
    private readonly stop: AbortSignal,
  ) {
    this.#agent = agent;
    stop.addEventListener("abort", () => {
      if (this.#idle) this.#connection?.close();
    });
  }

  /** Connects, serves, and connects anew, until stopped. */
  async serve(): Promise<void> {
    const ticking = setInterval(() => this.#tick(), TICK);
    while (!this.stop.aborted) {
      this.#connection = await this.#dial();
      if (this.#connection !== undefined) await this.#converse(this.#connection);
      await pause(this.#retries.next(), this.stop);
    }
    clearInterval(ticking);
  }

  #tick(): void {
    this.#feed({ kind: "tick", now: performance.now() }).catch((error) =>
      this.#say("error", `tick: ${error}`)
    );
  }

  async #dial(): Promise<Connection | undefined> {
    try {
      return await connectUnix(this.socket);
    } catch (error) {
      this.#say("warn", `${(error as Error).message} (still trying)`);
      return undefined;
    }
  }

  async #converse(connection: Connection): Promise<void> {
    try {
      await this.#feed({ kind: "connected", now: performance.now(), topology: this.#topologyNow() });
      for (
        let bytes = await this.#read(connection);
        bytes !== undefined;
        bytes = await this.#read(connection)
      ) {
        await this.#feed({ kind: "received", bytes });
        if (this.#agent.node.phase === "serving") this.#retries.reset();
      }
    } catch (error) {
      if (!this.stop.aborted) this.#say("debug", `the connection broke: ${(error as Error).message}`);
    } finally {
      connection.close();
      this.#connection = undefined;
      await this.#feed({ kind: "disconnected" });
      if (!this.stop.aborted) this.#say("warn", "disconnected from the runtime, connecting again");
    }
  }

  async #read(connection: Connection): Promise<Uint8Array | undefined> {
    if (this.stop.aborted) return undefined;
    this.#idle = true;
    try {
      return await connection.read();
    } finally {
      this.#idle = false;
    }
  }

  async #feed(input: Input): Promise<void> {
    const { agent, outputs } = step(this.#agent, input);
    this.#agent = agent;
    for (const output of outputs) await this.#act(output);
  }

  /** The machine as it is now; as it was, should it be unreadable at this moment. */
  #topologyNow(): Topology {
    try {
      return this.rediscover();
    } catch (error) {
      this.#say(
        "warn",
        `the CPUs can't be read again, the last known ones are used: ${(error as Error).message}`,
      );
      return this.#agent.node.topology;
    }
  }

  /** Logs what may be said again and again, at most once a minute each. */
  #say(level: LogLevel, message: string): void {
    if (this.#said.isNews(message, performance.now())) this.log.write({ level, message });
  }

  async #act(output: Output): Promise<void> {
    switch (output.kind) {
      case "send":
        return await this.#connection?.write(output.bytes);
      case "log":
        return this.log.write(output.record);
      case "close":
        return this.#connection?.close();
    }
  }
}
