/**
 * A server of HTTP/1.1 for short answers to few clients, in which nothing grows with what clients do. Deno.serve bounds
 * neither connections nor the time for a request: each client that says nothing would keep a descriptor, of which the
 * agent needs some for each write of a cpuset. One request a connection.
 */
import { type HttpProblem, type HttpRequest, parseHead } from "./http_head.ts";
import { pause } from "./pause.ts";

export interface HttpAnswer {
  readonly status: number;
  /** Its media type. */
  readonly type: string;
  /** Never changed afterwards: several clients may be sent it at a time. */
  readonly body: Uint8Array;
  readonly headers?: Readonly<Record<string, string>> | undefined;
}

export interface HttpBounds {
  /** Connections at a time: one more displaces the oldest that isn't being sent an answer. */
  readonly connections: number;
  /** Answers at a time that clients may be slow to take; small ones besides. */
  readonly slowAnswers: number;
  /** Of a request without its body. */
  readonly headBytes: number;
  /** Milliseconds from a connection's beginning to its end. */
  readonly lifeMs: number;
  /** Connections accepted in 100 ms; the kernel keeps the next ones waiting, or refuses them. */
  readonly accepts: number;
}

export const HTTP_BOUNDS: HttpBounds = {
  connections: 64,
  slowAnswers: 16,
  headBytes: 8192,
  lifeMs: 10_000,
  accepts: 20,
};

const WINDOW_MS = 100;
/** The kernel takes so much of an answer at once, whether the client reads it or not (tcp(7), tcp_wmem). */
const SMALL_BYTES = 32 * 1024;

/** Of a request's head. */
const END = "\r\n\r\n";
const LATIN1 = new TextDecoder("latin1");

const REASONS: Readonly<Record<number, string>> = {
  200: "OK",
  304: "Not Modified",
  400: "Bad Request",
  403: "Forbidden",
  404: "Not Found",
  405: "Method Not Allowed",
  413: "Content Too Large",
  431: "Request Header Fields Too Large",
  500: "Internal Server Error",
  503: "Service Unavailable",
};

/** What the program answers; where it throws, the client gets a 500. */
export type Answering = (request: HttpRequest) => HttpAnswer | Promise<HttpAnswer>;

type Listener = Deno.Listener<Deno.Conn>;

export class HttpServer {
  readonly #closed = new AbortController();
  /** The oldest first. */
  readonly #connections = new Set<Exchange>();

  /** Serves from now on. @param listener this server's from now on */
  constructor(
    private readonly listener: Listener,
    private readonly answering: Answering,
    private readonly bounds = HTTP_BOUNDS,
  ) {
    this.#accept();
  }

