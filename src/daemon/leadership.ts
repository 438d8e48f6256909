/**
 * Which of the agents of a node is active: the one that holds the leader lock. It asks for the lock when it has a connection,
 * before it registers, and gives it up when it hasn't been serving a connection for a while: another agent may have a
 * runtime that it can reach.
 */
import { LeaderLock, type LockHolder } from "../platform/lock.ts";
import { processName, processStart } from "../platform/process_name.ts";
import type { Context } from "./context.ts";
import type { Mode } from "./modes.ts";

/** What the active agent says of itself in the lock's file from the signal on that ends it. */
const ENDING = "ending";
/** Without a connection; a restart of the runtime takes less. */
const RELEASE_AFTER_MS = 5000;
/** Between two log records of an agent that is on standby. */
const REMIND_AFTER_MS = 600_000;

type LockMode = Pick<Mode, "name" | "needsLock">;

/** The leader lock, asked for. */
export interface LockClaim {
  /** Another agent holds it: this one is on standby until `settled`. */
  readonly contested: boolean;
  /** Resolves when this agent is active, or has ended before. Rejects where the lock can't be used and is needed. */
  readonly settled: Promise<void>;
}

const SETTLED: LockClaim = { contested: false, settled: Promise.resolve() };

export class Leadership {
  #claim: LockClaim | undefined;
  #lock: LeaderLock | undefined;
  /** Since when no connection has been served, in milliseconds of `performance.now()`. */
  #idleSince = 0;
  #reminder: number | undefined;
  /** Reads what the holder says, while another agent has the lock. */
  #holder: (() => LockHolder) | undefined;
  /** Why the lock can't be used, in a mode that needs it. */
  #failure: Error | undefined;
  readonly #name: string;

  /**
   * @param onChange called with whether this agent is active from now on; it isn't at first
   * @throws {Error} where the lock can't be used and the mode needs it
   */
  constructor(
    private readonly mode: LockMode,
    private readonly context: Context,
    private readonly ended: AbortSignal,
    private readonly onChange: (isActive: boolean) => void,
  ) {
    const { effective: { config: { dryRun, runDir, procRoot } }, version, pod } = context;
    this.#name = `${processName(pod, procRoot)}, ${mode.name}, ${version}, started ${processStart()}`;
    if (mode.needsLock && !dryRun) LeaderLock.check(runDir);
    // Before anything else that is done at the signal: it is said as long as the runtime is answered.
    context.stop.addEventListener("abort", () => this.#lock?.describe(ENDING));
  }

  /**
   * Asks for the lock, unless that is done already. A dry run changes nothing, so it needs none.
   * @throws {Error} where it can't be used and is needed, and that was found out later
   */
  claim(): LockClaim {
    if (this.#failure !== undefined) throw this.#failure;
    return this.#claim ??= this.context.effective.config.dryRun ? this.#activeWithoutLock() : this.#ask();
  }

  /** What the holder of the lock is doing, for those that wait for it. */
  describe(activity: string): void {
    if (!this.context.stop.aborted) this.#lock?.describe(activity);
  }

  /** The active agent, which isn't this one, has said that it ends. */
  get activeEnds(): boolean {
    return this.#holder?.().activity === ENDING;
  }

  /** Who has the lock that this agent has asked for; undefined: itself, nobody, or it hasn't asked. */
  get holder(): LockHolder | undefined {
    return this.#holder?.();
  }

  /** There is no connection now; `served`: until now there was one that was served. */
  disconnected(served: boolean): void {
    if (served) {
      this.#idleSince = performance.now();
      this.describe(`reconnecting since ${new Date().toISOString()}`);
    }
    if (this.#lock === undefined || performance.now() - this.#idleSince < RELEASE_AFTER_MS) return;
    this.#release();
    this.context.log.write({ level: "info", message: "leader lock released: no connection to the runtime" });
    this.onChange(false);
  }

  /** To be called after `ended`. */
  async close(): Promise<void> {
    await this.#claim?.settled.catch(() => {});
    this.#release();
  }

  #activeWithoutLock(): LockClaim {
    this.onChange(true);
    return SETTLED;
  }

  #ask(): LockClaim {
    let contested = false; // decided before `acquire` returns
    const { runDir } = this.context.effective.config;
    const acquired = LeaderLock.acquire(runDir, this.#name, this.ended, (holder) => {
      contested = true;
      this.#standby(holder);
    });
    const settled = acquired.then((lock) => this.#acquired(lock), (error) => this.#notAcquired(error))
      .finally(() => clearInterval(this.#reminder));
    return { contested, settled };
  }

  #acquired(lock: LeaderLock): void {
    this.#holder = undefined;
    this.#lock = lock;
    this.#claim = SETTLED;
    this.#idleSince = performance.now();
    this.describe("connecting to the runtime");
    if (!this.ended.aborted) this.onChange(true);
  }

  #notAcquired(error: Error): void {
    this.#holder = undefined;
    if (this.ended.aborted) return;
    if (this.mode.needsLock) throw this.#failure = error;
    // No other agent can use it either, and without an active agent containers run on any CPU.
    this.context.log.write({
      level: "error",
      message: "leader lock unusable; active without it",
      fields: { reason: error.message },
    });
    this.onChange(true);
  }

  #standby(holder: () => LockHolder): void {
    this.#holder = holder;
    const remind = () => {
      const { name, since, activity } = holder();
      this.context.log.write({
        level: "warn",
        message: "standby: another agent is active",
        fields: { holder: name, since, activity },
      });
    };
    remind();
    clearInterval(this.#reminder); // the lock's file may be replaced meanwhile
    this.#reminder = setInterval(remind, REMIND_AFTER_MS);
  }

  #release(): void {
    this.#lock?.release();
    this.#lock = this.#claim = undefined;
  }
}
