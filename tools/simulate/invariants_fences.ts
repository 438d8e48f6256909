/** What must hold of the QoS classes' cgroups, where the agent keeps these off exclusive CPUs; see invariants_kernel.ts. */
import { isVoid } from "./attendance.ts";
import type { View } from "./view.ts";
import type { World } from "./world.ts";

/** What is promised exclusively no class has, whether something runs in it or not. */
export function fencesAreKept(world: World): string | undefined {
  const { inCharge, windows, kernel, runtime } = world;
  if (inCharge === undefined || world.isTopologyStale) return undefined;
  for (const [path, { isFence, hasWriteFailure }] of inCharge.groups) {
    if (!isFence || hasWriteFailure || windows.has(path) || world.isHidden(path) || isVoid(world, path)) {
      continue;
    }
    const cpus = kernel.effective(path);
    for (const { id, claim, grant } of inCharge.placed.values()) {
      if (claim.kind !== "exclusive" || !runtime.containers.has(id)) continue;
      if (cpus?.intersects(windows.promised(id, grant))) return `${path} has ${cpus}, ${id} ${grant}`;
    }
  }
  return undefined;
}

export function classesAreKnown(world: World): string | undefined {
  const { inCharge, windows } = world;
  if (inCharge === undefined || world.isTopologyStale) return undefined;
  for (const [path, { mayRunOn }] of inCharge.groups) {
    const really = world.inForce(path);
    if (windows.has(path) || world.means(mayRunOn).equals(really)) continue;
    return `${path}: ${mayRunOn}, really ${really}`;
  }
  return undefined;
}

export function classesMatchLedger({ windows, kernel }: World, { groups }: View): string | undefined {
  for (const [path, { desired }] of groups) {
    const cpus = kernel.effective(path);
    if (!windows.has(path) && !cpus?.equals(desired)) {
      return `${path} has ${cpus} instead of ${desired}`;
    }
  }
  return undefined;
}
