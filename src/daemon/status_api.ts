/**
 * What is served by HTTP, on whichever entrance: paths and their answers. What changes the node is asked by POST, at root's
 * own entrance; all else only reads. What tells of pods is served where an entrance is whole, health and metrics on all.
 */
import { viewOf } from "../agent/view.ts";
import type { ContainerRef } from "../ledger/claim.ts";
import type { Metrics } from "../metrics/metrics.ts";
import type { HttpRequest } from "../platform/http_head.ts";
import { type HttpAnswer, textAnswer } from "../platform/http_server.ts";
import type { LockHolder } from "../platform/lock.ts";
import { statusDocument, type Surroundings } from "../status/status_document.ts";
import { topologyDocument } from "../status/topology_document.ts";
import type { Context } from "./context.ts";
import type { Driver } from "./driver.ts";
import { explained } from "./explained.ts";
import type { Mode } from "./modes.ts";
import { readiness } from "./readiness.ts";
import { ACTIONS } from "./release_here.ts";

/** Where requests come in. */
export interface Entrance {
  /** Root alone can come in: what changes the node may be asked for. */
  readonly isRoots: boolean;
  /** The page and the API are served, besides health and metrics. */
  readonly isWhole: boolean;
  /** It is for this machine alone: requests for another host come from a page of another site (DNS rebinding). */
  readonly isLocal: boolean;
  /** Milliseconds for which a document is sent again, so that many requests cost no more than a few. */
  readonly maxAgeMs: number;
}

/** What is served of the process. */
export interface Served {
  readonly driver: Pick<Driver, "agent" | "feed" | "isApplying" | "tickedAt">;
  readonly mode: Pick<Mode, "name">;
  readonly context: Context;
  /** Of the leader lock, while another agent has it and this one has asked for it. */
  readonly holder: () => LockHolder | undefined;
  /** Absent: nobody asks for them. */
  readonly metrics?: Metrics | undefined;
}

interface Route {
  /** It names no pods. */
  readonly isOpen: boolean;
  answer(entrance: Entrance, request: HttpRequest): HttpAnswer | Promise<HttpAnswer>;
}

/** The host of a request to this machine by its own address, with a port or without. */
const LOCAL_HOST = /^(localhost|127(\.\d{1,3}){3}|\[::1\])(:\d{1,5})?$/i;
const EXPLAIN_PAUSE_MS = 50;
/** The driver ticks once a second. */
const MAX_TICK_AGE_MS = 5000;

export class StatusApi {
  readonly #started = new Date(performance.timeOrigin).toISOString();
  #explainedAt = -Infinity;
  readonly #routes: ReadonlyMap<string, Route>;

