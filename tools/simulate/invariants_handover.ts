/** What must hold when an agent takes over by what it has received on standby. */
import type { CpuSet } from "../../src/cpu/cpu_set.ts";
import type { Instance } from "./instance.ts";
import { expectation } from "./invariants.ts";
import { type Container, isAlive } from "./records.ts";
import { viewOf } from "./view.ts";
import type { World } from "./world.ts";

/** Milliseconds after which a creation of which nothing has come doesn't count. */
const CREATED_MS = 10_000;

/** The CPUs of what runs on CPUs of its own, by container; none where something is under way, or unknown to an agent. */
export function steadyIn(world: World): ReadonlyMap<string, CpuSet> {
  const { inCharge, runtime, exemptions, windows, kernel, tree } = world;
  const isUnknown = (each: Container) =>
    each.isForgotten || (exemptions.has(each.id) && hasClaim(world, each));
  const isUnsure = inCharge === undefined || world.isTopologyStale || tree.any || kernel.limited.length > 0 ||
    [...runtime.containers.values()].some(isUnknown) ||
    [...inCharge.placed.values()].some(({ degraded }) => degraded !== undefined);
  if (isUnsure) return new Map();
  const steady = [...inCharge.placed.values()].filter(({ id, grant }) => {
    const { life, posted, agreed = [] } = runtime.containers.get(id) ?? {};
    const isRunning = life === "running" && posted && agreed.length === 0 && !windows.has(id);
    const has = [kernel.written(id), kernel.effective(id)];
    return isRunning && !grant.isEmpty && has.every((cpus) => cpus?.equals(grant));
  });
  return new Map(steady.map(({ id, grant }) => [id, grant]));
}

function hasClaim({ settings }: World, container: Container): boolean {
  const { kind } = expectation(container, settings);
  return kind === "exclusive" || kind === "pinned";
}

/** What is wrong with the ledger of one that has taken over. */
export function promotedProblem(
  { runtime, refusals, now }: World,
  heir: Instance,
  steady: ReadonlyMap<string, CpuSet>,
): string | undefined {
  const { placed } = viewOf(heir.agent);
  for (const [id, cpus] of steady) {
    const grant = placed.get(id)?.grant;
    if (!grant?.equals(cpus)) {
      return `nobody is moved by a hand-over: ${id} had ${cpus} and has ${grant ?? "no claim"}`;
    }
  }
  const refused = [...placed.keys()].find((id) => {
    const container = runtime.containers.get(id);
    const isLong = now - (refusals.get(id) ?? now) > CREATED_MS;
    return isLong && (container === undefined || !isAlive(container));
  });
  return refused && `${refused}, whose creation was refused, counts for the next agent`;
}
