/**
 * Runtimes that keep all processes of a pod in its sandbox's cgroup, as gVisor does, and virtual machines: what the cgroup of a
 * container has says nothing of where it runs. So the sandbox's own cgroup is given what its pod's containers were granted,
 * all together, or else what they share; that is read back at each comparison, and only what is in force there confirms them.
 *
 * What it should have follows from the ledger, and what differs is settled as quotas are: before a reply, and between calls.
 */
import { CpuSet } from "../cpu/cpu_set.ts";
import type { CpusetPort } from "../cgroup/port.ts";
import { type Assignment, isUnconfined } from "../ledger/assignment.ts";
import { overhangsOf } from "../ledger/conflict.ts";
import { shouldRunOn } from "../ledger/groups.ts";
import type { Ledger } from "../ledger/ledger.ts";
import type { LogRecord } from "../log_record.ts";
import { sandboxingOf } from "../nri/rules.ts";
import { writablePort } from "./apply_mode.ts";
import type { Logged } from "./logged.ts";
import { logOf } from "./logs.ts";
import { sandboxOf } from "./pauses.ts";
import type { AgentState, Sandbox, Sandboxes } from "./state.ts";

/** Milliseconds that writing one may take. */
const DEADLINE_MS = 50;
/** How many are written at once; the next tick writes the rest. */
const BATCH = 64;

/** Writes and reads those that differ, or are to be looked at again. A failure is logged once for each cause. */
export function settleSandboxes(state: AgentState): Logged {
  const { sandboxes: { all: before, of }, ledger, rules, reconcile: { lostEnds: { elsewhere } } } = state;
  const port = portOf(state);
  const follows = [ledger, rules, elsewhere];
  const isNone = before.size === 0 && ledger.those("handled").length === 0;
  const isSettled = isNone || follows.every((each, at) => of?.[at] === each);
  if (port === undefined || isSettled) return { state, logs: [] };
  const wanted = wantedIn(state);
  const due = wanted.filter((each) => !isAsWanted(before.get(each.container.id), each))
    .sort((a, b) => rank(before, a) - rank(before, b));
  const settled = due.slice(0, BATCH).map((each) => settledOne(port, each, ledger));
  const kept = wanted.flatMap(({ container: { id } }) => before.get(id) ?? []);
  const all = new Map([...kept, ...settled].map((each) => [each.container.id, each] as const));
  for (const [id, { isGone }] of all) if (isGone && !hasMembers(ledger, id)) all.delete(id);
  const next: Sandboxes = {
    all: due.length === 0 && all.size === before.size ? before : all,
    ...due.length <= BATCH && { of: follows },
  };
  return {
    state: { ...state, sandboxes: next },
    logs: settled.flatMap((each) => logsOf(before.get(each.container.id), each)),
  };
}

/** Whether there is more than one look could settle. */
export function hasOpenSandboxes(state: AgentState): boolean {
  const { sandboxes: { all, of } } = state;
  return all.size > 0 && of === undefined && portOf(state) !== undefined;
}

function portOf(state: AgentState): CpusetPort | undefined {
  return state.phase === "serving" ? writablePort(state) : undefined;
}

/** What they have is read again, and what has failed is tried again. */
export function unsureSandboxes(sandboxes: Sandboxes): Sandboxes {
  const { all } = sandboxes;
  if (all.size === 0) return sandboxes;
  return { all: new Map([...all].map(([id, each]) => [id, { ...each, isUnsure: true }])) };
}

/** Its runtime is known for that by its name, or nobody was ever seen in its cgroup, nor in that of one beside it. */
function isSandboxed({ rules, reconcile: { lostEnds }, sandboxes }: AgentState, { container }: Assignment) {
  return sandboxingOf(rules, container.handler) !== undefined || lostEnds.elsewhere.has(container.id) ||
    sandboxes.all.has(container.sandboxId);
}

type Wanted = Pick<Sandbox, "container" | "cpus" | "within" | "isGranted">;

