/** Severities in rising weight, named as syslog and Kubernetes' operators know them. */
export type LogLevel = "debug" | "info" | "warn" | "error";

/** One line for the log, as a value: the pure parts of the program return these, the host writes them. */
export interface LogRecord {
  readonly level: LogLevel;
  /** One sentence without trailing full stop; what varies goes into `fields`. */
  readonly message: string;
  readonly fields?: Readonly<Record<string, string | number | boolean>>;
}