  /** No more connections; resolves when the answers under way are sent, or given up. */
  async close(): Promise<void> {
    if (this.#closed.signal.aborted) return;
    this.#closed.abort();
    this.listener.close();
    for (const each of this.#connections) if (each.state !== "answering") each.close();
    await Promise.all([...this.#connections].map(({ over }) => over));
  }

  async #accept(): Promise<void> {
    const { signal } = this.#closed;
    for (let [count, until] = [0, 0]; !signal.aborted; count++) {
      const now = performance.now();
      if (now >= until) [count, until] = [0, now + WINDOW_MS];
      if (count >= this.bounds.accepts) await pause(until - now, signal);
      try {
        this.#take(await this.listener.accept());
      } catch {
        // Closed; or no descriptor is left at the moment.
        await pause(WINDOW_MS, signal);
      }
    }
  }

  #take(connection: Deno.Conn): void {
    const isFull = this.#connections.size >= this.bounds.connections;
    if (isFull && !this.#displace()) return connection.close();
    const exchange: Exchange = new Exchange(
      connection,
      this.bounds,
      (request) => this.#answer(request, exchange),
    );
    this.#connections.add(exchange);
    exchange.over.finally(() => this.#connections.delete(exchange));
  }

  /** False where all are being sent answers, which takes more of them at a time than are sent slowly. */
  #displace(): boolean {
    for (const each of this.#connections) {
      if (each.state === "answering") continue;
      this.#connections.delete(each);
      each.close();
      return true;
    }
    return false;
  }

  async #answer(request: HttpRequest | HttpProblem, exchange: Exchange): Promise<HttpAnswer> {
    if ("problem" in request) return textAnswer(request.status, request.problem);
    const answer = await this.answering(request);
    if (answer.body.length <= SMALL_BYTES) return answer;
    const slow = [...this.#connections].filter(({ isSlow }) => isSlow).length;
    if (slow >= this.bounds.slowAnswers) {
      return textAnswer(503, "too many clients are reading answers; ask again later");
    }
    exchange.isSlow = true;
    return answer;
  }
}

/** One sentence, for people. */
export function textAnswer(
  status: number,
  sentence: string,
  headers?: Readonly<Record<string, string>>,
): HttpAnswer {
  return {
    status,
    type: "text/plain; charset=utf-8",
    body: new TextEncoder().encode(`${sentence}\n`),
    headers,
  };
}

/** One connection: a request, its answer, the end. */
class Exchange {
  /** `closing`: its answer is sent, and the client may still be sending. */
  state: "asking" | "answering" | "closing" = "asking";
  /** Its answer is a large one. */
  isSlow = false;
  /** Never rejects. A write that the client doesn't take can't be cancelled on Deno, so this may be long after `close`. */
  readonly over: Promise<void>;

  constructor(
    private readonly connection: Deno.Conn,
    private readonly bounds: HttpBounds,
    answering: (request: HttpRequest | HttpProblem) => Promise<HttpAnswer>,
  ) {
    this.over = this.#run(answering);
  }

  close(): void {
    try {
      this.connection.close();
    } catch {
      // It is closed already.
    }
  }

  async #run(answering: (request: HttpRequest | HttpProblem) => Promise<HttpAnswer>): Promise<void> {
    const late = setTimeout(() => this.close(), this.bounds.lifeMs);
    try {
      const request = await this.#read();
      if (request === undefined) return;
      this.state = "answering";
      await this.#send(await answering(request).catch(() => textAnswer(500, "bug: see the agent's log")));
      this.state = "closing";
      await this.connection.closeWrite();
      // What it goes on sending would make the kernel throw the answer away.
      await this.#drain();
    } catch {
      // The client has gone, or was too slow.
    } finally {
      clearTimeout(late);
      this.close();
    }
  }

  /** Undefined where the client has ended before. */
  async #read(): Promise<HttpRequest | HttpProblem | undefined> {
    const buffer = new Uint8Array(this.bounds.headBytes);
    for (let length = 0; length < buffer.length;) {
      const count = await this.connection.read(buffer.subarray(length));
      if (count === null) return undefined;
      // Only what is new is looked at, with what may be the beginning of its end.
      const from = Math.max(0, length - END.length + 1);
      length += count;
      const end = LATIN1.decode(buffer.subarray(from, length)).indexOf(END);
      if (end >= 0) return parseHead(LATIN1.decode(buffer.subarray(0, from + end)));
    }
    return { status: 431, problem: `a request has ${this.bounds.headBytes} bytes at most` };
  }

  async #send({ status, type, body, headers = {} }: HttpAnswer): Promise<void> {
    const lines = Object.entries({
      "Content-Type": type,
      "Content-Length": `${body.length}`,
      "Cache-Control": "no-store",
      "X-Content-Type-Options": "nosniff",
      "Connection": "close",
      ...headers,
    }).map(([name, value]) => `${name}: ${value}\r\n`);
    const head = `HTTP/1.1 ${status} ${REASONS[status] ?? "Other"}\r\n${lines.join("")}\r\n`;
    await this.#write(new TextEncoder().encode(head));
    await this.#write(body);
  }

  async #write(bytes: Uint8Array): Promise<void> {
    for (let rest = bytes; rest.length > 0;) rest = rest.subarray(await this.connection.write(rest));
  }

  async #drain(): Promise<void> {
    const buffer = new Uint8Array(this.bounds.headBytes);
    for (let left = 8 * buffer.length; left > 0;) {
      const count = await this.connection.read(buffer);
      if (count === null) return;
      left -= count;
    }
  }
}