  constructor(private readonly served: Served) {
    this.#routes = new Map<string, Route>([
      ["/", { isOpen: false, answer: page }],
      ["/api/v1/status", documentRoute(() => this.#status())],
      ["/api/v1/topology", documentRoute(() => topologyDocument(this.#state.ledger.topology, []))],
      ["/api/v1/explain", { isOpen: false, answer: (entrance, request) => this.#explain(entrance, request) }],
      ["/api/v1/journal", documentRoute(() => this.#journal())],
      ["/healthz", { isOpen: true, answer: () => this.#health() }],
      ["/readyz", { isOpen: true, answer: () => this.#readiness() }],
      ...served.metrics === undefined ? [] : [["/metrics", this.#metricsRoute(served.metrics)] as const],
    ]);
  }

  /** A bug costs the one answer; it is logged. */
  async answer(request: HttpRequest, entrance: Entrance): Promise<HttpAnswer> {
    try {
      return await this.#answer(request, entrance);
    } catch (error) {
      const { stack, message } = error as Error;
      const fields = { path: request.url.pathname, reason: stack ?? message };
      this.served.context.log.write({
        level: "error",
        message: "bug while answering HTTP, please report it",
        fields,
      });
      return problem(500, "bug: see the agent's log");
    }
  }

  #answer(request: HttpRequest, entrance: Entrance): HttpAnswer | Promise<HttpAnswer> {
    const { method, url: { pathname }, headers } = request;
    if (ACTIONS.has(pathname)) return this.#act(request, entrance);
    const route = this.#routes.get(pathname);
    if (route === undefined) return problem(404, `no such path; there are ${this.#paths(entrance)}`);
    if (method !== "GET") {
      return problem(405, `${method} isn't served here, only GET is`, { "Allow": "GET" });
    }
    if (!route.isOpen && !entrance.isWhole) {
      return problem(403, `${pathname} is served on this node alone; httpAll serves it here too`);
    }
    const host = headers.get("host");
    if (!route.isOpen && entrance.isLocal && host !== undefined && !LOCAL_HOST.test(host)) {
      return problem(403, "this is served by the name localhost only");
    }
    return route.answer(entrance, request);
  }

  async #act({ method, url: { pathname } }: HttpRequest, { isRoots }: Entrance): Promise<HttpAnswer> {
    if (!isRoots) return problem(403, `${pathname} changes the node: it is served on root's own socket only`);
    if (method !== "POST") {
      return problem(405, `${pathname} changes the node: it has to be asked by POST`, { "Allow": "POST" });
    }
    try {
      const { driver, context } = this.served;
      return jsonAnswer(200, await ACTIONS.get(pathname)?.(driver, context));
    } catch (error) {
      return problem(503, (error as Error).message);
    }
  }

  get #state() {
    return this.served.driver.agent.state;
  }

  #paths({ isWhole }: Entrance): string {
    return [...this.#routes].filter(([, { isOpen }]) => isWhole || isOpen).map(([path]) => path).join(" ");
  }

  get #around(): Surroundings {
    const { mode, context: { version } } = this.served;
    return {
      version,
      mode: mode.name,
      pid: Deno.pid,
      startedAt: this.#started,
      topology: this.#state.ledger.topology,
      timeOf: (milliseconds) => new Date(performance.timeOrigin + milliseconds).toISOString(),
    };
  }

  #status(): unknown {
    return statusDocument(viewOf(this.#state), this.#around);
  }

  /** Each is made for one question; on an address only so many a second, whoever asks. */
  #explain({ maxAgeMs }: Entrance, { url }: HttpRequest): HttpAnswer {
    const now = performance.now();
    if (maxAgeMs > 0 && now - this.#explainedAt < EXPLAIN_PAUSE_MS) {
      return problem(503, "too many questions at once; ask again in a moment");
    }
    this.#explainedAt = now;
    const asked = url.searchParams.get("of") ?? "";
    const document = explained(this.#state, asked, this.served.context.journal, this.#around);
    return jsonAnswer(200, document);
  }

  #journal(): unknown {
    const { journal } = this.served.context;
    return {
      service: "weka-cpuset",
      version: 1,
      dropped: journal.dropped,
      events: journal.entries.map(({ at, record: { level, message, fields = {} } }) => ({
        at: new Date(at).toISOString(),
        level,
        message,
        fields,
      })),
    };
  }

  #health(): HttpAnswer {
    const late = performance.now() - this.served.driver.tickedAt;
    return late < MAX_TICK_AGE_MS
      ? textAnswer(200, "the agent's loop turns")
      : textAnswer(503, `the agent's loop has not ticked for ${Math.round(late / 1000)} s`);
  }

  #readiness(): HttpAnswer {
    const { isReady, why } = readiness(this.#state, this.served.holder());
    return textAnswer(isReady ? 200 : 503, why);
  }

  #metricsRoute(metrics: Metrics): Route {
    const text = async () => {
      const view = viewOf(this.#state);
      const { isReady } = readiness(this.#state, this.served.holder());
      const { ledger: { topology }, cpusets } = this.#state;
      const pressureOf = (container: ContainerRef) => cpusets?.quotas?.pressure?.(container);
      const facts = { view, topology, isReady, now: performance.now(), pressureOf };
      return ENCODER.encode(await metrics.text(facts));
    };
    const body = kept(text);
    return {
      isOpen: true,
      answer: async ({ maxAgeMs }) => ({ status: 200, type: metrics.type, body: await body(maxAgeMs) }),
    };
  }
}

const ENCODER = new TextEncoder();

/** A document of the API, and whether it has changed since the client got it. */
function documentRoute(document: () => unknown): Route {
  let [tag, before] = [0, ""];
  const made = kept(() => {
    const text = JSON.stringify(document());
    if (text !== before) tag++;
    before = text;
    return { etag: `"${Deno.pid}-${tag}"`, body: ENCODER.encode(text) };
  });
  return {
    isOpen: false,
    answer: ({ maxAgeMs }, { headers }) => {
      const { etag, body } = made(maxAgeMs);
      return headers.get("if-none-match") === etag
        ? { status: 304, type: JSON_TYPE, body: new Uint8Array(), headers: { "ETag": etag } }
        : { status: 200, type: JSON_TYPE, body, headers: { "ETag": etag } };
    },
  };
}

const JSON_TYPE = "application/json";

/** What `make` gives, made again once it is as old as the caller allows. */
function kept<T>(make: () => T): (maxAgeMs: number) => T {
  let known: { readonly at: number; readonly value: T } | undefined;
  return (maxAgeMs) => {
    const now = performance.now();
    if (known === undefined || now - known.at >= maxAgeMs) known = { at: now, value: make() };
    return known.value;
  };
}

/** The page is read when it is first asked for. */
async function page(): Promise<HttpAnswer> {
  const { pageAnswer } = await import("./page.ts");
  return await pageAnswer();
}

function problem(status: number, reason: string, headers?: Readonly<Record<string, string>>): HttpAnswer {
  return jsonAnswer(status, { service: "weka-cpuset", error: reason }, headers);
}

function jsonAnswer(
  status: number,
  document: unknown,
  headers?: Readonly<Record<string, string>>,
): HttpAnswer {
  return { status, type: JSON_TYPE, body: ENCODER.encode(JSON.stringify(document)), headers };
}
