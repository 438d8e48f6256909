/**
 * Ends that the runtime never reports. It claims that a container runs, and nobody lives in its cgroup: at two looks, one
 * for each comparison with the kernel and each list, it has ended. Its claim is released; where somebody is seen there
 * again it is listed and taken in like any other that is found.
 *
 * A cgroup without anybody proves that only where somebody was seen in it before, since a runtime may keep all processes of
 * a pod in another one; and so does none, unless it is of a pod that has the node's default runtime, which makes one.
 */
import type { CpusetPort, Population } from "../cgroup/port.ts";
import type { Assignment } from "../ledger/assignment.ts";
import type { ContainerRef } from "../ledger/claim.ts";
import { hasNoProcess } from "../ledger/delivery.ts";
import { isFence, isGroup } from "../ledger/groups.ts";
import { releaseForGood } from "../ledger/release.ts";
import { sandboxingOf } from "../nri/rules.ts";
import type { ListedContainer } from "./found_containers.ts";
import type { Readings } from "./decision.ts";
import { released } from "./handlers/ends.ts";
import type { Logged } from "./logged.ts";
import { logOf } from "./logs.ts";
import { withLedger } from "./pending.ts";
import { type LostEnds, NO_LOST_ENDS } from "./reconcile_state.ts";
import type { AgentState } from "./state.ts";

/** More containers than a node has; of those beyond, which the runtime lists for ever, the oldest are claimed again. */
const MAX_ENDED = 1024;
/** The same, without a list of those that are left. */
const MAX_LIVED = 8192;

/** With a look at the cgroups of these. Runtimes that keep a pod's processes in one cgroup say nothing by others. */
export function look(state: AgentState, assignments: readonly Assignment[], cpusets: CpusetPort): AgentState {
  const { lostEnds } = state.reconcile;
  const isTreeSeen = lostEnds.isTreeSeen ||
    assignments.some((each) => isFence(each) && cpusets.read(each.container).kind !== "absent");
  const looked = assignments.filter((each) =>
    !isGroup(each) && !hasNoProcess(each.delivery) &&
    sandboxingOf(state.rules, each.container.handler) === undefined
  );
  const seen = new Map(looked.map(({ container }) => [container.id, cpusets.population(container)] as const));
  const some = [...seen].flatMap(([id, each]) => each === "populated" ? [] : [[id, each] as const]);
  return withLived(
    withLooks(state, {
      isTreeSeen,
      looked: lostEnds.looked + seen.size,
      nobody: some.length === 0 ? lostEnds.nobody : new Map([...lostEnds.nobody, ...some]),
    }),
    seen,
  );
}

/** With those in whose cgroups somebody has been seen. One that isn't in the ledger any more may be listed still, and be found again. */
export function withLived(state: AgentState, populations: ReadonlyMap<string, Population>): AgentState {
  const { lived } = state.reconcile.lostEnds;
  const fresh = [...populations].flatMap(([id, each]) => each === "populated" && !lived.has(id) ? [id] : []);
  return fresh.length === 0
    ? state
    : withLooks(state, { lived: new Set([...lived, ...fresh].slice(-MAX_LIVED)) });
}

/** Containers that nobody lives in at the second look have ended; those of before that somebody lives in run. */
export function concludeLooks(state: AgentState, cpusets: CpusetPort): Logged {
  const { looked, nobody: seen, isTreeSeen, deserted: before, wrongLooks, ...known } =
    state.reconcile.lostEnds;
  const { lived } = known;
  const { assignments } = state.ledger;
  const those = (population: Population) =>
    [...seen].filter(([, each]) => each === population).map(([id]) => id);
  const isWrong = !isTreeSeen && looked > 0 && those("absent").length === looked;
  const begun = { ...NO_LOST_ENDS, ...known, wrongLooks: isWrong ? wrongLooks + 1 : 0 };
  if (isWrong) {
    const logs = wrongLooks === 1 ? [logOf("warn", TREE_WRONG, undefined, { containers: looked })] : [];
    return { state: withLooks(state, begun), logs };
  }
  const absent = those("absent").filter((id) => lived.has(id) || hasDefaultRuntime(assignments.get(id)));
  const nobody = [...those("empty").filter((id) => assignments.has(id)), ...absent];
  const twice = nobody.filter((id) => before.has(id));
  const isHollow = (id: string) => seen.get(id) === "empty" && !lived.has(id);
  const gone = twice.filter((id) => !isHollow(id));
  const deserted = new Set(nobody).difference(new Set(gone));
  // Where nobody is seen in any, it is no runtime's doing.
  const hollow = seen.size === looked ? [] : twice.filter(isHollow);
  const elsewhere = hollow.length === 0 ? NO_LOST_ENDS.elsewhere : new Set(hollow);
  const next = withLooks(state, { ...begun, deserted, elsewhere });
  const ended = endedIn(next, gone, seen);
  const revived = revivedIn(ended.state, cpusets);
  const logs = hollow.filter((id) => !known.elsewhere.has(id)).map((id) =>
    logOf("warn", "container not confined by its cgroup", assignments.get(id)?.container, {
      reason: ELSEWHERE,
    })
  );
  return { state: revived.state, logs: [...ended.logs, ...revived.logs, ...logs] };
}

