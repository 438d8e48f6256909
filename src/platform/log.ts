import type { LogLevel, LogRecord } from "../log_record.ts";
import { BoundedWriter, type WriteAll } from "./bounded_writer.ts";
import { FORMATS } from "./log_format.ts";
import { pause } from "./pause.ts";
import { RepeatLimit } from "./repeat_limit.ts";
import { RotatingFile, type RotatingFileOptions } from "./rotating_file.ts";

/** Of the queue for a slow reader of the log; as much again is being written. */
const MAX_QUEUE = { lines: 2000, characters: 1 << 20 };
/** Of a message or a field; what is longer is cut. */
const MAX_CHARACTERS = 2000;
/** How long the end of the process is delayed by a reader that has stalled. */
const FLUSH_TIMEOUT_MS = 300;

const WEIGHTS: Readonly<Record<LogLevel, number>> = { debug: 0, info: 1, warn: 2, error: 3 };

/** Where the program's log records go. */
export interface Log {
  /** Never blocks, never throws. */
  write(record: LogRecord): void;
  /** Resolves when all records have left the process, or after 0.3 s of a reader that has stalled. */
  flush(): Promise<void>;
}

/** A log whose level can be changed while it is in use. */
export interface LevelledLog extends Log {
  /** Records below `level` are dropped from now on. */
  setLevel(level: LogLevel): void;
}

/** What is logged, and where to. */
export interface LogOptions {
  readonly level: LogLevel;
  /** `text` (the default) are logfmt lines, `time=… level=… msg="…" key=value`; `json` is an object a line. */
  readonly format?: "text" | "json" | undefined;
  /** In place of stderr. Where it can't be written, lines are dropped and counted, and each next one is tried. */
  readonly file?: RotatingFileOptions | undefined;
}

/**
 * Opens a log that can't stall, flood or end the program: lines are queued within a bound, repeated ones are
 * summarised, and those that can't be written are dropped and their number is logged. `write` is for tests.
 */
export function openLog(options: LogOptions, write: WriteAll = sinkOf(options)): LevelledLog {
  const format = FORMATS[options.format ?? "text"];
  const lineOf = (record: LogRecord) => format(record, Date.now());
  const lines = new BoundedWriter(write, MAX_QUEUE, (count) =>
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
      await withTimeout(lines.flush());
    },
    setLevel(next) {
      level = next;
    },
  };
}

/** Writes a sentence to stderr before the process ends; also where it is closed or isn't read. */
export async function logFatal(sentence: string): Promise<void> {
  await withTimeout(toStderr(new TextEncoder().encode(`${sentence}\n`)).catch(() => {}));
}

async function withTimeout(work: Promise<void>): Promise<void> {
  const done = new AbortController();
  await Promise.race([work, pause(FLUSH_TIMEOUT_MS, done.signal)]);
  done.abort();
}

function cutLong(record: LogRecord): LogRecord {
  const cut = <T>(value: T) =>
    typeof value === "string" && value.length > MAX_CHARACTERS ? `${value.slice(0, MAX_CHARACTERS)}…` : value;
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
  let reporting = false;
  const report = async (error: unknown) => {
    reporting = true;
    await toStderr(new TextEncoder().encode(failureLine(file.path, error))).catch(() => {});
    reporting = false;
  };
  return async (bytes) => {
    try {
      await rotating.append(bytes);
      works = true;
    } catch (error) {
      // Reported once, on stderr, the only place left. Not awaited, since it may stall; and at most one at a time,
      // since each write that stalls holds a thread.
      if (works && !reporting) report(error);
      works = false;
      throw error;
    }
  };
}

function failureLine(path: string, error: unknown): string {
  return `weka-cpuset: failed to log to ${path}: ${
    (error as Error).message
  }; lines are dropped until it can be written\n`;
}

async function toStderr(bytes: Uint8Array): Promise<void> {
  for (let rest = bytes; rest.length > 0;) rest = rest.subarray(await Deno.stderr.write(rest));
}
