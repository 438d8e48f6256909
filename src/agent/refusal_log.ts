/**
 * Keeps the log readable while kubelet tries again, every few seconds and for as long as the pod lives: the warnings of a
 * refused call are logged once per container and cause, and then with a count every ten minutes; a misspelt annotation once
 * per pod.
 */
import type { LogRecord } from "../log_record.ts";
import type { Call, Subject } from "../nri/methods.ts";
import { MISSPELT } from "./logs.ts";

/** Milliseconds from one record of a container and cause to the next, which has the count. */
const COUNT_INTERVAL_MS = 600_000;

/** Containers and causes that are counted; the oldest is forgotten first. */
const MAX_CAUSES = 1024;

interface Counted {
  /** When it was logged last, in milliseconds of any clock that never goes back. */
  readonly loggedAt: number;
  /** How often it has come since. */
  readonly count: number;
}

/** By container and cause, the oldest first. */
export type RefusalLog = ReadonlyMap<string, Counted>;

export const EMPTY_REFUSAL_LOG: RefusalLog = new Map();

interface Filtered {
  readonly refusals: RefusalLog;
  readonly logs: readonly LogRecord[];
}

/** What is to be logged of a response by now. A start ends the series: the next refusal of that container is a new one. */
export function filterRefusals(
  before: RefusalLog,
  call: Call,
  { isRefused, logs }: { readonly isRefused: boolean; readonly logs: readonly LogRecord[] },
  now: number,
): Filtered {
  const once = oncePerPod(before, logs, now);
  if (call.kind === "StopPodSandbox") {
    return { ...once, refusals: without(once.refusals, ofPod(call.pod.namespace, call.pod.name)) };
  }
  if (!("container" in call)) return once;
  if (isRefused) return counted(once.refusals, call, once.logs, now);
  return call.kind === "StartContainer"
    ? { ...once, refusals: without(once.refusals, prefixOf(call)) }
    : once;
}

/** A pod's misspelt annotations are in the log until its end, or until others have come in great number. */
function oncePerPod(before: RefusalLog, logs: readonly LogRecord[], now: number): Filtered {
  if (!logs.some(({ message }) => message === MISSPELT)) return { refusals: before, logs };
  const refusals = new Map(before);
  const logged = logs.filter(({ message, fields = {} }) => {
    const key = `${ofPod(fields.namespace, fields.pod)}${fields.reason}`;
    if (message !== MISSPELT) return true;
    if (refusals.has(key)) return false;
    refusals.set(key, { loggedAt: now, count: 0 });
    return true;
  });
  return { refusals: bounded(refusals), logs: logged };
}

function ofPod(namespace: unknown, pod: unknown): string {
  return `\n${namespace}/${pod}\n`;
}

function counted(before: RefusalLog, subject: Subject, logs: readonly LogRecord[], now: number): Filtered {
  const refusals = new Map(before);
  const logged = logs.flatMap((record) => {
    const { level, message, fields = {} } = record;
    const isOther = level !== "warn" || message === MISSPELT || fields.containerID !== subject.container.id;
    if (isOther) return [record];
    const key = `${prefixOf(subject)}${message}\n${causeOf(fields.reason)}`;
    const known = refusals.get(key);
    const isQuiet = known !== undefined && now - known.loggedAt < COUNT_INTERVAL_MS;
    refusals.set(key, isQuiet ? { ...known, count: known.count + 1 } : { loggedAt: now, count: 0 });
    if (isQuiet) return [];
    return [known === undefined ? record : { ...record, fields: { ...fields, times: known.count + 1 } }];
  });
  return { refusals: bounded(refusals), logs: logged };
}

function bounded(refusals: Map<string, Counted>): RefusalLog {
  for (const key of refusals.keys()) {
    if (refusals.size <= MAX_CAUSES) break;
    refusals.delete(key);
  }
  return refusals;
}

/** The same whatever is free by now: a cause doesn't change with its figures. */
function causeOf(reason: string | number | boolean | undefined): string {
  return `${reason ?? ""}`.replaceAll(/\d[\d,-]*/g, "#");
}

/** A container by its pod and name: each attempt has another id. */
function prefixOf({ pod, container }: Subject): string {
  return `${pod.uid}\n${container.name}\n`;
}

function without(refusals: RefusalLog, prefix: string): RefusalLog {
  const left = [...refusals].filter(([key]) => !key.startsWith(prefix));
  return left.length === refusals.size ? refusals : new Map(left);
}
