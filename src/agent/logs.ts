/** What the log says of decisions. */
import type { Assignment } from "../ledger/assignment.ts";
import type { PlannedUpdate } from "../ledger/updates.ts";
import { type ContainerRef, describe } from "../ledger/claim.ts";
import type { Ledger } from "../ledger/ledger.ts";
import type { Grant } from "../ledger/plan.ts";
import type { LogRecord } from "../log_record.ts";

type Fields = NonNullable<LogRecord["fields"]>;

/** One record, with the names by which people and the runtime know the container. */
export function logOf(
  level: LogRecord["level"],
  message: string,
  container?: ContainerRef,
  fields: Fields = {},
): LogRecord {
  const names: Fields = container === undefined ? {} : { pod: describe(container), container: container.id };
  return { level, message, fields: { ...names, ...fields } };
}

export function warningsOf(messages: readonly string[], container: ContainerRef): LogRecord[] {
  return messages.map((message) => logOf("warn", message, container));
}

export function placedLogs(
  verb: string,
  ledger: Ledger,
  placed: Assignment,
  { mems }: Pick<Grant, "mems"> = {},
): LogRecord[] {
  const fields = {
    cpus: ledger.desired(placed).toString(),
    ...(mems === undefined ? {} : { mems: mems.toString() }),
    pool: ledger.sharedPool.toString(),
  };
  const record = logOf("info", `${verb} ${placed.claim.kind}`, placed.container, fields);
  return placed.degraded === undefined ? [record] : [record, degradedLog(placed, placed.degraded)];
}

export function degradedLog({ container, grant }: Assignment, why: string): LogRecord {
  return logOf("warn", `degraded${grant.isEmpty ? " to the shared pool" : ""}: ${why}`, container);
}

export function releasedLogs(own: Assignment | undefined): LogRecord[] {
  if (own === undefined) return [];
  const level = own.grant.isEmpty ? "debug" : "info";
  return [logOf(level, `released ${own.claim.kind}`, own.container, { cpus: own.grant.toString() })];
}

/** Who was moved or lost what it may not do without, one by one; how many follow the pool, in one record. */
export function changeLogs(sent: readonly PlannedUpdate[]): LogRecord[] {
  if (sent.length === 0) return [];
  const updates = sent.filter(({ assignment }) => assignment.grant.isEmpty).length;
  const followed = logOf("debug", "the pool's containers follow", undefined, { updates });
  return [...sent.flatMap(singleLogs), ...(updates === 0 ? [] : [followed])];
}

function singleLogs({ assignment: { container, claim, grant }, cpus }: PlannedUpdate): LogRecord[] {
  const fields = { cpus: cpus.toString() };
  if (!grant.isEmpty) return [logOf("info", `moved ${claim.kind}`, container, fields)];
  const forbidden = claim.kind !== "pinned" && !claim.forbidden.isEmpty && claim.forbidden.intersects(cpus);
  if (!forbidden) return [];
  return [
    logOf("warn", "degraded: the shared pool has no CPU that the pod doesn't forbid", container, fields),
  ];
}
