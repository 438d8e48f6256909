import { getLogfmtFormatter, type LogLevel as LogTapeLevel } from "@logtape/logtape";
import type { LogLevel, LogRecord } from "../log_record.ts";
import { escaped } from "../quoted.ts";

/** A record as a line, with its newline; `time` in ms since 1970. */
type Format = (record: LogRecord, time: number) => string;

const LEVELS: Readonly<Record<LogLevel, LogTapeLevel>> = {
  debug: "debug",
  info: "info",
  warn: "warning",
  error: "error",
};

const logfmt = getLogfmtFormatter();

/**
 * The two forms of a line, with the same names in both: `time`, `level`, `msg` and the record's fields. Control
 * characters are escaped, so a pod's name can't forge a line or move a terminal's cursor.
 */
export const FORMATS: Readonly<Record<"text" | "json", Format>> = {
  text: ({ level, message, fields }, time) => {
    const line = logfmt({
      category: ["weka-cpuset"],
      level: LEVELS[level],
      message: [message],
      rawMessage: message,
      timestamp: time,
      properties: { ...fields },
    });
    return escaped(line.slice(0, -1)) + "\n";
  },
  json: ({ level, message, fields }, time) => {
    const head = { time: new Date(time).toISOString(), level: LEVELS[level], msg: message };
    // Twice: to come first, and to replace a field of the same name.
    return escaped(JSON.stringify({ ...head, ...fields, ...head })) + "\n";
  },
};