function wantedIn(state: AgentState): Wanted[] {
  const { ledger, sandboxes: { all: before } } = state;
  const pods = Map.groupBy(
    ledger.those("handled").filter((each) => isSandboxed(state, each)),
    ({ container: { sandboxId } }) => sandboxId,
  );
  for (const id of before.keys()) if (!pods.has(id)) pods.set(id, []);
  return [...pods].flatMap(([id, members]) => {
    const container = before.get(id)?.container ??
      members.map((each) => sandboxOf(each.container)).find((ref) => ref !== undefined);
    const sets = container === undefined ? undefined : setsOf(ledger, members, before.has(id));
    return container === undefined || sets === undefined ? [] : [{ container, ...sets }];
  });
}

/** @param isKnown it has been written before, so it isn't left with that when its pod's containers have ended */
function setsOf(
  ledger: Ledger,
  members: readonly Assignment[],
  isKnown: boolean,
): Omit<Wanted, "container"> | undefined {
  const granted = members.filter(({ grant }) => !grant.isEmpty);
  if (granted.length > 0) {
    const cpus = CpuSet.unionOf(granted.map(({ grant }) => grant));
    return { cpus, within: cpus, isGranted: true };
  }
  const shared = members.filter((each) => !isUnconfined(each));
  const [first] = shared;
  if (first === undefined) {
    return isKnown ? { cpus: ledger.sharedPool, within: ledger.sharedPool, isGranted: false } : undefined;
  }
  const own = CpuSet.unionOf(shared.map((each) => ledger.desired(each)));
  const free = own.difference(overhangsOf(ledger).blockedFor(first));
  const within = CpuSet.unionOf(shared.map((each) => shouldRunOn(ledger, each)));
  return { cpus: free.isEmpty ? own : free, within, isGranted: false };
}

function isAsWanted(known: Sandbox | undefined, { cpus, within, isGranted }: Wanted): boolean {
  return known !== undefined && !known.isUnsure && known.isGranted === isGranted &&
    known.cpus.equals(cpus) && known.within.equals(within);
}

/** Those that only give up CPUs come first, and those that only gain some last. */
function rank(before: Sandboxes["all"], { container, cpus }: Wanted): number {
  const had = before.get(container.id)?.cpus ?? CpuSet.empty;
  return had.isSubsetOf(cpus) ? 2 : cpus.isSubsetOf(had) ? 0 : 1;
}

function settledOne(port: CpusetPort, wanted: Wanted, ledger: Ledger): Sandbox {
  const { container, cpus, within, isGranted } = wanted;
  const result = port.write([{ container, cpus }], DEADLINE_MS);
  const reading = port.read(container);
  if (reading.kind === "absent") return { ...wanted, isGone: true, reason: "the sandbox has no cgroup" };
  if (result.kind !== "done") return { ...wanted, reason: result.reason };
  if (reading.kind === "unverified") return { ...wanted, reason: reading.reason };
  const { online } = ledger.topology;
  const [inForce, right] = [reading.effective ?? reading.cpus, within].map((set) => set.intersection(online));
  if (inForce === undefined || right === undefined) return wanted;
  if (!inForce.isSubsetOf(right) || isGranted && !right.isSubsetOf(inForce)) {
    return { ...wanted, reason: `the sandbox's cgroup has the CPUs ${inForce} in force, not ${right}` };
  }
  const isThere = port.population(container) === "populated";
  return isThere ? wanted : { ...wanted, reason: "no process is seen in the sandbox's cgroup" };
}

function hasMembers(ledger: Ledger, sandboxId: string): boolean {
  return ledger.those("handled").some(({ container }) => container.sandboxId === sandboxId);
}

function logsOf(before: Sandbox | undefined, { container, cpus, reason, isGone }: Sandbox): LogRecord[] {
  if (before?.reason === reason || isGone) return [];
  const { pod, namespace, id } = container;
  const fields = { namespace, pod, sandboxID: id, cpus: `${cpus}` };
  return reason === undefined
    ? [logOf("info", "pod confined by the cgroup of its sandbox again", undefined, fields)]
    : [logOf("warn", "pod not confined by the cgroup of its sandbox", undefined, { ...fields, reason })];
}
