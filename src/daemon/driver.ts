/**
 * Carries out the outputs of `step`: bytes to the runtime, records to the log, questions to {@link Queries}. It is given
 * its connections; what happens on one is the same in both modes.
 */
import { type Agent, type Input, type Output, pendingFor, step } from "../agent/step.ts";
import type { CpuSet } from "../cpu/cpu_set.ts";
import type { Topology } from "../cpu/topology.ts";
import type { Observer } from "../metrics/observer.ts";
import type { Log } from "../platform/log.ts";
import { atInterval } from "../platform/shared_interval.ts";
import type { ByteStream } from "../platform/socket.ts";
import type { CpuUpdate } from "../ledger/updates.ts";
import type { Listing, Living } from "../agent/early.ts";
import type { AgentState, Settings } from "../agent/state.ts";
import { Latency, TICK_MS } from "./latency.ts";

/** For the request in hand when stopping: the runtime may have stopped reading. */
const STOP_GRACE_MS = 400;

/** Extra ticks pending at once; beyond them the regular ones have to do. */
const MAX_WAKES = 64;

/** The agent's questions, answered by the host. */
export interface Queries {
  /** The running containers, tried until they are listed; undefined when stopped, or not `wanted` any more, before. */
  list(wanted: () => boolean): Promise<Listing | undefined>;
  /** The ids of the living containers and pods; undefined when they can't be counted now. */
  count(): Promise<Living | undefined>;
  /** CPUs of `online` that seem to be claimed by running containers. */
  scan(online: CpuSet): CpuSet;
  /** Applies the updates that `next` gives, one after the other, until it gives no more; `failed` gets those that the runtime refuses. */
  apply(next: () => CpuUpdate | undefined, failed: (id: string) => void): Promise<void>;
  /** The settings with the runtime's configuration text applied. */
  configure(text: string): Promise<Settings>;
}

/** The agent with its one connection at a time. */
export class Driver {
  #agent: Agent;
  #connection: ByteStream | undefined;
  /** A read is under way: no bytes are being processed. */
  #idle = false;
  readonly #ticking: { close(): void };
  #closing: number | undefined;
  readonly #wakes = new Set<number>();
  readonly #latency: Latency;
  /** Ids of the containers with a pending update: no more than there are containers. */
  readonly #pending = new Set<string>();
  #hasServed = false;
  #onState: ((state: AgentState) => void) | undefined;
  #applying = false;
  #counting = false;
  #listing = false;
  /** For what the running containers are asked for; another object once what is under way is of no use. */
  #listFor: { readonly connection: ByteStream | undefined } | undefined;