/** Why it isn't known where a container runs whose cgroup nobody has ever been seen in. */
export const ELSEWHERE = "no process is in its cgroup: its runtime keeps them in another one; " +
  "name its handler in sandboxedRuntimes or vmRuntimes";

const TREE_WRONG =
  "no container has a cgroup: cgroupRoot isn't the tree that the runtime uses; none is taken for ended";
const ENDED = "container ended, which the runtime hasn't reported; its CPUs are released";

function endedIn(
  state: AgentState,
  gone: readonly string[],
  seen: ReadonlyMap<string, Population>,
): Logged {
  if (gone.length === 0) return { state, logs: [] };
  const { ended, count } = state.reconcile.lostEnds;
  const refs = gone.flatMap((id) => state.ledger.assignments.get(id)?.container ?? []);
  const { ledger, logs } = released(state, (before) => gone.reduce(releaseForGood, before), gone);
  const reasonOf = ({ id }: ContainerRef) =>
    seen.get(id) === "empty" ? "no process is in its cgroup" : "it has no cgroup";
  const all = new Map([...ended, ...refs.map((ref) => [ref.id, ref] as const)].slice(-MAX_ENDED));
  const next = withLooks(state, { ended: all, count: count + refs.length });
  // One that an ended one seemed to have replaced may be the one that runs: what isn't managed is looked at again.
  const reconcile = { ...next.reconcile, unmanaged: new Set<string>() };
  return {
    state: withLedger({ ...next, reconcile }, ledger),
    logs: [...refs.map((ref) => logOf("warn", ENDED, ref, { reason: reasonOf(ref) })), ...logs],
  };
}

/** Somebody lives in the cgroup of one that was taken for ended: with the next count it is asked for, and taken in. */
function revivedIn(state: AgentState, cpusets: CpusetPort): Logged {
  const { ended } = state.reconcile.lostEnds;
  const back = [...ended.values()].filter((ref) => cpusets.population(ref) === "populated");
  return {
    state: back.reduce((next, { id }) => revived(next, id), state),
    logs: back.map((ref) => logOf("warn", "container taken for ended runs; it is taken in again", ref)),
  };
}

/** One that was taken for ended has been started, or is seen to run. */
export function revived(state: AgentState, id: string): AgentState {
  const { ended } = state.reconcile.lostEnds;
  if (!ended.has(id)) return state;
  const { unknown } = state.reconcile;
  const next = withLooks(state, { ended: new Map([...ended].filter(([other]) => other !== id)) });
  return { ...next, reconcile: { ...next.reconcile, unknown: unknown.union(new Set([id])) } };
}

/** With a list's look: containers that it names as running and that have no cgroup. */
export function lookAtListed(
  state: AgentState,
  found: readonly ListedContainer[],
  readings: Readings,
): AgentState {
  const absent = found.filter(({ container, isRunning }) =>
    isRunning && readings.get(container.id)?.kind === "absent" && hasDefaultRuntime({ container })
  );
  const deserted = absent.length === found.length ? [] : absent.map(({ container }) => container.id);
  return withLooks(state, { deserted: new Set(deserted) });
}

/**
 * What is remembered of containers, as far as they are still `listed`. The list may be older than one in the ledger, and than one
 * that has ended: that is forgotten when it is missing twice.
 */
export function stillListed({ ledger, reconcile }: AgentState, listed: ReadonlySet<string>): LostEnds {
  const { lostEnds } = reconcile;
  const unlisted = new Set([...lostEnds.ended.keys()].filter((id) => !listed.has(id)));
  const gone = unlisted.intersection(lostEnds.unlisted);
  const ended = new Map([...lostEnds.ended].filter(([id]) => !gone.has(id)));
  const lived = [...lostEnds.lived].filter((id) =>
    listed.has(id) || ended.has(id) || ledger.assignments.has(id)
  );
  return { ...lostEnds, ended, unlisted, lived: new Set(lived) };
}

/** Whether the runtime of that handler has processes in containers' cgroups: the default one, or one of which that was seen. */
export function isPopulating({ ledger, reconcile, rules }: AgentState, handler: string | undefined): boolean {
  if (handler === undefined) return true;
  if (sandboxingOf(rules, handler) !== undefined) return false;
  const { lived } = reconcile.lostEnds;
  return ledger.those("handled").some(({ container }) =>
    container.handler === handler && lived.has(container.id)
  );
}

function hasDefaultRuntime(assignment: Pick<Assignment, "container"> | undefined): boolean {
  return assignment !== undefined && assignment.container.handler === undefined;
}

function withLooks(state: AgentState, looks: Partial<LostEnds>): AgentState {
  const { reconcile } = state;
  return { ...state, reconcile: { ...reconcile, lostEnds: { ...reconcile.lostEnds, ...looks } } };
}
