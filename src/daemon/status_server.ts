/** The status API: HTTP with JSON on a unix socket that only root can open. The active agent of a node serves it. */
import { viewOf } from "../agent/view.ts";
import { LeaderLock } from "../platform/lock.ts";
import { statusDocument, type Surroundings } from "../status/status_document.ts";
import type { Context } from "./context.ts";
import type { Driver } from "./driver.ts";
import { explained } from "./explained.ts";
import type { Mode } from "./modes.ts";
import { ACTIONS } from "./release_here.ts";

/** Below the run directory. */
export const STATUS_SOCKET = "status.sock";

/** Requests that are answered at once; the next one is refused (503). */
const MAX_REQUESTS = 16;

/** Read and written by its owner alone. */
const SOCKET_UMASK = 0o177;

type Served = Pick<Driver, "agent" | "feed">;

type Answer = (driver: Served, query: URLSearchParams) => unknown;

export class StatusServer {
  #server: Deno.HttpServer | undefined;
  #requests = 0;
  readonly #started = new Date(performance.timeOrigin).toISOString();

  constructor(
    private readonly driver: Served,
    private readonly mode: Pick<Mode, "name">,
    private readonly context: Context,
  ) {}

  /** Serves from now on. Where that isn't possible the agent does its work all the same. */
  open(): void {
    const path = this.#path;
    this.close();
    try {
      LeaderLock.check(this.context.effective.config.runDir);
      removeStale(path);
      // The file is there with its mode at once; the call is synchronous.
      const before = Deno.umask(SOCKET_UMASK);
      try {
        const options = { onListen() {}, onError: () => problem(500, "bug: see the agent's log") };
        this.#server = Deno.serve({ path, ...options }, (request) => this.#answer(request));
      } finally {
        Deno.umask(before);
      }
      this.#server.finished.catch(() => {});
    } catch (error) {
      this.context.log.write({
        level: "warn",
        message: "no status: its socket can't be made",
        fields: { path, reason: (error as Error).message },
      });
    }
  }

  /** No more requests; resolves when those that are under way have been answered. */
  async close(): Promise<void> {
    const server = this.#server;
    this.#server = undefined;
    await server?.shutdown().catch(() => {});
  }

  get #path(): string {
    return `${this.context.effective.config.runDir}/${STATUS_SOCKET}`;
  }

  async #answer(request: Request): Promise<Response> {
    if (this.#requests >= MAX_REQUESTS) return problem(503, "too many requests at once; ask again later");
    this.#requests++;
    try {
      return await this.#route(request);
    } finally {
      this.#requests--;
    }
  }

  async #route({ method, url }: Request): Promise<Response> {
    const { pathname, searchParams } = new URL(url);
    const action = ACTIONS.get(pathname);
    if (action !== undefined) {
      if (method !== "POST") return problem(405, `${pathname} changes the node: it has to be asked by POST`);
      try {
        return Response.json(await action(this.driver, this.context));
      } catch (error) {
        return problem(503, (error as Error).message);
      }
    }
    const answer = this.#answers.get(pathname);
    if (answer === undefined) {
      return problem(404, `no such path; there are ${[...this.#answers.keys()].join(" ")}`);
    }
    if (method !== "GET") return problem(405, `${method} isn't served here, only GET is`);
    return Response.json(answer(this.driver, searchParams));
  }

  readonly #answers: ReadonlyMap<string, Answer> = new Map<string, Answer>([
    [
      "/api/v1/status",
      ({ agent: { state } }) => statusDocument(viewOf(state), this.#around(state.ledger.topology)),
    ],
    [
      "/api/v1/explain",
      ({ agent: { state } }, query) =>
        explained(state, query.get("of") ?? "", this.context.journal, this.#around(state.ledger.topology)),
    ],
    ["/api/v1/journal", () => ({
      service: "weka-cpuset",
      version: 1,
      dropped: this.context.journal.dropped,
      events: this.context.journal.entries.map(({ at, record: { level, message, fields = {} } }) => ({
        at: new Date(at).toISOString(),
        level,
        message,
        fields,
      })),
    })],
  ]);

  #around(topology: Surroundings["topology"]): Surroundings {
    return {
      version: this.context.version,
      mode: this.mode.name,
      pid: Deno.pid,
      startedAt: this.#started,
      topology,
      timeOf: (milliseconds) => new Date(performance.timeOrigin + milliseconds).toISOString(),
    };
  }
}

/** What an agent that was killed has left. The caller holds the leader lock, so no other one uses it. */
function removeStale(path: string): void {
  try {
    if (Deno.lstatSync(path).isSocket) Deno.removeSync(path);
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  }
}

function problem(status: number, reason: string): Response {
  return Response.json({ service: "weka-cpuset", error: reason }, { status });
}
