import type { LogRecord } from "../log_record.ts";

const MINUTE = 60_000;
/** Within one minute: how often the very same line is said, and one message with whatever fields. */
const SAME_LINE = 10;
const SAME_MESSAGE = 500;
/** Different lines, and different messages, that are counted; those beyond are let through. */
const MAX_COUNTED = 500;

/** Counts records by a key, up to a limit each. */
class Counts {
  readonly #counted = new Map<string, { readonly record: LogRecord; count: number }>();

  constructor(private readonly limit: number) {}

  /** Whether this one is within the limit; `record` is what a summary is made of. */
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
 * Keeps what happens over and over from filling the log: what comes too often within a minute is held back, and at
 * its end how often is said once. Times are in ms, of any clock that never goes back.
 */
export class RepeatLimit {
  #endsAt = -Infinity;
  #lines = new Counts(SAME_LINE);
  #messages = new Counts(SAME_MESSAGE);

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

  /** Begins a new minute at `now`; gives a summary of all that was held back in the old one. */
  turn(now: number): LogRecord[] {
    const summaries = [...this.#lines.summaries(), ...this.#messages.summaries()];
    this.#lines = new Counts(SAME_LINE);
    this.#messages = new Counts(SAME_MESSAGE);
    this.#endsAt = now + MINUTE;
    return summaries;
  }
}
