import type { Config } from "../config/schema.ts";
import { unknown } from "../peers/cpu_manager.ts";
import { kubeletIn } from "../peers/kubelet.ts";
import { cpusetPluginsIn, PLUGIN_FOLDER } from "../peers/nri_plugins.ts";
import { pause } from "../platform/pause.ts";
import { describePeers, type Peer, type PeerFacts, peerLog, whyRefuse } from "../peers/peers.ts";
import type { Boot } from "./boot.ts";
import type { Driver } from "./driver.ts";

/** Milliseconds between looks: the times of one file and the names in one folder, mostly. */
const EVERY = 60_000;

/** What tests put in place of the clock and of the runtime's folder. */
export interface Surroundings {
  readonly wait: (ms: number, stop: AbortSignal) => Promise<void>;
  readonly pluginFolder: string;
}

/**
 * Detects conflicting CPU managers on the node, until closed. The first look at what needs no answer from
 * anybody is over when this returns: what it bars is barred before the runtime asks for anything.
 */
export function watchPeers(
  driver: Pick<Driver, "feed">,
  { effective: { config }, log }: Pick<Boot, "effective" | "log">,
  { wait = pause, pluginFolder = PLUGIN_FOLDER }: Partial<Surroundings> = {},
): PeerWatch {
  return new PeerWatch(driver, config, log, { wait, pluginFolder });
}

export class PeerWatch {
  #facts: PeerFacts = { cpuManager: unknown("not read yet"), plugins: [] };
  #why = "";
  #bar: string | undefined;
  readonly #closed = new AbortController();

  constructor(
    private readonly driver: Pick<Driver, "feed">,
    private readonly config: Config,
    private readonly log: Boot["log"],
    private readonly around: Surroundings,
  ) {
    this.#run();
  }

  /** What was seen last. What kubelet was last known to do counts while it is unknown. */
  get facts(): PeerFacts {
    return this.#facts;
  }

  /** Ends the looks. Idempotent. */
  close(): void {
    this.#closed.abort();
  }

  async #run(): Promise<void> {
    const askKubelet = kubeletIn(this.config.kubeletRoot);
    const { signal } = this.#closed;
    for (; !signal.aborted; await this.around.wait(EVERY, signal)) {
      try {
        const asked = askKubelet();
        const cpuManager = asked instanceof Promise ? await asked : asked;
        const plugins = cpusetPluginsIn(this.around.pluginFolder, this.config.pluginName);
        if (!signal.aborted) this.#take({ cpuManager, plugins });
      } catch (error) {
        this.log.write({
          level: "error",
          message: `bug while detecting conflicting CPU managers: ${error}`,
        });
      }
    }
  }

  #take(seen: PeerFacts): void {
    const before = describePeers(this.#facts);
    this.#facts = { ...seen, cpuManager: this.#lastKnown(seen.cpuManager) };
    this.#report(before, describePeers(this.#facts));
    const bar = this.config.onKubeletStatic === "refuse" ? whyRefuse(this.#facts) : undefined;
    if (bar === this.#bar) return;
    this.#bar = bar;
    this.driver.feed({ kind: "barred", why: bar });
  }

  /** Unknown doesn't mean none: kubelet is restarted, and its file removed, on the way from one policy to another. */
  #lastKnown(seen: PeerFacts["cpuManager"]): PeerFacts["cpuManager"] {
    const why = seen.kind === "unknown" ? seen.reason : "";
    if (why !== "" && why !== this.#why) {
      this.log.write({
        level: "debug",
        message: "kubelet's CPU manager policy unknown",
        fields: { reason: why },
      });
    }
    this.#why = why;
    const { cpuManager } = this.#facts;
    return seen.kind === "unknown" && cpuManager.kind === "known" ? cpuManager : seen;
  }

  /** Each peer once when it comes and once when it goes, not at every look. */
  #report(before: readonly Peer[], now: readonly Peer[]): void {
    for (const peer of without(now, before)) this.log.write(peerLog(peer));
    for (const { name } of without(before, now)) {
      this.log.write({ level: "info", message: "conflicting CPU manager gone", fields: { manager: name } });
    }
  }
}

function without(peers: readonly Peer[], others: readonly Peer[]): Peer[] {
  return peers.filter(({ name }) => others.every((other) => other.name !== name));
}