  constructor(
    agent: Agent,
    private readonly queries: Queries,
    private readonly log: Log,
    private readonly stop: AbortSignal,
    private readonly observer?: Observer,
  ) {
    this.#agent = agent;
    this.#latency = new Latency(log, TICK_MS, performance.now());
    this.#ticking = atInterval(TICK_MS, () => this.#tick());
    stop.addEventListener("abort", this.#onStop);
  }

  get agent(): Agent {
    return this.#agent;
  }

  /** When it ticked last, in milliseconds of `performance.now()`. */
  get tickedAt(): number {
    return this.#latency.tickedAt;
  }

  /**
   * Serves a connection until the peer or the agent closes it or the driver is stopped; it is closed then. Resolves
   * to whether the agent has reached phase `serving` on it; `onState` is called with its state after each step.
   */
  async serve(
    connection: ByteStream,
    topology: Topology,
    onState?: (state: AgentState) => void,
  ): Promise<boolean> {
    [this.#connection, this.#onState, this.#hasServed] = [connection, onState, false];
    try {
      await this.#take({ kind: "connected", now: performance.now(), topology });
      for (let bytes = await this.#read(); bytes !== undefined; bytes = await this.#read()) {
        await this.#take({ kind: "received", now: performance.now(), bytes });
      }
    } catch (error) {
      // Closing is how a read is ended: by the driver when stopped, by the agent when the wire is broken.
      if (!this.stop.aborted) this.#logError("debug", "connection closed", error);
    } finally {
      connection.close();
      this.#connection = this.#onState = undefined;
      this.feed({ kind: "disconnected" });
    }
    return this.#hasServed;
  }

  /** Steps the agent with an input from beside the connection. */
  feed(input: Input): void {
    this.#take(input).then(this.#closeIfStopped).catch((error) =>
      this.#logError("error", "failed to process input", error, { input: input.kind })
    );
  }

  /** Ends the ticks and no longer reacts to the stop signal. */
  close(): void {
    this.stop.removeEventListener("abort", this.#onStop);
    this.#ticking.close();
    clearTimeout(this.#closing);
    this.#wakes.forEach(clearTimeout);
  }

  /** The runtime is asked to apply updates: what it was answered may not be done yet. */
  get isApplying(): boolean {
    return this.#applying;
  }

  /** Closing the connection would cut something short. */
  get #busy(): boolean {
    return this.#applying || this.#agent.connection?.deferred !== undefined;
  }

  /** What is in hand may be finished, within bounds. */
  readonly #onStop = (): void => {
    this.#closing = setTimeout(() => this.#connection?.close(), STOP_GRACE_MS);
    this.#closeIfStopped();
  };

  readonly #closeIfStopped = (): void => {
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

  /** Every output is carried out, also those after a reply that can't be sent; then the first failure is thrown. */
  async #take(input: Input): Promise<void> {
    const { agent, outputs } = step(this.#agent, input);
    this.#agent = agent;
    this.#onState?.(agent.state);
    if (agent.state.phase === "serving" && !this.#hasServed) {
      this.#hasServed = true;
      this.observer?.serving();
    }
    const failures: unknown[] = [];
    for (const output of outputs) {
      try {
        await this.#perform(output);
      } catch (error) {
        failures.push(error);
      }
    }
    if (failures.length > 0) throw failures[0];
  }

  async #perform(output: Output): Promise<void> {
    switch (output.kind) {
      case "send":
        return await this.#send(output);
      case "log":
        this.observer?.logged(output.record);
        return this.log.write(output.record);
      case "configure":
        return await this.#take({ kind: "settings", settings: await this.queries.configure(output.text) });
      case "list":
        return void this.#list(output.anew);
      case "count":
        return this.#count();
      case "scan": {
        const { online } = this.#agent.state.ledger.topology;
        return this.feed({ kind: "scanned", claims: this.queries.scan(online) });
      }
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
    const { call, since, refused } = answers;
    const now = performance.now();
    this.#latency.answered(call, since, now, this.#agent.connection?.requestTimeout);
    this.observer?.answered(call, now - since, refused);
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
   * In the background, so that requests are answered meanwhile, and one at a time. What is asked for on a later
   * connection, or anew, is listed afterwards: a list from before is of no use to it.
   */
  async #list(anew = false): Promise<void> {
    const connection = this.#connection;
    if (anew || this.#listFor?.connection !== connection) this.#listFor = { connection };
    if (this.#listing) return;
    this.#listing = true;
    try {
      while (this.#listFor !== undefined) {
        const asked = this.#listFor;
        const isWanted = () => this.#listFor === asked && this.#connection === asked.connection;
        const listing = await this.queries.list(isWanted);
        const isOfUse = listing !== undefined && isWanted();
        if (this.#listFor === asked) this.#listFor = undefined;
        if (isOfUse) this.feed({ kind: "listed", listing });
      }
    } catch (error) {
      this.#listFor = undefined;
      this.#logError("error", "failed to list running containers", error);
    } finally {
      this.#listing = false;
    }
  }

  /** One at a time, so that a count is always newer than all that preceded the one before. */
  #count(): void {
    if (this.#counting) return;
    this.#counting = true;
    const connection = this.#connection;
    this.queries.count()
      .then((living) => {
        if (living !== undefined && this.#connection === connection) this.feed({ kind: "counted", living });
      })
      .catch((error) => this.#logError("warn", "failed to count containers", error))
      .finally(() => this.#counting = false);
  }

  /** One container after the other, whichever output named it: the runtime has one lock for all of them. */
  #apply(updates: readonly CpuUpdate[]): void {
    const { assignments } = this.#agent.state.ledger;
    for (const id of this.#pending) if (!assignments.has(id)) this.#pending.delete(id);
    for (const { id } of updates) this.#pending.add(id);
    if (!this.#applying) this.#applyPending();
  }

  async #applyPending(): Promise<void> {
    this.#applying = true;
    try {
      while (this.#pending.size > 0 && !this.stop.aborted) {
        const failed = (id: string) => this.feed({ kind: "notApplied", id, now: performance.now() });
        await this.queries.apply(() => this.#nextPending(), failed);
      }
    } catch (error) {
      this.#logError("error", "failed to update container CPUs", error);
      this.#pending.clear(); // The agent asks for them again.
    }
    this.#applying = false;
    this.#closeIfStopped();
  }

  /** None without a connection: the runtime has to serve the next one first, and then its list says what is pending. */
  #nextPending(): CpuUpdate | undefined {
    if (this.#connection === undefined) this.#pending.clear();
    for (const id of this.#pending) {
      this.#pending.delete(id);
      const update = pendingFor(this.#agent, id);
      if (update !== undefined) return update;
    }
    return undefined;
  }

  #logError(level: "debug" | "warn" | "error", message: string, error: unknown, fields = {}): void {
    const reason = error instanceof Error ? error.message : String(error);
    this.log.write({ level, message, fields: { ...fields, reason } });
  }
}
