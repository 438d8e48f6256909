import type { Log } from "../platform/log.ts";

/** Between two ticks: the granularity of everything that is due at a time. */
export const TICK_MS = 1000;
/** containerd's default, for a runtime that doesn't name its own. */
const DEFAULT_REQUEST_TIMEOUT_MS = 2000;
/** Between two warnings of one kind; those suppressed meanwhile are summarised in the next. */
const QUIET_MS = 60_000;

type Fields = Readonly<Record<string, string | number>>;

/**
 * Warns when the agent comes near to being disconnected: a runtime drops a plugin whose reply takes too long, and goes
 * on without it. Times are in milliseconds of a monotonic clock that goes on while the process is stopped.
 */
export class Latency {
  readonly #slow: Warning;
  readonly #stalls: Warning;
  #tickedAt: number;

  /**
   * @param tickMs between two ticks
   * @param now of the start, which counts as the first tick
   */
  constructor(log: Log, private readonly tickMs: number, now: number) {
    this.#slow = new Warning(log, "slow reply: more than half of the runtime's request timeout");
    this.#stalls = new Warning(log, "process stalled: stopped, or starved of CPU time");
    this.#tickedAt = now;
  }

  get tickedAt(): number {
    return this.#tickedAt;
  }

  /** Takes in a reply to a request that was read at `since`; `timeout` is the runtime's, 0 if it names none. */
  answered(call: string, since: number, now: number, timeout: number | undefined): void {
    const timeoutMs = timeoutOf(timeout);
    if (now - since > timeoutMs / 2) this.#slow.add(now - since, now, { call, timeoutMs });
  }

  /** Takes in a tick: a late one means that the process could do nothing at all. */
  ticked(now: number, timeout: number | undefined): void {
    const late = now - this.#tickedAt - this.tickMs;
    const timeoutMs = timeoutOf(timeout);
    this.#tickedAt = now;
    if (late > timeoutMs / 2) this.#stalls.add(late, now, { timeoutMs });
    this.#slow.flush(now);
    this.#stalls.flush(now);
  }
}

function timeoutOf(timeout: number | undefined): number {
  return timeout !== undefined && timeout > 0 ? timeout : DEFAULT_REQUEST_TIMEOUT_MS;
}

/** A warning with a duration, logged at most once in {@link QUIET_MS}. */
class Warning {
  #quietUntil = -Infinity;
  /** Since the last one logged: how many, and the longest. */
  #pending: { readonly count: number; readonly max: number; readonly fields: Fields } | undefined;

  constructor(private readonly log: Log, private readonly message: string) {}

  add(duration: number, now: number, fields: Fields): void {
    const { count, max, fields: longest } = this.#pending ?? { count: 0, max: 0, fields };
    this.#pending = {
      count: count + 1,
      max: Math.max(max, duration),
      fields: duration > max ? fields : longest,
    };
    this.flush(now);
  }

  /** Logs what is pending, if it is time. */
  flush(now: number): void {
    if (this.#pending === undefined || now < this.#quietUntil) return;
    const { count, max, fields } = this.#pending;
    this.log.write({
      level: "warn",
      message: this.message,
      fields: { durationMs: Math.round(max), ...fields, ...count > 1 ? { times: count } : {} },
    });
    this.#pending = undefined;
    this.#quietUntil = now + QUIET_MS;
  }
}
