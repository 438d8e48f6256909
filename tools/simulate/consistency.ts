/** Whether record and kernel are as desired, and whether the agent's state agrees: then an exemption ends. */
import type { CpuSet } from "../../src/cpu/cpu_set.ts";
import { setOf } from "./cpus.ts";
import { type Container, hasCgroup, isAlive } from "./records.ts";
import type { Placed } from "./view.ts";
import type { World } from "./world.ts";

/** Its set is in the kernel alone: the record may hold anything, or nothing. */
export function isInKernelAlone(placed: Pick<Placed, "grant" | "kernel"> | undefined): boolean {
  return placed?.kernel !== undefined && placed.grant.isEmpty;
}

/** Record and kernel are as desired. */
export function isConsistent(world: World, container: Container, desired: CpuSet): boolean {
  const { kernel, scenario, inCharge } = world;
  const { id, record: { cpus } } = container;
  // Where the kernel is written, a record of which the agent can't know is never sent again.
  const alone = isInKernelAlone(inCharge?.placed.get(id)) ||
    (scenario.mode === "kernel" && world.offRecord.has(id));
  const record = alone || world.means(cpus === undefined ? undefined : setOf(cpus)).equals(desired);
  if (!record || !hasCgroup(container)) return record;
  const runsThere = kernel.effective(id)?.equals(desired) === true;
  if (scenario.mode === "kernel") return runsThere;
  // What it inherits is what is desired: a read shows no difference.
  if (scenario.mode === "runtime" && kernel.written(id)?.isEmpty) return runsThere;
  return kernel.holds(id, cpus);
}

/** By the agent's state record and kernel are as desired. */
export function isKnownConsistent(world: World, placed: Placed): boolean {
  const { desired, record, kernel } = placed;
  // For a record that names only offline CPUs the kernel has put in another set, which the agent can't know.
  const knows = record?.intersects(world.topology.online) ?? true;
  const recorded = isInKernelAlone(placed) || (knows && world.means(record).equals(desired));
  return recorded && kernel !== "at-start" && (kernel === undefined || world.means(kernel).equals(desired));
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
    // There is no CPU for it at all, and no set that expresses that.
    if (placed.desired.isEmpty && !exemptions.mayStay(id)) exemptions.end(id);
    if (
      isKnownConsistent(world, placed) && isConsistent(world, container, placed.desired) &&
      container.life === "running"
    ) {
      exemptions.end(id);
      if (!isRecordKnown(world, placed, container)) world.offRecord.add(id);
    }
  }
}

/** The agent has its record right; CPUs that are gone may be missing. */
export function isRecordKnown(world: World, { record }: Placed, container: Container): boolean {
  const { cpus } = container.record;
  return world.means(record).equals(world.means(cpus === undefined ? undefined : setOf(cpus)));
}
