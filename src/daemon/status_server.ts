/** The status API on a unix socket that only root can open. The active agent of a node serves it. */
import { HttpServer } from "../platform/http_server.ts";
import { LeaderLock } from "../platform/lock.ts";
import type { Context } from "./context.ts";
import type { Entrance, StatusApi } from "./status_api.ts";

/** Below the run directory. */
export const STATUS_SOCKET = "status.sock";

/** Root sees everything, as it is now, and may change it. */
const ENTRANCE: Entrance = { isRoots: true, isWhole: true, isLocal: false, maxAgeMs: 0 };

export class StatusServer {
  #server: HttpServer | undefined;

  constructor(
    private readonly api: () => Promise<StatusApi>,
    private readonly context: Pick<Context, "effective" | "log">,
  ) {}

  /** Serves from now on. Where that isn't possible the agent does its work all the same. */
  open(): void {
    const path = `${this.context.effective.config.runDir}/${STATUS_SOCKET}`;
    this.close();
    try {
      LeaderLock.check(this.context.effective.config.runDir);
      this.#server = new HttpServer(
        listenAt(path),
        async (request) => (await this.api()).answer(request, ENTRANCE),
      );
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
    await server?.close();
  }
}

/**
 * The file is there with its mode at once: it is made in a folder that only its owner can enter. The umask would do as well, but
 * is the whole process', with all that its other threads create. By another name, since Deno removes the file that a listener
 * was made with some time after that is closed, when there may be the next one's.
 */
function listenAt(path: string): Deno.UnixListener {
  const folder = `${path}.new`;
  removeStale(path);
  removeAll(folder);
  Deno.mkdirSync(folder, { mode: 0o700 });
  try {
    const own = `${folder}/s`;
    const listener = Deno.listen({ transport: "unix", path: own });
    Deno.chmodSync(own, 0o600);
    Deno.renameSync(own, path);
    return listener;
  } finally {
    removeAll(folder);
  }
}

/** What a former agent has left. The caller holds the leader lock, so no other one uses it. @throws where it is something else */
function removeStale(path: string): void {
  try {
    if (!Deno.lstatSync(path).isSocket) throw new Error(`there is a file that is no socket at ${path}`);
    Deno.removeSync(path);
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  }
}

function removeAll(path: string): void {
  try {
    Deno.removeSync(path, { recursive: true });
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  }
}
