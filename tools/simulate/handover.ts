/** The ledger of an agent is rebuilt from what runs: from a list, or from what was received on standby. */
import type { Cause } from "./exemptions.ts";
import type { Instance } from "./instance.ts";
import { isConsistent } from "./consistency.ts";
import { promotedProblem, steadyIn } from "./invariants_handover.ts";
import { hasCgroup, isAlive } from "./records.ts";
import { isServing, isStandby, viewOf } from "./view.ts";
import { endWindows } from "./windows.ts";
import type { World } from "./world.ts";

/** The active agent ends, and the one on standby takes over; false: there is none. */
export function promote(world: World): boolean {
  const heir = world.instances.find(({ dead, agent }) => !dead && isStandby(agent));
  if (heir === undefined) return false;
  const steady = steadyIn(world);
  world.owner?.end();
  endWindows(world); // for a moment nobody is in charge
  const [exemptMissed, before] = [missedBy(world), viewOf(heir.agent)];
  heir.feed({ kind: "promoted", now: world.now });
  // What it has received on standby counts as a list.
  if (!isServing(heir.agent)) return true;
  world.report(promotedProblem(world, heir, steady));
  taken(world, heir, exemptMissed, before);
  // What replies of the former agent have sent to others no one else receives: the list brings it.
  for (const { id, record } of viewOf(heir.agent).placed.values()) {
    if (record?.toString() !== world.runtime.containers.get(id)?.record.cpus) world.offRecord.add(id);
  }
  return true;
}

/** Collects what a list that is taken now doesn't contain; to be called once the agent has it. */
export function missedBy(world: World): () => void {
  const missed: string[] = [];
  const wrong: string[] = [];
  for (const container of world.runtime.containers.values()) {
    if (container.life === "asked") missed.push(container.id);
    else if (hasCgroup(container) && !world.kernel.holds(container.id, container.record.cpus)) {
      wrong.push(container.id);
    }
  }
  return () => {
    for (const id of missed) world.exemptions.give(id, "missed");
    for (const id of wrong) world.exemptions.give(id, "starting, then listed");
  };
}

/** The ledger was rebuilt from what runs. */
export function taken(
  world: World,
  owner: Instance,
  exemptMissed: () => void,
  before: ReturnType<typeof viewOf>,
): void {
  owner.blind = false;
  exemptMissed();
  adopted(world);
  for (const { id, kernel } of viewOf(owner.agent).placed.values()) {
    if (before.placed.has(id)) continue;
    world.windows.open(id, "unwatched");
    // The list is old: it may run by now, and no event will report that.
    if (kernel === "at-start") world.windows.open(id, "missed");
  }
  // A class that couldn't be read before, and was given all CPUs, is a fence again: it is written with the tick that is due.
  for (const [path, { isFence }] of viewOf(owner.agent).groups) {
    if (isFence && before.groups.get(path)?.isFence === false) world.windows.open(path, "kept");
  }
}

/** Without a reply to carry it, what differs is only asked of the CRI, one after the other. */
export function adopted(world: World, cause: Cause = "adopted"): void {
  const { inCharge } = world;
  for (const [id, container] of world.runtime.containers) {
    if (!isAlive(container)) continue;
    const placed = inCharge?.placed.get(id);
    if (placed === undefined) world.exemptions.give(id, "missed");
    else if (!isConsistent(world, container, placed)) world.exemptions.give(id, cause);
  }
}
