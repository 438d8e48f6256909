import type { LogRecord } from "../log_record.ts";
import type { LevelledLog } from "../platform/log.ts";

/** Records kept at once; with cut fields about a megabyte at most. */
const CAPACITY = 500;
/** Of a message or a field. */
const MAX_CHARACTERS = 300;

/** A record, and when it was written, in milliseconds since 1970. */
export interface JournalEntry {
  readonly at: number;
  readonly record: LogRecord;
}

/**
 * The latest decisions, in memory only: after a restart they can be derived again from what is on the node. What is worth
 * logging at level info or above is kept, whatever level is logged.
 */
export class Journal {
  readonly #entries: JournalEntry[] = [];
  #dropped = 0;

  /** Oldest first. */
  get entries(): readonly JournalEntry[] {
    return this.#entries;
  }

  /** How many are no longer kept. */
  get dropped(): number {
    return this.#dropped;
  }

  add(record: LogRecord, at: number): void {
    if (record.level === "debug") return;
    this.#entries.push({ at, record: cut(record) });
    if (this.#entries.length <= CAPACITY) return;
    this.#entries.shift();
    this.#dropped++;
  }

  /** A log that the journal keeps a copy of. */
  of(log: LevelledLog, now: () => number = Date.now): LevelledLog {
    return {
      write: (record) => {
        this.add(record, now());
        log.write(record);
      },
      flush: () => log.flush(),
      setLevel: (level) => log.setLevel(level),
    };
  }
}

function cut({ level, message, fields = {} }: LogRecord): LogRecord {
  const short = <T>(value: T) => typeof value === "string" ? value.slice(0, MAX_CHARACTERS) : value;
  const entries = Object.entries(fields).map(([name, value]) => [name, short(value)]);
  return { level, message: short(message), fields: Object.fromEntries(entries) };
}
