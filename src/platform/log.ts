import type { LogLevel, LogRecord } from "../log_record.ts";
import { BoundedWriter, type WriteAll } from "./bounded_writer.ts";
import { FORMATS } from "./log_format.ts";
import { pause } from "./pause.ts";
import { RepeatLimit } from "./repeat_limit.ts";
import { RotatingFile, type RotatingFileOptions } from "./rotating_file.ts";

/** What may wait for a slow reader of the log; as much again is on its way. */
const MAX_WAITING = { lines: 2000, characters: 1 << 20 };
/** Characters of a message or a field; what is longer is cut. */
const MAX_TEXT = 2000;
/** Milliseconds that the end of the process waits for a reader that has stalled. */
const PATIENCE = 300;

const WEIGHTS: Readonly<Record<LogLevel, number>> = { debug: 0, info: 1, warn: 2, error: 3 };

/** Where the program's log records go. */
export interface Log {
  /** Never waits, never throws. */
  write(record: LogRecord): void;
  /** Resolves when all that was written has left the process, or a reader that has stalled was waited for long enough: a third of a second. */
  flush(): Promise<void>;
}

/** A log whose level can be changed while it is in use. */
export interface LevelledLog extends Log {
  /** From now on, records below `level` are left out. */
  setLevel(level: LogLevel): void;
}

/** What is logged, and where to. */
export interface LogOptions {
  readonly level: LogLevel;
  /** `text` (the default) are logfmt lines, `time=… level=… msg="…" key=value`; `json` is an object a line. */
  readonly format?: "text" | "json" | undefined;
  /** In place of stderr. Where it can't be written, lines are dropped and counted, and each next one tries again. */
  readonly file?: RotatingFileOptions | undefined;
}

/**
 * A log that can't stall, flood or end the program: lines wait within a bound, what repeats is held back and
 * summarised, and what can't be written is dropped, counted, and owned up to. `write` is for tests.
 */
export function openLog(options: LogOptions, write: WriteAll = sinkOf(options)): LevelledLog {
  const format = FORMATS[options.format ?? "text"];
  const lineOf = (record: LogRecord) => format(record, Date.now());
  const lines = new BoundedWriter(write, MAX_WAITING, (count) =>
    lineOf({
      level: "warn",
      message: `dropped ${count} log lines, the log's reader was too slow or its file couldn't be written`,
    }));
  const repeats = new RepeatLimit();
  let level = options.level;
  let turning: number | undefined;

  function turn(): void {
    clearTimeout(turning);
    turning = undefined;
    for (const summary of repeats.turn(performance.now())) lines.push(lineOf(summary));
  }

  return {
    write(record) {
      if (WEIGHTS[record.level] < WEIGHTS[level]) return;
      if (performance.now() >= repeats.endsAt) turn();
      const cut = cutLong(record);
      if (repeats.admits(cut)) return lines.push(lineOf(cut));
      if (turning !== undefined) return;
      turning = setTimeout(turn, repeats.endsAt - performance.now());
      Deno.unrefTimer(turning);
    },
    async flush() {
      turn();
      await orTooLong(lines.flush());
    },
    setLevel(next) {
      level = next;
    },
  };
}

/** Says something on stderr, for a process that ends: also where nobody reads it, or it is closed. */
export async function lastWords(sentence: string): Promise<void> {
  await orTooLong(toStderr(new TextEncoder().encode(`${sentence}\n`)).catch(() => {}));
}

async function orTooLong(work: Promise<void>): Promise<void> {
  const done = new AbortController();
  await Promise.race([work, pause(PATIENCE, done.signal)]);
  done.abort();
}

function cutLong(record: LogRecord): LogRecord {
  const cut = <T>(value: T) =>
    typeof value === "string" && value.length > MAX_TEXT ? `${value.slice(0, MAX_TEXT)}…` : value;
  const fields = Object.entries(record.fields ?? {}).map(([name, value]) => [name, cut(value)]);
  return {
    ...record,
    message: cut(record.message),
    ...record.fields && { fields: Object.fromEntries(fields) },
  };
}

function sinkOf({ file }: LogOptions): WriteAll {
  if (file === undefined) return toStderr;
  const rotating = new RotatingFile(file);
  let works = true;
  let complaining = false;
  const complain = async (error: unknown) => {
    complaining = true;
    await toStderr(new TextEncoder().encode(complaint(file.path, error))).catch(() => {});
    complaining = false;
  };
  return async (bytes) => {
    try {
      await rotating.append(bytes);
      works = true;
    } catch (error) {
      // Said once: when there is an stderr, it is the only place left, and not awaited, since it may stall. Each
      // write that stalls holds a thread, so there is one at most.
      if (works && !complaining) complain(error);
      works = false;
      throw error;
    }
  };
}

function complaint(path: string, error: unknown): string {
  return `weka-cpuset: can't log to ${path}: ${
    (error as Error).message
  }; its lines are dropped until I can\n`;
}

async function toStderr(bytes: Uint8Array): Promise<void> {
  for (let rest = bytes; rest.length > 0;) rest = rest.subarray(await Deno.stderr.write(rest));
}
