import type { LogRecord } from "../log_record.ts";

const WINDOW_MS = 60_000;
/** In one window: how often the same line is logged, and one message with any fields. */
const MAX_SAME_LINE = 10;
const MAX_SAME_MESSAGE = 500;
/** Different lines, and different messages, that are counted; those beyond are logged. */
const MAX_COUNTED = 500;

/** Counts records by a key, up to a limit each. */
class Counts {
  readonly #counted = new Map<string, { readonly record: LogRecord; count: number }>();

  constructor(private readonly limit: number) {}

  /** Whether this one is within the limit; summaries are made of `record`. */
  admits(key: string, record: LogRecord): boolean {
    const counted = this.#counted.get(key) ?? { record, count: 0 };
    if (counted.count === 0 && this.#counted.size >= MAX_COUNTED) return true;
    this.#counted.set(key, counted);
    return ++counted.count <= this.limit;
  }

  summaries(): LogRecord[] {
    const heldBack = [...this.#counted.values()].filter(({ count }) => count > this.limit);
    return heldBack.map(({ record, count }) => ({
      ...record,
      message: `${record.message} (repeated ${count - this.limit} more times in the last minute)`,
    }));
  }
}

/**
 * Keeps repeated records from filling the log: those beyond a limit within a minute are held back, and at its end one
 * summary says how many. Times are in ms, of any clock that never goes back.
 */
export class RepeatLimit {
  #endsAt = -Infinity;
  #lines = new Counts(MAX_SAME_LINE);
  #messages = new Counts(MAX_SAME_MESSAGE);

  /** When `turn` is due. */
  get endsAt(): number {
    return this.#endsAt;
  }

  /** Whether this record is to be logged; else it is counted for the summary. */
  admits(record: LogRecord): boolean {
    const { level, message, fields } = record;
    return this.#lines.admits(JSON.stringify([level, message, fields]), record) &&
      this.#messages.admits(`${level} ${message}`, { level, message });
  }

  /** Starts a new minute at `now`; returns summaries of what was held back in the old one. */
  turn(now: number): LogRecord[] {
    const summaries = [...this.#lines.summaries(), ...this.#messages.summaries()];
    this.#lines = new Counts(MAX_SAME_LINE);
    this.#messages = new Counts(MAX_SAME_MESSAGE);
    this.#endsAt = now + WINDOW_MS;
    return summaries;
  }
}
