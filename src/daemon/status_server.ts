/**
 * The status API on a unix socket that only root can open. The active agent of a node serves it in the run directory; each process
 * for itself, on standby too, health and readiness where `probeSocket` says.
 */
import { HttpServer } from "../platform/http_server.ts";
import { LeaderLock } from "../platform/lock.ts";
import type { Context } from "./context.ts";
import type { Entrance, StatusApi } from "./status_api.ts";

/** Below the run directory. */
export const STATUS_SOCKET = "status.sock";

/** Root sees everything, as it is now, and may change it. */
const ROOTS: Entrance = { isRoots: true, isWhole: true, isLocal: false, maxAgeMs: 0 };
/** What names no pods, as it is now. */
const PROBES: Entrance = { isRoots: false, isWhole: false, isLocal: false, maxAgeMs: 0 };

export class StatusServer {
  #server: HttpServer | undefined;

  /** @param probeSocket where it isn't the node's status socket: in a directory of the agent's container, which isn't checked */
  constructor(
    private readonly api: () => Promise<StatusApi>,
    private readonly context: Pick<Context, "effective" | "log">,
    private readonly probeSocket?: string,
  ) {}

  /** Serves from now on. Where that isn't possible the agent does its work all the same. */
  open(): void {
    const { runDir } = this.context.effective.config;
    const path = this.probeSocket ?? `${runDir}/${STATUS_SOCKET}`;
    const entrance = this.probeSocket === undefined ? ROOTS : PROBES;
    this.close();
    try {
      if (this.probeSocket === undefined) LeaderLock.check(runDir);
      this.#server = new HttpServer(
        listenAt(path),
        async (request) => (await this.api()).answer(request, entrance),
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

/** What a former agent has left. The caller holds the leader lock, or is alone in its container, so no other one uses it. @throws where it is something else */
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
