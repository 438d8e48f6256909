import { TrunkDecoder } from "../../../src/wire/mux.ts";
import { decodeRequest, type Frame, FrameDecoder, FrameType } from "../../../src/wire/ttrpc.ts";

/** A whole message that passes between agent and runtime. */
export interface Message {
  readonly from: "agent" | "runtime";
  readonly kind: "request" | "response";
  /** Of the call that it makes or answers. */
  readonly method: string;
}

/** Sees each message before it is passed on; `false` cuts the connection instead. */
export type Tap = (message: Message) => boolean | void;

/** A socket between agents and the runtime that passes everything on, and knows what it was. */
export class NriProxy implements AsyncDisposable {
  /** All that passed, in order. */
  readonly messages: Message[] = [];
  tap: Tap = () => {};
  readonly #listener: Deno.UnixListener;
  readonly #open = new Set<Deno.Conn>();
  readonly #working = new Set<Promise<void>>();

  constructor(readonly path: string, private readonly runtime: string) {
    this.#listener = Deno.listen({ transport: "unix", path });
    this.#follow(this.#accept());
  }

  /** The methods that agents called at the runtime. */
  get calledByAgent(): string[] {
    return this.messages.filter(({ from, kind }) => from === "agent" && kind === "request").map((
      { method },
    ) => method);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#listener.close();
    for (const conn of this.#open) this.#close(conn);
    await Promise.all(this.#working);
  }

  #follow(work: Promise<void>): void {
    this.#working.add(work);
    work.finally(() => this.#working.delete(work));
  }

  async #accept(): Promise<void> {
    for await (const agent of this.#listener) this.#follow(this.#serve(agent));
  }

  async #serve(agent: Deno.Conn): Promise<void> {
    this.#open.add(agent);
    try {
      const runtime = await Deno.connect({ transport: "unix", path: this.runtime });
      this.#open.add(runtime);
      const methods = new Map<string, string>();
      await Promise.all([
        this.#pump(agent, runtime, new Messages("agent", methods)),
        this.#pump(runtime, agent, new Messages("runtime", methods)),
      ]);
    } catch {
      this.#close(agent); // No runtime there, as the agent would see by itself.
    }
  }

  async #pump(source: Deno.Conn, sink: Deno.Conn, decoder: Messages): Promise<void> {
    const buffer = new Uint8Array(1 << 16);
    try {
      for (let count; (count = await source.read(buffer)) !== null;) {
        const bytes = buffer.slice(0, count);
        const passes = decoder.receive(bytes).map((message) => {
          this.messages.push(message);
          return this.tap(message);
        });
        if (passes.includes(false)) break;
        for (let at = 0; at < bytes.length;) at += await sink.write(bytes.subarray(at));
      }
    } catch {
      // One of the two has gone: so does the other.
    } finally {
      this.#close(source);
      this.#close(sink);
    }
  }

  #close(conn: Deno.Conn): void {
    if (this.#open.delete(conn)) conn.close();
  }
}

/** The messages of one direction of a connection. */
class Messages {
  readonly #trunk = new TrunkDecoder();
  readonly #frames = new Map<number, FrameDecoder>();

  /** @param methods the calls under way, of both directions */
  constructor(private readonly from: Message["from"], private readonly methods: Map<string, string>) {}

  /** The messages that end in `bytes`. */
  receive(bytes: Uint8Array): Message[] {
    this.#trunk.receive(bytes);
    const found: Message[] = [];
    for (let part = this.#trunk.next(); part !== undefined; part = this.#trunk.next()) {
      const { connection, payload } = part;
      const frames = this.#frames.get(connection) ?? new FrameDecoder();
      this.#frames.set(connection, frames);
      frames.receive(payload);
      for (let frame = frames.next(); frame !== undefined; frame = frames.next()) {
        found.push(this.#message(connection, frame));
      }
    }
    return found;
  }

  #message(connection: number, { stream, type, payload }: Frame): Message {
    const call = `${connection} ${stream}`;
    const kind = type === FrameType.REQUEST ? "request" : "response";
    if (kind === "request") this.methods.set(call, decodeRequest(payload).method);
    return { from: this.from, kind, method: this.methods.get(call) ?? "" };
  }
}
