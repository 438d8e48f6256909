/** HTTP on an address of the node, where the configuration names one: health, metrics, and what an {@link Entrance} allows. */
import { HttpServer } from "../platform/http_server.ts";
import { pause } from "../platform/pause.ts";
import type { Context } from "./context.ts";
import type { Entrance, StatusApi } from "./status_api.ts";

/** Another agent of this node, which this one stands by for, may have the address. */
const RETRY_MS = 1000;
const MAX_AGE_MS = 1000;

/** `127.0.0.1:9753`, `[::1]:9753`; checked by the configuration's schema. */
const ADDRESS = /^\[?([^\]]*)\]?:(\d+)$/;

export class HttpEndpoint {
  readonly #closed = new AbortController();
  #server: HttpServer | undefined;

  constructor(
    private readonly api: () => Promise<StatusApi>,
    private readonly context: Pick<Context, "effective" | "log" | "dropNetwork">,
  ) {}

  /**
   * Serves as soon as the address is free, for as long as the process lives. Resolves when nothing needs the network any more,
   * and has the process give up its permission for it then: what listens goes on listening.
   */
  async open(): Promise<void> {
    const { http } = this.context.effective.config;
    let reason = "";
    while (http !== "" && this.#server === undefined && !this.#closed.signal.aborted) {
      try {
        this.#listen(http);
      } catch (error) {
        if (reason === "") reason = this.#failed(http, error as Error);
        await pause(RETRY_MS, this.#closed.signal);
      }
    }
    this.context.dropNetwork?.();
  }

  /** Resolves when the requests under way have been answered. */
  async close(): Promise<void> {
    this.#closed.abort();
    await this.#server?.close();
  }

  #listen(http: string): void {
    const { httpAll } = this.context.effective.config;
    const [, hostname = "", port = ""] = ADDRESS.exec(http) ?? [];
    const isLocal = /^(127\.|::1$)/.test(hostname);
    const entrance: Entrance = { isRoots: false, isWhole: isLocal || httpAll, isLocal, maxAgeMs: MAX_AGE_MS };
    const listener = Deno.listen({ hostname, port: Number(port) });
    this.#server = new HttpServer(listener, async (request) => (await this.api()).answer(request, entrance));
    this.context.log.write({
      level: "info",
      message: "serving HTTP",
      fields: { http, whole: entrance.isWhole },
    });
  }

  #failed(http: string, { message: reason }: Error): string {
    this.context.log.write({
      level: "warn",
      message: "no HTTP yet: can't listen on the address; retrying",
      fields: { http, reason },
    });
    return reason;
  }
}
