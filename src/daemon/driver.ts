/**
 * Carries out what `step` says: bytes to the runtime, records to the log, questions to whoever can answer them.
 * External and launched mode differ in how a connection comes about; what happens on it is the same.
 */
import { type Agent, type Input, type Output, pendingFor, step } from "../agent/step.ts";
import type { CpuSet } from "../cpu/cpu_set.ts";
import type { Topology } from "../cpu/topology.ts";
import type { Log } from "../platform/log.ts";
import type { Connection } from "../platform/socket.ts";
import type { CpuUpdate } from "../ledger/updates.ts";
import type { Listing } from "../agent/early.ts";
import type { Settings } from "../agent/state.ts";
import { Latency, type LatencyFigures } from "./latency.ts";

/** Milliseconds between ticks: what is due is looked at this often. */
const TICK = 500;

/** Milliseconds that what is in hand has to be finished when stopping: the runtime may have stopped reading. */
const GRACE = 400;

/** Ticks that may be waited for besides the regular ones, which are late for those beyond. */
const MAX_WAKES = 64;

/** Who answers the agent's questions. */
export interface Answers {
  /** The containers that run, however long it takes to find out; undefined when stopped before. */
  list(): Promise<Listing | undefined>;
  /** The ids of the containers that live; undefined where that can't be known now. */
  count(): Promise<ReadonlySet<string> | undefined>;
  /** CPUs that seem to be taken by somebody. */
  scan(): CpuSet;
  /** Brings about what `next` gives, one after the other, until it gives nothing more. */
  apply(next: () => CpuUpdate | undefined): Promise<void>;
  /** What the runtime's configuration text means. */
  configure(text: string): Promise<Settings>;
}

/** The agent with its one connection at a time. */
export class Driver {
  #agent: Agent;
  #connection: Connection | undefined;
  /** Waiting for bytes, not dealing with some. */
  #idle = false;
  readonly #ticking: number;
  #closing: number | undefined;
  readonly #wakes = new Set<number>();
  readonly #latency: Latency;
  /** Ids of the containers that are to be put right: no more than there are containers. */
  readonly #toApply = new Set<string>();
  #applying = false;
  #counting = false;

  constructor(
    agent: Agent,
    private readonly answers: Answers,
    private readonly log: Log,
    private readonly stop: AbortSignal,
  ) {
    this.#agent = agent;
    this.#latency = new Latency(log, TICK, performance.now());
    this.#ticking = setInterval(() => this.#tick(), TICK);
    stop.addEventListener("abort", this.#leave);
  }

  get agent(): Agent {
    return this.#agent;
  }

  /** How long answers took, and whether the agent was kept from giving them, since the start. */
  get latency(): LatencyFigures {
    return this.#latency.figures;
  }

  /**
   * Serves a connection to its end, which is the peer's, a broken wire's or ours; it is closed then. Tells whether
   * it ever came to serving.
   */
  async converse(connection: Connection, topology: Topology): Promise<boolean> {
    this.#connection = connection;
    let served = false;
    try {
      await this.#take({ kind: "connected", now: performance.now(), topology });
      for (let bytes = await this.#read(); bytes !== undefined; bytes = await this.#read()) {
        await this.#take({ kind: "received", now: performance.now(), bytes });
        served ||= this.#agent.state.phase === "serving";
      }
    } catch (error) {
      // Closing is how a read is ended: by us when stopping, by the agent when the wire is broken.
      if (!this.stop.aborted) {
        this.log.write({ level: "debug", message: `the connection ended: ${messageOf(error)}` });
      }
    } finally {
      connection.close();
      this.#connection = undefined;
      this.feed({ kind: "disconnected" });
    }
    return served;
  }

  /** Takes in what happens beside the connection. */
  feed(input: Input): void {
    this.#take(input).then(this.#closeIfLeft).catch((error) =>
      this.log.write({ level: "error", message: `${input.kind}: ${messageOf(error)}` })
    );
  }

