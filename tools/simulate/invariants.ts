/**
 * What must hold after every event; of answers: invariants_answers.ts, in kernel-first mode: invariants_kernel.ts, when
 * nothing is under way: rest.ts. All return the first problem, or undefined.
 *
 * They concern an agent that is in charge: connected, joined and synchronized. And they leave out
 * the containers that have an exemption (exemptions.ts), and the moments in which its topology is stale.
 */
import { CpuSet } from "../../src/cpu/cpu_set.ts";
import { type Expected, expectedOf } from "./claim_oracle.ts";
import { setOf } from "./cpus.ts";
import { type Container, hasCgroup, isAlive } from "./records.ts";
import { isInKernelAlone, isRecordKnown } from "./consistency.ts";
import { podsAreWithinLimits } from "./invariants_pods.ts";
import { keptBy, keptOff, mayShareCpus, type Placed, sharesInPod, type View } from "./view.ts";
import type { World } from "./world.ts";

type Check = (world: World) => string | undefined;

/** Sentence and check of what holds after every event. */
export const INVARIANTS: readonly (readonly [string, Check])[] = [
  ["no CPU has two exclusive owners in the ledger", exclusivesAreDisjoint],
  [
    "a pod has as many CPUs for itself as its limit, and its containers share the same ones",
    podsAreWithinLimits,
  ],
  ["a reserved CPU is never exclusive", reservedIsNotExclusive],
  ["a pinned container has exactly what it names", pinnedIsExact],
  ["an exclusive container has as many CPUs as it claims, or is degraded", exclusiveIsWhole],
  ["every container has at least one CPU", setsAreNotEmpty],
  ["the agent has the runtime's record of each container right", recordIsKnown],
  ["a container that runs without a claim has no claimed CPU in its record", recordsAvoidClaimed],
  ["no other container is on a CPU of a running exclusive container in the kernel", kernelIsDisjoint],
  ["the agent knows every container that was reported to it", containersAreKnown],
  ["what is kept for a time has a bound", queuesAreBounded],
];

export function exclusivesAreDisjoint({ inCharge }: World): string | undefined {
  let exclusive = CpuSet.empty;
  let pinned = CpuSet.empty;
  const shared = new Map<string, CpuSet>();
  for (
    const { podUid, claim, grant, ...each } of [...inCharge?.placed.values() ?? [], ...inCharge?.held ?? []]
  ) {
    if (claim.kind === "pinned") pinned = pinned.union(grant);
    if (sharesInPod({ claim, grant })) shared.set(podUid, grant.union(shared.get(podUid) ?? grant));
    else if (claim.kind === "exclusive") {
      if (grant.intersects(exclusive)) return `${"id" in each ? each.id : `held ${each.name}`} on ${grant}`;
      exclusive = exclusive.union(grant);
    }
  }
  for (const [pod, grant] of shared) {
    if (grant.intersects(exclusive)) return `pod ${pod} on ${grant}`;
    exclusive = exclusive.union(grant);
  }
  return exclusive.intersects(pinned) ? `${exclusive.intersection(pinned)} pinned too` : undefined;
}

export function reservedIsNotExclusive({ inCharge, settings }: World): string | undefined {
  const { systemReserved } = settings.policy;
  if (systemReserved.isEmpty) return undefined;
  return firstOf(
    inCharge,
    ({ claim, grant }) => claim.kind === "exclusive" && grant.intersects(systemReserved),
  );
}

export function pinnedIsExact({ inCharge, runtime }: World): string | undefined {
  if (inCharge === undefined) return undefined;
  return firstOf(inCharge, ({ id, claim, grant, degraded }) => {
    if (claim.kind !== "pinned" || !runtime.containers.has(id)) return false;
    if (grant.isEmpty) return degraded === undefined;
    return !grant.equals(claim.cpus) && !(grant.isSubsetOf(claim.cpus) && degraded);
  });
}

export function exclusiveIsWhole({ inCharge }: World): string | undefined {
  return firstOf(
    inCharge,
    ({ claim, grant, degraded }) =>
      claim.kind === "exclusive" && !claim.ofPod && grant.size !== claim.count &&
      (degraded === undefined || grant.size > claim.count),
  );
}

/** Where the pool is empty (the last CPUs went offline, say) there is none to have. */
export function setsAreNotEmpty({ inCharge }: World): string | undefined {
  if (inCharge?.pool.isEmpty) return undefined;
  return firstOf(inCharge, ({ desired }) => desired.isEmpty);
}

