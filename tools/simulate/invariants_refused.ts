/** What a refused call has changed: nothing, but for what it has found out before that was decided. */
import { CpuSet } from "../../src/cpu/cpu_set.ts";
import { type Container, isAlive, uidOf } from "./records.ts";
import { type Placed, sharesInPod, type View, viewOf } from "./view.ts";
import type { World } from "./world.ts";

/** Remembers what there is; what a refused call has changed of it can be asked then. */
export function unchangedSince(
  world: World,
  subject: Container,
): (method: string, refusal: string) => string | undefined {
  const { owner } = world;
  const before = owner && viewOf(owner.agent);
  const sets = world.kernel.all;
  return (method) => {
    if (owner === undefined || before === undefined) return undefined;
    const after = viewOf(owner.agent);
    // Before it decided, it has seen that other CPUs are online.
    if (!before.online.equals(after.online)) return undefined;
    const found = foundOut(world, subject, before, after);
    return setProblem(world, { subject, method, before, after, sets, found }) ??
      (STARTS.includes(method)
        ? endedProblem(subject, before, after)
        : ledgerProblem({ method, before, after, found }));
  };
}

/** As what a start is sent. */
const STARTS: readonly string[] = ["StartContainer", "StateChange"];

interface Refused {
  readonly method: string;
  readonly before: View;
  readonly after: View;
  readonly found: Found;
}

/** What has been found out on the way. */
interface Found {
  /** Of the container's own pod those that have ended; what they had goes to degraded ones. */
  readonly ended: ReadonlySet<string>;
  /** Uids of pods whose cgroups leave them other CPUs than was known: their containers get others. */
  readonly limited: ReadonlySet<string>;
}

function foundOut({ runtime }: World, { pod }: Container, before: View, after: View): Found {
  const ended = [...before.placed].filter(([id, { podUid }]) => {
    const container = runtime.containers.get(id);
    const isOver = container === undefined || !isAlive(container);
    return isOver && !after.placed.has(id) && podUid === uidOf(pod);
  });
  const left = before.leftovers.filter(({ id, podUid }) =>
    podUid === uidOf(pod) && !runtime.isLeft(id) && !after.leftovers.some((each) => each.id === id)
  );
  const limited = [...before.placed.values()].filter((was) =>
    limitText(was) !== limitText(after.placed.get(was.id))
  );
  return {
    ended: new Set([...ended.map(([id]) => id), ...left.map(({ id }) => id)]),
    limited: new Set(limited.map(({ podUid }) => podUid)),
  };
}

function limitText(placed: Placed | undefined): string {
  return placed === undefined || placed.claim.kind === "shared"
    ? "none"
    : `${placed.claim.limit?.cpus ?? "none"}`;
}

interface Written extends Refused {
  readonly subject: Container;
  readonly sets: ReadonlyMap<string, CpuSet>;
}

/** Where others run since. */
function setProblem(
  world: World,
  { subject, method, before, after, sets, found }: Written,
): string | undefined {
  const { kernel, runtime, observer, windows } = world;
  const isFound = found.ended.size + found.limited.size > 0;
  for (const [id, now] of kernel.all) {
    const was = sets.get(id);
    if (id === subject.id || was === undefined || was.equals(now) || runtime.isLeft(id)) continue;
    // Nobody lives there, and the agent has seen that: its class gets what was pending before.
    if (kernel.isEmpty(id) && !before.placed.has(id)) continue;
    const [placed, is] = [before.placed.get(id), after.placed.get(id)];
    const path = kernel.classOf(id);
    const isOfClass = path !== undefined && (observer.notRolledBack.has(path) || windows.has(path));
    // What was pending before may be applied on the way; a shared one that has to leave may have to go to any CPU of the pool,
    // and its class grows before it shrinks.
    const kept = path === undefined ? CpuSet.empty : was;
    const allowed = placed?.grant.isEmpty
      ? CpuSet.unionOf([placed.desired, before.pool, kept])
      : placed?.desired;
    const isPending = placed && !was.equals(placed.desired) && allowed && now.isSubsetOf(allowed);
    // What was found out gives others other CPUs, which all leave for them.
    const isFollowing = isFound && is !== undefined && now.isSubsetOf(is.desired);
    // Another program has written it, or it couldn't be rolled back.
    const isDisturbed = observer.isDisturbed && is?.hasWriteFailure;
    const isForeign = observer.notRolledBack.has(id) || windows.opening(id) === "tampered";
    if (isForeign || isOfClass || placed?.hasWriteFailure || isPending || isFollowing || isDisturbed) {
      continue;
    }
    return `a refused ${method} has changed ${id} from ${was} to ${now}`;
  }
  return undefined;
}

/** A refused start is the end of that container: others may get what it had, or go back, and lose nothing. */
function endedProblem({ id }: Container, before: View, after: View): string | undefined {
  for (const was of before.placed.values()) {
    const is = after.placed.get(was.id);
    if (was.id === id) continue;
    const same = is !== undefined && (is.grant.size === was.grant.size || was.degraded !== undefined);
    if (!same) return `a refused start of ${id} has changed the ledger's entry of ${was.id}`;
  }
  return undefined;
}

function ledgerProblem({ method, before, after, found: { ended, limited } }: Refused): string | undefined {
  const isFound = ended.size + limited.size > 0;
  const known = [...before.placed.values(), ...before.leftovers];
  const pods = new Set(known.filter(({ id }) => ended.has(id)).map(({ podUid }) => podUid));
  const served = isFound ? servedPinned(before, after) : CpuSet.empty;
  for (const id of new Set([...before.placed.keys(), ...after.placed.keys()])) {
    const [was, is] = [before.placed.get(id), after.placed.get(id)];
    if (ended.has(id) || (was !== undefined && limited.has(was.podUid))) continue;
    // Degraded ones are served with what is free by that, and the shared pool has more or less then.
    if (isFound && was?.degraded !== undefined) continue;
    // A pinned one among them moves those off its CPUs that may be moved, as at any release.
    const isMoved = was !== undefined && is?.grant.size === was.grant.size && was.grant.intersects(served);
    if (isMoved && !is.grant.intersects(served)) continue;
    // Who shared CPUs with the last that was given them for its pod lives in the pool until that is back.
    if (was !== undefined && pods.has(was.podUid) && sharesInPod(was) && is?.grant.isEmpty) continue;
    const isSame = was !== undefined && is !== undefined && was.grant.equals(is.grant) &&
      (was.desired.equals(is.desired) || (isFound && was.grant.isEmpty)) &&
      `${was.record ?? was.unacknowledged ?? ""}` === `${is.record ?? is.unacknowledged ?? ""}` &&
      was.degraded === is.degraded;
    if (!isSame) return `a refused ${method} has changed the ledger's entry of ${id}`;
  }
  return undefined;
}

/** What pinned containers have that were degraded and aren't any more. */
function servedPinned(before: View, after: View): CpuSet {
  const served = [...before.placed.values()].flatMap(({ id, degraded }) => {
    const is = degraded === undefined ? undefined : after.placed.get(id);
    return is?.claim.kind === "pinned" && is.degraded === undefined ? [is.grant] : [];
  });
  return CpuSet.unionOf(served);
}
