// The runtime's end of one plugin connection: bytes of the socket ↔ calls and answers. Whatever breaks it (the
// wire, a late answer, a fault that was asked for) closes it, with a reason, once.

import { ProtocolError } from "../../../src/wire/errors.ts";
import type { SessionEvent } from "../../../src/wire/session.ts";
import { PLUGIN_SERVICE } from "../../../src/nri/methods.ts";
import { RuntimeEnd } from "../runtime_end.ts";

/** The plugin answered a call with an error, or we answer one of its calls so. */
export class Refused extends Error {
  override name = "Refused";
  readonly code: number;

  constructor(message: string, code = UNKNOWN) {
    super(message);
    this.code = code;
  }
}

/** The connection is closed: no answer will come. */
export class LinkClosed extends Error {
  override name = "LinkClosed";
}

/** Why a link ended; `dropped` when it was cut off for what it did or left undone. */
export interface Ending {
  reason: string;
  dropped: boolean;
}

export interface LinkOptions {
  /** Bytes a write to the socket has at most; everything at once if it isn't given. */
  chunkBytes?: number;
  /** Answers the plugin's calls; throws {@link Refused}. */
  serve: (method: string, payload: Uint8Array) => Uint8Array;
}

interface Pending {
  resolve: (payload: Uint8Array) => void;
  reject: (error: Error) => void;
  timer: number;
}

const UNKNOWN = 2;
const MAX_UNSENT = 16 * 2 ** 20;

export class PluginLink {
  readonly #conn: Deno.Conn;
  readonly #options: LinkOptions;
  readonly #session = new RuntimeEnd();
  readonly #pending = new Map<number, Pending>();
  readonly #reading: Promise<void>;
  readonly #ended = Promise.withResolvers<Ending>();
  #writing: Promise<void> = Promise.resolve();
  #unsent = 0;
  #cutAfter = Infinity;
  #closed = false;

  constructor(conn: Deno.Conn, options: LinkOptions) {
    this.#conn = conn;
    this.#options = options;
    this.#reading = this.#read();
  }

  /** Resolves when the link has ended. */
  get ended(): Promise<Ending> {
    return this.#ended.promise;
  }

  /** Resolves when nothing of it is under way any more. */
  async done(): Promise<void> {
    await this.#ended.promise;
    await this.#reading;
    await this.#writing;
  }

  /** Calls the plugin. Throws {@link Refused} for an error it answers, {@link LinkClosed} when none will come. */
  call(method: string, payload: Uint8Array, withinMs: number): Promise<Uint8Array> {
    if (this.#closed) return Promise.reject(new LinkClosed("the plugin is gone"));
    const { stream, bytes } = this.#session.call(
      PLUGIN_SERVICE,
      method,
      payload,
      BigInt(withinMs) * 1_000_000n,
    );
    const { promise, resolve, reject } = Promise.withResolvers<Uint8Array>();
    const late = () => this.close(`it did not answer ${method} within ${withinMs} ms`);
    this.#pending.set(stream, { resolve, reject, timer: setTimeout(late, withinMs) });
    this.#send(bytes);
    return promise;
  }

  get closed(): boolean {
    return this.#closed;
  }

  /** Closes the connection, now; `dropped` as in {@link Ending}. */
  close(reason: string, dropped = true): void {
    this.#end({ reason, dropped });
  }

  /** Cuts the plugin off when it has been sent this many more bytes: in the middle of a frame, if so it falls. */
  cutAfter(bytes: number): void {
    this.#cutAfter = bytes;
  }

  async #read(): Promise<void> {
    const buffer = new Uint8Array(64 * 1024);
    try {
      for (let count; (count = await this.#conn.read(buffer)) !== null;) {
        this.#session.receive(buffer.slice(0, count));
        for (let event; (event = this.#session.next());) this.#handle(event);
      }
      this.#session.finish();
      this.#end({ reason: "it closed the connection", dropped: false });
    } catch (error) {
      const broken = error instanceof ProtocolError;
      this.#end({ reason: broken ? `it broke the wire: ${error.message}` : String(error), dropped: broken });
    }
  }

  #handle(event: SessionEvent): void {
    if (event.kind === "called") return this.#serve(event.stream, event.method, event.payload);
    const pending = this.#pending.get(event.stream);
    if (!pending) return;
    this.#pending.delete(event.stream);
    clearTimeout(pending.timer);
    if (event.status.code === 0) pending.resolve(event.payload);
    else pending.reject(new Refused(event.status.message, event.status.code));
  }

  #serve(stream: number, method: string, payload: Uint8Array): void {
    try {
      this.#send(this.#session.answer(stream, this.#options.serve(method, payload)));
    } catch (error) {
      const [code, message] = error instanceof Refused ? [error.code, error.message] : [UNKNOWN, `${error}`];
      this.#send(this.#session.refuse(stream, { code, message }));
    }
  }

  #send(bytes: Uint8Array): void {
    this.#unsent += bytes.length;
    if (this.#unsent > MAX_UNSENT) return this.close(`it left ${this.#unsent} bytes unread`);
    this.#writing = this.#writing.then(() => this.#write(bytes));
  }

  async #write(bytes: Uint8Array): Promise<void> {
    const step = this.#options.chunkBytes ?? bytes.length;
    try {
      for (let at = 0; at < bytes.length && !this.#closed;) {
        const chunk = bytes.subarray(at, at + Math.min(step, this.#cutAfter));
        const sent = await this.#conn.write(chunk);
        at += sent;
        this.#unsent -= sent;
        this.#cutAfter -= sent;
        if (this.#cutAfter <= 0) this.close("a fault that was asked for", false);
      }
    } catch (error) {
      this.#end({ reason: `writing to it failed: ${error}`, dropped: false });
    }
  }

  #end(ending: Ending): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#conn.close();
    for (const { reject, timer } of this.#pending.values()) {
      clearTimeout(timer);
      reject(new LinkClosed(ending.reason));
    }
    this.#pending.clear();
    this.#ended.resolve(ending);
  }
}
