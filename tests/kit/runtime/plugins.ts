// The plugins of the runtime: from the socket's accept to the end of each connection. A plugin registers, is
// configured, is synchronized, and only then takes part, in the order of the indices.

import type { Container, ContainerUpdate, Event, PodSandbox } from "../../../src/nri/gen/nri_pb.ts";
import type { EventLog } from "./event_log.ts";
import { configure, type HandshakeOptions, registeredName, synchronize } from "./handshake.ts";
import type { Lock } from "./lock.ts";
import { subscribed } from "./nri_messages.ts";
import { LinkClosed, PluginLink, Refused } from "./plugin_link.ts";

/** A plugin that has registered. */
export interface Plugin {
  /** `NN-name`, as the runtime calls it. */
  readonly name: string;
  readonly link: PluginLink;
  /** The events that it asked for. */
  readonly events: number;
}

export interface PluginOptions extends HandshakeOptions {
  socketPath: string;
  chunkBytes?: number;
}

/** What the plugins act on. */
export interface Node {
  readonly lock: Lock;
  readonly log: EventLog;
  snapshot(): { pods: PodSandbox[]; containers: Container[] };
  /** Applies updates in order. */
  apply(updates: readonly ContainerUpdate[]): void;
}

const MAX_CONNECTIONS = 8;
/** google.rpc's UNIMPLEMENTED. */
const UNIMPLEMENTED = 12;

export class Plugins {
  readonly #options: PluginOptions;
  readonly #node: Node;
  readonly #links = new Map<PluginLink, Promise<void>>();
  #serving: Plugin[] = [];
  #listener: Deno.Listener | undefined;
  #accepting: Promise<void> = Promise.resolve();

  constructor(options: PluginOptions, node: Node) {
    this.#options = options;
    this.#node = node;
  }

  /** Connections that stand, registered or not. */
  get connections(): number {
    return this.#links.size;
  }

  /** Plugins that are synchronized, in the order in which they are asked. */
  get serving(): readonly Plugin[] {
    return this.#serving;
  }

  listen(): void {
    const path = this.#options.socketPath;
    const listener = Deno.listen({ transport: "unix", path });
    Deno.chmodSync(path, 0o600);
    this.#listener = listener;
    this.#accepting = this.#accept(listener);
  }

  /** Closes the socket and every connection; resolves when nothing is under way any more. */
  async stop(reason: string): Promise<void> {
    if (!this.#listener) return;
    this.#listener.close();
    this.#listener = undefined;
    await this.#accepting;
    this.drop(reason);
    await Promise.all(this.#links.values());
    await Deno.remove(this.#options.socketPath).catch(() => {});
  }

  /** Closes every connection, now, for no fault of the plugins. */
  drop(reason: string): void {
    for (const link of this.#links.keys()) link.close(reason, false);
  }

  /** Cuts off every plugin in the middle of what it is sent, after this many more bytes. */
  cutAfter(bytes: number): void {
    for (const link of this.#links.keys()) link.cutAfter(bytes);
  }

  /**
   * Calls each plugin that asked for `event`, in order, and hands each reply to `take`; how many have answered.
   * One that is gone or too late doesn't count (fail-open); one that refuses ends it with {@link Refused}.
   */
  async ask(
    event: Event,
    call: { method: string; payload: Uint8Array },
    take: (plugin: string, reply: Uint8Array) => void,
  ): Promise<number> {
    let answered = 0;
    for (const { name, link, events } of [...this.#serving]) {
      if (!subscribed(events, event)) continue;
      try {
        take(name, await link.call(call.method, call.payload, this.#options.requestTimeoutMs));
        answered++;
      } catch (error) {
        if (error instanceof LinkClosed) continue;
        if (error instanceof Refused) throw error;
        throw new Refused(`the reply of ${name} to ${call.method} can't be read: ${error}`);
      }
    }
    return answered;
  }

  async #accept(listener: Deno.Listener): Promise<void> {
    try {
      for await (const conn of listener) {
        if (this.#links.size < MAX_CONNECTIONS) this.#welcome(conn);
        else conn.close();
      }
    } catch (error) {
      // A listener that is closed while it accepts ends with an error of its own.
      if (this.#listener === listener) throw error;
    }
  }

  #welcome(conn: Deno.Conn): void {
    const { chunkBytes, registrationTimeoutMs } = this.#options;
    const tooLate = () => link.close(`it did not register within ${registrationTimeoutMs} ms`);
    const timer = setTimeout(tooLate, registrationTimeoutMs);
    let name: string | undefined;
    const register = (given: string) => {
      if (name !== undefined) throw new Refused(`${name} has registered already`);
      name = given;
      clearTimeout(timer);
      this.#introduce(given, link).catch((error: Error) => link.close(error.message));
    };
    const link = new PluginLink(conn, {
      ...(chunkBytes === undefined ? {} : { chunkBytes }),
      serve: (method, payload) => {
        // Plugins may send updates of their own accord; our agent never does.
        if (method !== "RegisterPlugin") {
          throw new Refused(`${method} is not a call of the runtime`, UNIMPLEMENTED);
        }
        register(registeredName(payload));
        return new Uint8Array();
      },
    });
    const life = link.ended.then(async ({ reason, dropped }) => {
      clearTimeout(timer);
      this.#serving = this.#serving.filter((each) => each.link !== link);
      await link.done();
      this.#links.delete(link);
      this.#node.log.add({ kind: "gone", plugin: name ?? "(unregistered)", reason, dropped });
    });
    this.#links.set(link, life);
    this.#node.log.add({ kind: "connected" });
  }

  async #introduce(name: string, link: PluginLink): Promise<void> {
    const { log, lock } = this.#node;
    log.add({ kind: "registered", plugin: name });
    const events = await configure(link, this.#options);
    await lock.run(async () => {
      const snapshot = this.#node.snapshot();
      const updates = await synchronize(link, snapshot, this.#options);
      this.#node.apply(updates);
      if (link.closed) return;
      this.#serving = [...this.#serving, { name, link, events }].sort((a, b) => a.name < b.name ? -1 : 1);
      log.add({ kind: "synchronized", plugin: name, containers: snapshot.containers.length });
    });
  }
}