  /** Ends the ticks, and hears of nothing any more. */
  close(): void {
    this.stop.removeEventListener("abort", this.#leave);
    clearInterval(this.#ticking);
    clearTimeout(this.#closing);
    this.#wakes.forEach(clearTimeout);
  }

  /** Something is under way that closing the connection would cut short. */
  get #busy(): boolean {
    return this.#applying || this.#agent.connection?.deferred !== undefined;
  }

  /** When stopped: what is in hand may be finished, within bounds. */
  readonly #leave = (): void => {
    this.#closing = setTimeout(() => this.#connection?.close(), GRACE);
    this.#closeIfLeft();
  };

  readonly #closeIfLeft = (): void => {
    if (this.stop.aborted && this.#idle && !this.#busy) this.#connection?.close();
  };

  #tick(): void {
    this.#latency.ticked(performance.now(), this.#agent.connection?.requestTimeout);
    this.feed({ kind: "tick", now: performance.now() });
  }

  async #read(): Promise<Uint8Array | undefined> {
    if (this.stop.aborted && !this.#busy) return undefined;
    this.#idle = true;
    try {
      return await this.#connection?.read();
    } finally {
      this.#idle = false;
    }
  }

  async #take(input: Input): Promise<void> {
    const { agent, outputs } = step(this.#agent, input);
    this.#agent = agent;
    for (const output of outputs) await this.#act(output);
  }

  async #act(output: Output): Promise<void> {
    switch (output.kind) {
      case "send":
        return await this.#send(output);
      case "log":
        return this.log.write(output.record);
      case "configure":
        return await this.#take({ kind: "settings", settings: await this.answers.configure(output.text) });
      case "list":
        return this.#list();
      case "count":
        return this.#count();
      case "scan":
        return this.feed({ kind: "scanned", claims: this.answers.scan() });
      case "apply":
        return this.#apply(output.changes);
      case "wake":
        return this.#wake(output.after);
      case "close":
        return this.#connection?.close();
    }
  }

  async #send({ bytes, answers }: Extract<Output, { kind: "send" }>): Promise<void> {
    const connection = this.#connection;
    if (connection === undefined) return;
    await connection.write(bytes);
    if (answers === undefined) return;
    this.#latency.answered(
      answers.call,
      answers.since,
      performance.now(),
      this.#agent.connection?.requestTimeout,
    );
  }

  #wake(after: number): void {
    if (this.#wakes.size >= MAX_WAKES) return;
    const timer = setTimeout(() => {
      this.#wakes.delete(timer);
      this.feed({ kind: "tick", now: performance.now() });
    }, after);
    this.#wakes.add(timer);
  }

  /**
   * In the background: requests go on being answered meanwhile. What was asked for a connection that has ended is of no
   * use to the next one.
   */
  #list(): void {
    const asking = this.#connection;
    this.answers.list()
      .then((listing) => {
        if (listing !== undefined && this.#connection === asking) this.feed({ kind: "listed", listing });
      })
      .catch((error) =>
        this.log.write({ level: "error", message: `the containers can't be listed: ${messageOf(error)}` })
      );
  }

  /** One at a time: of two answers the second one is newer than all that was told before the first. */
  #count(): void {
    if (this.#counting) return;
    this.#counting = true;
    const asking = this.#connection;
    this.answers.count()
      .then((living) => {
        if (living !== undefined && this.#connection === asking) this.feed({ kind: "counted", living });
      })
      .catch((error) =>
        this.log.write({ level: "warn", message: `the containers can't be counted: ${messageOf(error)}` })
      ).finally(() => this.#counting = false);
  }

  /** One container after the other, whoever asked for it: the runtime has one lock for all of them. */
  #apply(changes: readonly CpuUpdate[]): void {
    const { assignments } = this.#agent.state.ledger;
    for (const id of this.#toApply) if (!assignments.has(id)) this.#toApply.delete(id);
    for (const { id } of changes) this.#toApply.add(id);
    if (!this.#applying) this.#payOff();
  }

  async #payOff(): Promise<void> {
    this.#applying = true;
    try {
      while (this.#toApply.size > 0 && !this.stop.aborted) await this.answers.apply(() => this.#nextOwed());
    } catch (error) {
      this.log.write({ level: "error", message: `containers can't be put right: ${messageOf(error)}` });
      this.#toApply.clear(); // They are asked for again in time.
    }
    this.#applying = false;
    this.#closeIfLeft();
  }

  #nextOwed(): CpuUpdate | undefined {
    for (const id of this.#toApply) {
      this.#toApply.delete(id);
      const change = pendingFor(this.#agent, id);
      if (change !== undefined) return change;
    }
    return undefined;
  }
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
