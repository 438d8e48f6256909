import type { Log } from "../platform/log.ts";

/** Milliseconds: containerd's default, for a runtime that doesn't tell its own. */
const REQUEST_TIMEOUT = 2000;
/** Milliseconds in which one warning of a kind is said; what comes meanwhile is told together afterwards. */
const QUIET = 60_000;

/** How often, and how long at most, in milliseconds. */
export interface Lengths {
  readonly count: number;
  readonly max: number;
}

/** What was seen since the start. */
export interface LatencyFigures {
  /** From the bytes of a request being read to its answer being handed to the kernel. */
  readonly answers: Lengths;
  /** Those of them that took more than half of what the runtime waits for. */
  readonly slow: Lengths;
  /** Times in which the agent could do nothing at all. */
  readonly stalls: Lengths;
}

/**
 * Watches from within how near the agent comes to being cut off: a runtime drops a plugin that answers too late, and
 * goes on without it. Times are in milliseconds of a clock that never goes back and goes on while the process is
 * stopped.
 */
export class Latency {
  #answers: Lengths = { count: 0, max: 0 };
  readonly #slow: Episodes;
  readonly #stalls: Episodes;
  #tickedAt: number;

  /**
   * @param every milliseconds from one tick to the next, where nothing is in the way
   * @param now of the start, which counts as the first tick
   */
  constructor(log: Log, private readonly every: number, now: number) {
    this.#slow = new Episodes(log, "an answer took more than half of the time that the runtime waits for it");
    this.#stalls = new Episodes(
      log,
      "the agent stood still: it was stopped, or the machine was too busy for it",
    );
    this.#tickedAt = now;
  }

  get figures(): LatencyFigures {
    return { answers: this.#answers, slow: this.#slow.lengths, stalls: this.#stalls.lengths };
  }

  /** An answer was given; `timeout` is what the runtime says that it waits, 0 if it doesn't say. */
  answered(call: string, since: number, now: number, timeout: number | undefined): void {
    const took = now - since;
    this.#answers = withOne(this.#answers, took);
    if (took > limit(timeout) / 2) this.#slow.add(took, now, { call, timeoutMs: limit(timeout) });
  }

  /** A tick has come. */
  ticked(now: number, timeout: number | undefined): void {
    const late = now - this.#tickedAt - this.every;
    this.#tickedAt = now;
    if (late > limit(timeout) / 2) this.#stalls.add(late, now, { timeoutMs: limit(timeout) });
    this.#slow.tell(now);
    this.#stalls.tell(now);
  }
}

function limit(timeout: number | undefined): number {
  return timeout !== undefined && timeout > 0 ? timeout : REQUEST_TIMEOUT;
}

function withOne({ count, max }: Lengths, length: number): Lengths {
  return { count: count + 1, max: Math.max(max, length) };
}

/** What should not happen, counted, and warned of now and then. */
class Episodes {
  #lengths: Lengths = { count: 0, max: 0 };
  #quietUntil = -Infinity;
  /** Since the last warning: how many, and the fields of the longest. */
  #untold: (Lengths & { readonly fields: Readonly<Record<string, string | number>> }) | undefined;

  constructor(private readonly log: Log, private readonly message: string) {}

  get lengths(): Lengths {
    return this.#lengths;
  }

  add(length: number, now: number, fields: Readonly<Record<string, string | number>>): void {
    this.#lengths = withOne(this.#lengths, length);
    const before = this.#untold ?? { count: 0, max: 0, fields };
    this.#untold = { ...withOne(before, length), fields: length > before.max ? fields : before.fields };
    this.tell(now);
  }

  /** Warns of what has not been told yet, if it is time. */
  tell(now: number): void {
    if (this.#untold === undefined || now < this.#quietUntil) return;
    const { count, max, fields } = this.#untold;
    const times = count > 1 ? { times: count } : {};
    this.log.write({
      level: "warn",
      message: this.message,
      fields: { ms: Math.round(max), ...fields, ...times },
    });
    this.#untold = undefined;
    this.#quietUntil = now + QUIET;
  }
}
