/** The host's side of the agent's questions: containers from the CRI, claims from the cgroup tree, configuration. */
import { scanClaims } from "../cgroup/scan.ts";
import { Cri } from "../cri/cri.ts";
import type { CpuUpdate } from "../ledger/updates.ts";
import { backoff } from "../platform/backoff.ts";
import { pause } from "../platform/pause.ts";
import type { Context } from "./context.ts";
import type { Queries } from "./driver.ts";
import { settingsWithRuntimeText } from "./settings.ts";

/** Bounds of the delay between two attempts to list: a launched agent is there a moment before the runtime's CRI. */
const FIRST_RETRY_MS = 100;
const LAST_RETRY_MS = 2000;

/** The queries, answered from this node. */
export function queriesOn(context: Context): Queries {
  const { cgroupRoot } = context.effective.config;
  return {
    list: lister(context),
    count: counter(context),
    apply: (next, failed) => apply(next, failed, context),
    scan: (online) => scanClaims(cgroupRoot, online),
    configure: (text) => settingsWithRuntimeText(text, context),
  };
}

/** Lets `work` use the CRI. A connection of its own each time: an old one may be broken without an error. */
async function withCri<T>(sockets: readonly string[], work: (cri: Cri) => Promise<T>): Promise<T> {
  const cri = await Cri.connect(sockets);
  try {
    return await work(cri);
  } finally {
    cri.close();
  }
}

/** Logs failures of one kind, each reason once until it changes or `clear` is called. */
class FailureLog {
  #reason = "";

  constructor(private readonly message: string, private readonly log: Context["log"]) {}

  write(error: unknown): void {
    const reason = (error as Error).message;
    if (reason !== this.#reason) {
      this.log.write({ level: "warn", message: this.message, fields: { reason } });
    }
    this.#reason = reason;
  }

  clear(): void {
    this.#reason = "";
  }
}

function counter({ effective: { config }, log }: Context): Queries["count"] {
  const failures = new FailureLog("failed to count containers; retrying", log);
  return async () => {
    try {
      const living = await withCri(config.criSockets, (cri) => cri.living());
      failures.clear();
      return living;
    } catch (error) {
      failures.write(error);
      return undefined;
    }
  };
}

function lister({ effective: { config }, log, stop }: Context): Queries["list"] {
  const delays = backoff(FIRST_RETRY_MS, LAST_RETRY_MS);
  const failures = new FailureLog("failed to list running containers; retrying", log);
  return async (wanted) => {
    for (; !stop.aborted && wanted(); await pause(delays.next(), stop)) {
      try {
        const listing = await withCri(config.criSockets, (cri) => cri.list());
        delays.reset();
        failures.clear();
        return listing;
      } catch (error) {
        failures.write(error);
      }
    }
    return undefined;
  };
}

/**
 * Updates one container after the other. The runtime calls UpdateContainer of its plugins for each, so the CPUs that
 * it writes are the agent's own reply, which is never older than these updates.
 */
async function apply(
  next: () => CpuUpdate | undefined,
  failed: (id: string) => void,
  { effective: { config }, log, stop }: Context,
): Promise<void> {
  await withCri(config.criSockets, async (cri) => {
    for (let update = next(); update !== undefined && !stop.aborted; update = next()) {
      const { id: containerID, cpus } = update;
      try {
        await cri.updateCpus(containerID, cpus.toString());
      } catch (error) {
        log.write({
          level: "warn",
          message: "failed to update container CPUs",
          fields: { containerID, cpus: cpus.toString(), reason: (error as Error).message },
        });
        failed(containerID);
      }
    }
  });
}
