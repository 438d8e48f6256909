import {
  configureSync,
  getLogfmtFormatter,
  getLogger,
  type LogLevel as LogTapeLevel,
} from "@logtape/logtape";
import type { LogLevel, LogRecord } from "../log_record.ts";
import { BoundedWriter, type WriteAll } from "./bounded_writer.ts";

/** Lines that may wait for a slow reader of the log: some hundred kilobytes. */
const MAX_WAITING = 2000;

const LEVELS: Readonly<Record<LogLevel, LogTapeLevel>> = {
  debug: "debug",
  info: "info",
  warn: "warning",
  error: "error",
};

/** Where the program's log records go. */
export interface Log {
  write(record: LogRecord): void;
  /** Resolves when all that was written has left the process. */
  flush(): Promise<void>;
}

/**
 * A log of logfmt lines (`time=… level=… msg="…" key=value`). Values are quoted and control characters
 * escaped by the formatter, so a pod's name can't forge a line.
 */
export function openLog(level: LogLevel, write: WriteAll = toStderr): Log {
  const writer = new BoundedWriter(write, MAX_WAITING);
  const format = getLogfmtFormatter();
  configureSync({
    reset: true,
    sinks: { lines: (record) => writer.push(String(format(record))) },
    loggers: [
      { category: ["logtape", "meta"], lowestLevel: "error", sinks: ["lines"] },
      { category: [], lowestLevel: LEVELS[level], sinks: ["lines"] },
    ],
  });
  const logger = getLogger("weka-cpuset");
  return {
    write: ({ level, message, fields }) => logger[level](literal(message), { ...fields }),
    flush: () => writer.flush(),
  };
}

/** LogTape reads `{name}` in a message as a placeholder; ours are finished sentences. */
function literal(message: string): string {
  return message.replace(/[{}]/g, "$&$&");
}

async function toStderr(bytes: Uint8Array): Promise<void> {
  for (let rest = bytes; rest.length > 0;) rest = rest.subarray(await Deno.stderr.write(rest));
}
