/** Whether record and kernel are as desired, and whether the agent's state agrees: then an exemption ends. */
import { CpuSet } from "../../src/cpu/cpu_set.ts";
import { setOf } from "./cpus.ts";
import { type Container, hasCgroup, isAlive } from "./records.ts";
import type { Placed, View } from "./view.ts";
import type { World } from "./world.ts";

/** Its set is in the kernel alone: the record may hold anything, or nothing. */
export function isInKernelAlone(placed: Pick<Placed, "grant" | "kernel"> | undefined): boolean {
  return placed?.kernel !== undefined && placed.grant.isEmpty;
}

/** Record and kernel are as desired. */
export function isConsistent(world: World, container: Container, placed: Placed): boolean {
  const { kernel, scenario, inCharge } = world;
  const desired = withinClass(world, placed);
  const { id, record: { cpus } } = container;
  // Where the kernel is written, a record of which the agent can't know is never sent again.
  const alone = isInKernelAlone(inCharge?.placed.get(id)) ||
    (scenario.mode === "kernel" && world.offRecord.has(id));
  const record = alone || world.runsBy(id, cpus === undefined ? undefined : setOf(cpus)).equals(desired);
  if (!record || !hasCgroup(container)) return record;
  const runsThere = kernel.effective(id)?.equals(desired) === true;
  if (scenario.mode === "kernel") return runsThere;
  // What it inherits is what is desired: a read shows no difference.
  if (scenario.mode === "runtime" && kernel.written(id)?.isEmpty) return runsThere;
  return kernel.holds(id, cpus);
}

/** By the agent's state record and kernel are as desired. */
export function isKnownConsistent(world: World, placed: Placed): boolean {
  const { id, desired, record, kernel } = placed;
  // For a record that names only offline CPUs the kernel has put in another set, which the agent can't know.
  const knows = record?.intersects(world.topology.online) ?? true;
  const isDesired = (cpus: CpuSet | undefined) => world.runsBy(id, cpus).equals(world.runsBy(id, desired));
  const recorded = isInKernelAlone(placed) || (knows && isDesired(record));
  return recorded && kernel !== "at-start" && (kernel === undefined || isDesired(kernel));
}

/** Ends the exemptions of containers that are as desired. To be called after every event. */
export function endExemptions(world: World): void {
  const { exemptions, inCharge, runtime } = world;
  if (exemptions.none) return;
  for (const id of exemptions.ids) {
    const container = runtime.containers.get(id);
    if (container === undefined || !isAlive(container)) {
      exemptions.end(id);
      continue;
    }
    const placed = inCharge?.placed.get(id);
    // What was missed is never reported, so the agent may repeat updates to such a container.
    if (exemptions.cause(id) === "gap" && !world.isCompared) continue;
    if (placed === undefined || container.agreed.length > 0 || world.isTopologyStale) continue;
    // Where it runs says nothing of its own set then.
    if (world.windows.has(world.kernel.classOf(id) ?? "")) continue;
    // There is no CPU for it at all, and no set that expresses that.
    if (placed.desired.isEmpty && !exemptions.mayStay(id)) exemptions.end(id);
    if (exemptions.mayStay(id) && isRightByChance(world, placed, container)) continue;
    if (
      isKnownConsistent(world, placed) && isConsistent(world, container, placed) &&
      hasOwnSet(world, placed) &&
      container.life === "running"
    ) {
      exemptions.end(id);
      if (!isRecordKnown(world, placed, container)) world.offRecord.add(id);
    }
  }
}

/** As it should be only as long as CPUs of its record are gone, of which the agent knows nothing: wrong again once they are back. */
function isRightByChance(
  { kernel, scenario }: World,
  { record }: Placed,
  { record: { cpus } }: Container,
): boolean {
  if (scenario.mode === "kernel" || cpus === undefined) return false;
  const actual = setOf(cpus);
  return !actual.isSubsetOf(kernel.usable) && record?.equals(actual) !== true;
}

/** The agent has its record right; CPUs that are gone may be missing. */
export function isRecordKnown(world: World, { record }: Placed, container: Container): boolean {
  const { cpus } = container.record;
  return world.means(record).equals(world.means(cpus === undefined ? undefined : setOf(cpus)));
}

/**
 * What was written to a container behind a fence is its grant, or all but pinned CPUs: what it hasn't, or has too much, may be
 * kept from it by its fence now, and comes to light only when that grows.
 */
export function hasOwnSet(
  { kernel, inCharge, settings }: World,
  { id, claim, grant, fence, desired }: Placed,
): boolean {
  const set = kernel.written(id);
  if (inCharge === undefined || set === undefined || set.isEmpty) return true;
  const written = set.intersection(kernel.usable);
  // A class that is no fence hides what it hasn't itself.
  if (fence === undefined) return kernel.usable.isSubsetOf(kernel.around(id)) || written.equals(desired);
  if (!grant.isEmpty) return written.equals(grant.intersection(kernel.usable));
  if (written.isEmpty) return true;
  if (claim.kind !== "pinned" && !claim.forbidden.isEmpty) return written.equals(desired);
  const { strictReserved, systemReserved } = settings.policy;
  const reserved = strictReserved && !(claim.kind === "shared" && claim.system)
    ? systemReserved
    : CpuSet.empty;
  return inCharge.online.difference(inCharge.pinned).difference(reserved).isSubsetOf(written);
}

/** CPUs that some have to leave, and those that others have to leave who wait for them to go there. */
export function heldBy({ placed, groups }: View, isHolder: (id: string) => boolean): CpuSet {
  const all = [...placed, ...groups].map(([id, { mayRunOn, desired }]) => ({
    id,
    desired,
    overhang: mayRunOn.difference(desired),
  }));
  let held = CpuSet.unionOf(all.filter(({ id }) => isHolder(id)).map(({ overhang }) => overhang));
  for (let before = CpuSet.empty; !before.equals(held);) {
    before = held;
    const waiting = all.filter(({ desired }) => desired.intersects(before));
    held = CpuSet.unionOf([before, ...waiting.map(({ overhang }) => overhang)]);
  }
  return held;
}

/** Where a container should run; less as long as its class can't be a fence and has less. Nowhere is no set of any class. */
export function withinClass(world: World, { id, desired }: Placed): CpuSet {
  const path = world.kernel.classOf(id);
  const isFence = path === undefined || world.inCharge?.groups.get(path)?.isFence !== false;
  return isFence || desired.isEmpty ? desired : world.runsBy(id, desired);
}
