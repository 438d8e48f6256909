import type { Config } from "../config/schema.ts";
import { unknown } from "../peers/cpu_manager.ts";
import { kubeletIn } from "../peers/kubelet.ts";
import { cpusetPluginsIn, PLUGIN_FOLDER } from "../peers/nri_plugins.ts";
import { describePeers, type Peer, type PeerFacts, peerLog, whyRefuse } from "../peers/peers.ts";
import { pause } from "../platform/pause.ts";
import type { Context } from "./context.ts";
import type { Driver } from "./driver.ts";

/** Between two checks, which mostly read the times of one file and the names in one folder. */
const INTERVAL_MS = 60_000;

/** What tests replace: the clock and the runtime's folder. */
interface PeerWatchOptions {
  readonly wait: (ms: number, stop: AbortSignal) => Promise<void>;
  readonly pluginFolder: string;
}

type Feed = Pick<Driver, "feed">;

/**
 * Watches for conflicting CPU managers on the node until closed. The part of the first check that needs no answer
 * from another process is over when this returns, so claims are suspended before the runtime's first request.
 */
export function watchPeers(
  driver: Feed,
  { effective: { config }, log }: Pick<Context, "effective" | "log">,
  { wait = pause, pluginFolder = PLUGIN_FOLDER }: Partial<PeerWatchOptions> = {},
): { close(): void } {
  return new PeerWatch(driver, config, log, { wait, pluginFolder });
}

class PeerWatch {
  #facts: PeerFacts = { cpuManager: unknown("not checked yet"), plugins: [] };
  /** Why kubelet's CPU manager is unknown at present. */
  #unknownReason = "";
  /** Why claims are suspended at present. */
  #suspendedReason: string | undefined;
  readonly #closed = new AbortController();

  constructor(
    private readonly driver: Feed,
    private readonly config: Config,
    private readonly log: Context["log"],
    private readonly options: PeerWatchOptions,
  ) {
    this.#run();
  }

  close(): void {
    this.#closed.abort();
  }

  async #run(): Promise<void> {
    const askKubelet = kubeletIn(this.config.kubeletRoot);
    const { signal } = this.#closed;
    for (; !signal.aborted; await this.options.wait(INTERVAL_MS, signal)) {
      try {
        const asked = askKubelet();
        const cpuManager = asked instanceof Promise ? await asked : asked;
        const plugins = cpusetPluginsIn(this.options.pluginFolder, this.config.pluginName);
        if (!signal.aborted) this.#take({ cpuManager, plugins });
      } catch (error) {
        this.log.write({
          level: "error",
          message: "bug: check for conflicting CPU managers failed",
          fields: { reason: `${error}` },
        });
      }
    }
  }

  #take(seen: PeerFacts): void {
    const before = describePeers(this.#facts);
    this.#facts = { ...seen, cpuManager: this.#lastKnown(seen.cpuManager) };
    this.#report(before, describePeers(this.#facts));
    const reason = this.config.onKubeletStatic === "refuse" ? whyRefuse(this.#facts) : undefined;
    if (reason === this.#suspendedReason) return;
    this.#suspendedReason = reason;
    this.driver.feed({ kind: "suspended", reason });
  }

  /** An unknown state isn't `none`: kubelet is restarted, and its file removed, between one policy and the next. */
  #lastKnown(seen: PeerFacts["cpuManager"]): PeerFacts["cpuManager"] {
    const reason = seen.kind === "unknown" ? seen.reason : "";
    if (reason !== "" && reason !== this.#unknownReason) {
      this.log.write({ level: "debug", message: "kubelet CPU manager state unknown", fields: { reason } });
    }
    this.#unknownReason = reason;
    const { cpuManager } = this.#facts;
    return seen.kind === "unknown" && cpuManager.kind === "known" ? cpuManager : seen;
  }

  /** Logs each peer once when it appears and once when it is gone. */
  #report(before: readonly Peer[], now: readonly Peer[]): void {
    for (const peer of without(now, before)) this.log.write(peerLog(peer));
    for (const { name } of without(before, now)) {
      this.log.write({ level: "info", message: "conflicting CPU manager gone", fields: { peer: name } });
    }
  }
}

function without(peers: readonly Peer[], others: readonly Peer[]): Peer[] {
  return peers.filter(({ name }) => others.every((other) => other.name !== name));
}
