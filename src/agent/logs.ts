/** Log records of decisions. The facts are in fields with fixed keys. */
import { type Assignment, isOfPod } from "../ledger/assignment.ts";
import type { ContainerRef } from "../ledger/claim.ts";
import { isAnywhere } from "../ledger/bound.ts";
import { heldClaim } from "../ledger/held.ts";
import { isFence, isGroup, shouldRunOn } from "../ledger/groups.ts";
import { isolationProblem } from "../ledger/isolated.ts";
import type { Ledger } from "../ledger/ledger.ts";
import { certainIn, sharersIn } from "../ledger/pod_members.ts";
import type { Adjustment } from "../ledger/plan.ts";
import type { CpuUpdate } from "../ledger/updates.ts";
import type { LogRecord } from "../log_record.ts";
import type { PodSandbox } from "../nri/gen/nri_pb.ts";
import type { Call } from "../nri/methods.ts";
import { nearMisses } from "../nri/near_misses.ts";

type Fields = NonNullable<LogRecord["fields"]>;

/** One record, with the names by which people and the runtime know the container. */
export function logOf(
  level: LogRecord["level"],
  message: string,
  container?: ContainerRef,
  fields: Fields = {},
): LogRecord {
  if (container === undefined) return { level, message, fields };
  if (container.isGroup) return { level, message, fields: { cgroup: container.id, ...fields } };
  const { namespace, pod, name, id } = container;
  return { level, message, fields: { namespace, pod, container: name, containerID: id, ...fields } };
}

export function warningsOf(messages: readonly string[], container: ContainerRef): LogRecord[] {
  return messages.map((message) => logOf("warn", message, container));
}

/** Of annotations that are near one of ours: in the log once per pod (`refusal_log.ts`). */
export const MISSPELT = "annotation ignored";

/** @param names of the pod's containers, as far as they are known */
export function misspeltLogs(
  { annotations }: PodSandbox,
  container: ContainerRef,
  names: readonly string[],
): LogRecord[] {
  return nearMisses(annotations, names).map(({ warning }) =>
    logOf("warn", MISSPELT, container, { reason: warning })
  );
}

/** What a container has: one that claims CPUs of its own and has none is shared, whatever it claims. */
export function placementOf(ledger: Ledger, placed: Assignment) {
  const { claim: { kind }, grant, container: { podUid } } = placed;
  const claimed = grant.isEmpty && kind !== "shared" ? { kind: "shared", claimed: kind } : { kind };
  const sharers = isOfPod(placed) && !grant.isEmpty ? sharersIn(ledger, podUid) : [];
  const isAlone = sharers.length < 2 && certainIn(ledger, placed.container) === 0;
  if (sharers.length > 0 && !isAlone) return { kind: "shared in its pod", cpus: `${grant}` };
  return { ...claimed, cpus: shouldRunOn(ledger, placed).toString() };
}

/** `verb`: what has happened to the container, such as `admitted`. One that has less than it claims is logged so. */
export function placedLog(
  verb: string,
  ledger: Ledger,
  placed: Assignment,
  { mems }: Pick<Adjustment, "mems"> = {},
): LogRecord {
  const { degraded } = placed;
  const fields = {
    ...placementOf(ledger, placed),
    ...(mems === undefined ? {} : { mems: mems.toString() }),
    sharedPool: ledger.sharedPool.toString(),
  };
  return degraded === undefined
    ? logOf("info", `container ${verb}`, placed.container, fields)
    : logOf("warn", `container ${verb}, degraded`, placed.container, { ...fields, reason: degraded });
}

export function degradedLog({ container, claim: { kind }, grant, degraded = "" }: Assignment): LogRecord {
  const cpus = grant.isEmpty ? "shared pool" : grant.toString();
  return logOf("warn", "container degraded", container, { kind, cpus, reason: degraded });
}

/** What of a container is refused. */
export type Refused = "container" | "container resize";

export function refusalLog(
  container: ContainerRef,
  reason: string,
  dryRun: boolean,
  refused: Refused = "container",
): LogRecord {
  return logOf("warn", `${refused} ${dryRun ? "would be refused" : "refused"}`, container, { reason });
}

/** A container has ended, or a claim that was held for one isn't any more. */
export function endLog(gone: Assignment, after: Ledger): LogRecord {
  const { container, claim: { kind }, grant, isHeld } = gone;
  const heldId = heldClaim(gone)?.container.id ?? "";
  const message = isHeld
    ? "held CPUs released"
    : after.assignments.has(heldId)
    ? "container ended, its CPUs are held for its pod"
    : "container released";
  return logOf(grant.isEmpty ? "debug" : "info", message, container, { kind, cpus: grant.toString() });
}

/** A container has ended, and some of its processes haven't. */
export function leftLog({ container, grant }: Assignment): LogRecord {
  const message =
    "container ended, and processes are left in its cgroup; its CPUs are kept until these have ended";
  return logOf("warn", message, container, { cpus: grant.toString() });
}

/** Containers besides `id` that have less than they claim from now on, or for another reason. */
export function newlyDegradedLogs(before: Ledger, after: Ledger, id?: string): LogRecord[] {
  const reasonIn = ({ assignments }: Ledger, { container }: Assignment) =>
    assignments.get(container.id)?.degraded;
  if (before === after) return [];
  return after.degraded.filter((each) =>
    each.container.id !== id && before.assignments.has(each.container.id) &&
    reasonIn(before, each) !== each.degraded
  ).map(degradedLog);
}

