/** The order of the agent's writes: CPUs are vacated by one container before another gets them. */
import { CpuSet } from "../../src/cpu/cpu_set.ts";
import { hasStarted } from "./records.ts";
import { mayShareCpus, type Placed, type View } from "./view.ts";
import type { World } from "./world.ts";

/** In the course of a plan one container got CPUs on which another ran. */
export interface Overlap {
  readonly got: string;
  /** Where it was before, and what it was given altogether. */
  readonly from: CpuSet;
  readonly set: CpuSet;
  readonly had: string;
  /** Where that one was. */
  readonly where: CpuSet;
  readonly cpus: CpuSet;
}

/** The other containers that may be running on CPUs that one has just got, or all in a class. */
export function overlapsOf(
  { runtime, kernel }: World,
  before: ReadonlyMap<string, CpuSet>,
  set: CpuSet,
): Overlap[] {
  const { all } = kernel;
  return [...all].flatMap(([got, runs]) => {
    const from = before.get(got) ?? CpuSet.empty;
    const gained = runs.difference(from);
    if (gained.isEmpty) return [];
    return [...runtime.containers.values()].flatMap((other) => {
      const where = all.get(other.id) ?? CpuSet.empty;
      const cpus = where.intersection(gained);
      return other.id === got || cpus.isEmpty || !hasStarted(other)
        ? []
        : [{ got, from, set, had: other.id, where, cpus }];
    });
  });
}

/** What is wrong with the order of a plan: CPUs are vacated before another container gets them. */
export function orderProblem(
  world: World,
  overlaps: readonly Overlap[],
  before: View,
): string | undefined {
  const { inCharge } = world;
  if (inCharge === undefined || world.isTopologyStale) return undefined;
  for (const { got, from, set, had, where, cpus } of overlaps) {
    const [a, b] = [inCharge.placed.get(got), inCharge.placed.get(had)];
    const [was, came] = [before.placed.get(had), before.placed.get(got)];
    if (a === undefined || b === undefined || mayShareCpus(a, b) || mayShareCpus(a, was)) continue;
    // Another program has written it, which the agent hasn't read yet.
    if ([got, had].some((id) => world.windows.opening(id) === "tampered")) continue;
    if (!isKnownOn(world, was, where) || !isKnownOn(world, came, from)) continue;
    // It can't be written, and its class, which has to give up all that it has, lets it run everywhere else.
    if (world.isHidden(got) && world.isVoid(got)) continue;
    // After a write failure it was on all that the other had before, too.
    if (b.hasWriteFailure && from.isSubsetOf(where)) continue;
    if (isCircle(inCharge.placed, before.placed, got, had)) continue;
    // All of the pool is what others are only leaving: they change places, with no step in between. One behind a fence
    // goes last, since its fence can't have these CPUs before.
    if ((a.grant.isEmpty || b.fence !== undefined) && inCharge.pool.isSubsetOf(owned(before))) continue;
    // One that is shared from now on has no CPUs of its own to be kept.
    const kept = b.grant.isEmpty || was === undefined ? CpuSet.empty : was.grant;
    // What was the pool's when it got it is its own only since: others vacate it with the tick that is due.
    const gets = set.equals(a.grant) ? a.grant : CpuSet.empty;
    const taken = gets.union(kept).intersection(cpus);
    if (!taken.isEmpty) return `${got} was given ${taken} before ${had} had vacated it`;
  }
  return undefined;
}

function hasRead(kernel: Placed["kernel"]): kernel is CpuSet {
  return kernel !== undefined && kernel !== "at-start";
}

/**
 * Both have CPUs of their own; one goes where the other is, and that one, maybe by way of more, where the first is: they
 * change places.
 */
function isCircle(after: View["placed"], before: View["placed"], got: string, had: string): boolean {
  const grantOf = (id: string) => after.get(id)?.grant ?? CpuSet.empty;
  const leaves = (id: string) => {
    const kernel = before.get(id)?.kernel;
    return hasRead(kernel) && !grantOf(id).isEmpty ? kernel.difference(grantOf(id)) : CpuSet.empty;
  };
  const ids = [...before.keys()];
  const follow = new Set([had]);
  for (const id of follow) {
    for (const other of ids) if (other !== id && leaves(other).intersects(grantOf(id))) follow.add(other);
  }
  return follow.has(got);
}

/** By the agent's ledger it was there; if it really was somewhere else, that wasn't reported. */
function isKnownOn(world: World, was: Placed | undefined, cpus: CpuSet): boolean {
  return hasRead(was?.kernel) && world.means(was.kernel).equals(cpus);
}

/** What is claimed, and where its owners run: everywhere, if all their CPUs have gone offline. */
function owned({ claimed, placed }: View): CpuSet {
  const runs = [...placed.values()].flatMap(({ grant, kernel }) =>
    grant.isEmpty || !hasRead(kernel) ? [] : [kernel]
  );
  return CpuSet.unionOf([claimed, ...runs]);
}