export function recordIsKnown(world: World): string | undefined {
  const { inCharge, runtime, exemptions } = world;
  if (world.isTopologyStale) return undefined;
  for (const placed of inCharge?.placed.values() ?? []) {
    const { id, record, unacknowledged, starting } = placed;
    // It is of no account where the set is in the kernel alone.
    if (isInKernelAlone(placed)) continue;
    const container = runtime.containers.get(id);
    if (
      container === undefined || starting || unacknowledged !== undefined || container.isUncertain ||
      exemptions.has(id) ||
      world.isRequested(id)
    ) {
      continue;
    }
    if (!isAlive(container) || container.life === "asked") continue;
    if (record?.toString() === container.record.cpus) world.offRecord.delete(id);
    else if (!isRecordKnown(world, placed, container) && !world.offRecord.has(id)) {
      return `${id}: ${record ?? "none"}, really ${container.record.cpus ?? "none"}`;
    }
  }
  return undefined;
}

export function recordsAvoidClaimed(world: World): string | undefined {
  const { inCharge, runtime, exemptions, kernel } = world;
  if (inCharge === undefined || inCharge.claimed.isEmpty || world.isTopologyStale) return undefined;
  return firstOf(inCharge, (placed) => {
    const { id, grant, desired } = placed;
    const container = runtime.containers.get(id);
    if (
      isInKernelAlone(placed) || world.offRecord.has(id) || desired.isEmpty ||
      container?.life !== "running" ||
      !grant.isEmpty ||
      exemptions.has(id) ||
      container.agreed.length > 0
    ) {
      return false;
    }
    if (world.isUpdatePlanned(id)) return false;
    // The kernel had its set when it started; the runtime is updated when it runs, since it might lose that before.
    const isSet = world.scenario.mode === "kernel" && kernel.effective(id)?.isSubsetOf(desired);
    if (placed.starting && isSet) return false;
    const { cpus } = container.record;
    return world.means(cpus === undefined ? undefined : setOf(cpus)).intersects(keptOff(inCharge, placed));
  });
}

/** By the kernel's own sets of all that run; of the agent's state only the grants count. */
export function kernelIsDisjoint(world: World): string | undefined {
  const { inCharge, runtime, exemptions, kernel } = world;
  if (world.isTopologyStale || world.scenario.mode === "kernel") return undefined;
  for (const owner of inCharge?.placed.values() ?? []) {
    const { id, grant } = owner;
    if (grant.isEmpty || runtime.containers.get(id)?.life !== "running") continue;
    const own = kernel.effective(id)?.intersection(grant) ?? grant;
    for (const other of runtime.containers.values()) {
      if (other.id === id || !hasCgroup(other) || exemptions.has(other.id)) continue;
      if (mayShareCpus(owner, inCharge?.placed.get(other.id))) continue;
      if (other.agreed.length > 0 || world.isUpdatePlanned(other.id)) continue;
      // There is no CPU for it at all, and no set that expresses that.
      if (inCharge?.placed.get(other.id)?.desired.isEmpty) continue;
      const theirs = kernel.effective(other.id);
      if (theirs?.intersects(own)) return `${other.id} runs on ${theirs}, ${id} on ${own}`;
    }
  }
  return undefined;
}

/** An exemption is for one of which it hasn't known so far. */
export function containersAreKnown(
  { inCharge, runtime, exemptions, settings, owner }: World,
): string | undefined {
  if (inCharge === undefined) return undefined;
  for (const container of runtime.containers.values()) {
    if (!isAlive(container) || inCharge.placed.has(container.id)) continue;
    if (exemptions.has(container.id) && !owner?.everPlaced.has(container.id)) continue;
    if (expectation(container, settings).kind !== "unmanaged") return container.id;
  }
  return undefined;
}

export function queuesAreBounded({ owner, runtime, inCharge }: World): string | undefined {
  if (owner === undefined) return undefined;
  const { early, parts, untracked } = keptBy(owner.agent);
  if (inCharge !== undefined && early + parts > 0) {
    return `${early} early and ${parts} parts are kept while serving`;
  }
  const bound = runtime.everMade;
  return early > bound || untracked > bound
    ? `${early} early, ${untracked} untracked, ${bound} containers ever`
    : undefined;
}

function firstOf(view: View | undefined, is: (placed: Placed) => boolean): string | undefined {
  for (const placed of view?.placed.values() ?? []) {
    if (!is(placed)) continue;
    const { id, claim, grant, desired, degraded } = placed;
    return `${id} (${claim.kind}) has grant ${grant}, should run on ${desired}${
      degraded ? `, ${degraded}` : ""
    }`;
  }
  return undefined;
}

export function expectation(container: Container, settings: World["settings"]): Expected {
  return expectedOf(container.pod.spec, container.spec.name, container.spec.resources, settings);
}