/** Containers that have less than they claim in `before`, and all of it in `after`. */
export function recoveredLogs(before: Ledger, after: Ledger): LogRecord[] {
  if (before === after) return [];
  return before.degraded.flatMap(({ container: { id } }) => {
    const now = after.assignments.get(id);
    if (now === undefined || now.degraded !== undefined) return [];
    const fields = { kind: now.claim.kind, cpus: now.grant.toString() };
    return [logOf("info", "container no longer degraded", now.container, fields)];
  });
}

type LoggedUpdate = Pick<CpuUpdate, "cpus"> & { readonly assignment: Assignment };

/** A container with CPUs of its own is on other ones from now on. */
export const MOVED = "container moved";

/** What is logged of a call: a container that was moved by it was moved for its container. */
export function movedFor(logs: readonly LogRecord[], call: Call): readonly LogRecord[] {
  if (!("container" in call) || !logs.some(({ message }) => message === MOVED)) return logs;
  const { pod: { namespace, name: pod }, container: { id, name } } = call;
  return logs.map((record) =>
    record.message !== MOVED || record.fields?.containerID === id
      ? record
      : { ...record, fields: { ...record.fields, for: `${namespace}/${pod}/${name}` } }
  );
}

/** Containers with a grant one by one; those of the shared pool in one record. */
export function deliveryLogs(delivered: readonly LoggedUpdate[]): LogRecord[] {
  const granted = delivered.filter(({ assignment: { grant, mayRunOn } }) =>
    !grant.isEmpty && !mayRunOn.equals(grant)
  );
  const shared = delivered.filter(({ assignment }) => assignment.grant.isEmpty && !isGroup(assignment));
  const groups = delivered.filter(({ assignment }) => isGroup(assignment));
  const [first] = shared;
  return [
    ...granted.map(({ assignment: { container, claim: { kind }, mayRunOn }, cpus }) =>
      logOf("info", MOVED, container, {
        kind,
        cpus: `${cpus}`,
        from: isAnywhere(mayRunOn) ? "any" : `${mayRunOn}`,
      })
    ),
    ...groups.map(({ assignment: { container }, cpus }) =>
      logOf("debug", "fence moved", container, { cpus: cpus.toString() })
    ),
    ...shared.flatMap(forbiddenLogs),
    ...(first === undefined ? [] : [
      logOf("debug", "shared containers updated", undefined, {
        containers: shared.length,
        cpus: `${first.cpus}`,
      }),
    ]),
  ];
}

function forbiddenLogs({ assignment: { container, claim }, cpus }: LoggedUpdate): LogRecord[] {
  if (claim.kind === "pinned" || claim.kind === "group" || !claim.forbidden.intersects(cpus)) return [];
  const reason = `every CPU of the shared pool is forbidden by the pod (${claim.forbidden})`;
  return [logOf("warn", "container degraded", container, { kind: claim.kind, cpus: `${cpus}`, reason })];
}

/** A group that can't be kept off exclusive CPUs. */
export function unfencedLog(group: ContainerRef, reason: string): LogRecord {
  return logOf("warn", "fence not possible; CPU sets are written for each container", group, { reason });
}

/** A group that couldn't for a time. */
export function keptAgainLog(group: ContainerRef, retries: number): LogRecord {
  return logOf("info", "fence possible again", group, { retries });
}

/** One for each container that has less than it claims, and where the pool has isolated CPUs; unless that was so `before`. */
export function degradedLogs(ledger: Ledger, before?: Ledger): LogRecord[] {
  const containers = ledger.inOrder().filter(({ container: { id }, degraded }) =>
    degraded !== undefined && before?.assignments.get(id)?.degraded !== degraded
  );
  return [...isolationLogs(ledger, before), ...containers.map(degradedLog)];
}

/** Where the shared pool has isolated CPUs that are kept for claims, unless that was so `before`. */
function isolationLogs(ledger: Ledger, before?: Ledger): LogRecord[] {
  const reason = isolationProblem(ledger);
  if (reason === undefined || (before !== undefined && isolationProblem(before) === reason)) return [];
  return [logOf("warn", "shared containers run on isolated CPUs", undefined, { reason })];
}

/** One line for each container: with CPUs of its own at info, in the shared pool at debug. */
export function placedLogs(ledger: Ledger, all: readonly Assignment[] = ledger.inOrder()): LogRecord[] {
  return all.filter((each) => !isGroup(each)).map((assignment) => {
    const level = assignment.grant.isEmpty ? "debug" : "info";
    const message = assignment.isHeld ? "CPUs are held for a container that has ended" : "container found";
    return logOf(level, message, assignment.container, placementOf(ledger, assignment));
  });
}

/** How many containers are known now. */
export function synchronizedLog(message: string, ledger: Ledger, updates: number): LogRecord {
  const kinds = { pinned: 0, exclusive: 0, shared: 0, group: 0 };
  for (const { claim, grant, isHeld } of ledger.assignments.values()) {
    if (!isHeld) kinds[claim.kind !== "group" && grant.isEmpty ? "shared" : claim.kind]++;
  }
  const { group: _, ...counts } = kinds;
  const fences = ledger.those("groups").filter(isFence).map(({ container }) => container.id).join(" ");
  const fields = { ...counts, sharedPool: ledger.sharedPool.toString(), updates };
  return logOf("info", message, undefined, fences === "" ? fields : { ...fields, fences });
}

/** A group whose set systemd may change while no agent runs. */
export function weakLog(group: ContainerRef, reason: string): LogRecord {
  const message =
    "fence is weak: systemd may write its cgroup otherwise, as when the last pod of a class ends; it is checked at each start";
  return logOf("warn", message, group, { reason });
}
