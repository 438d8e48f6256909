/**
 * What must hold. Three kinds: what an answer may look like, what must hold after every event, and (in quiet.ts) what
 * must hold when nothing is under way. All return the first problem, or undefined.
 *
 * They speak of an agent that is in charge: connected, told of events, and knowing what runs. And they leave out
 * the containers that have an excuse (excuses.ts), and the moments in which it doesn't know yet which CPUs are online.
 */
import { CpuSet } from "../../src/cpu/cpu_set.ts";
import type { CpuUpdate } from "../../src/ledger/updates.ts";
import { type Expected, expectedOf } from "./claim_oracle.ts";
import { setOf } from "./cpus.ts";
import type { Instance } from "./instance.ts";
import type { Resources } from "./pods.ts";
import { surelyFits } from "./placeable.ts";
import { type Container, hasCgroup, isAlive } from "./records.ts";
import type { Wanted } from "./reply.ts";
import { isInKernelAlone, isRecordKnown } from "./right.ts";
import type { Placed, View } from "./view.ts";
import type { World } from "./world.ts";

type Check = (world: World) => string | undefined;

/** Sentence and check of what holds after every event. */
export const LASTING: readonly (readonly [string, Check])[] = [
  ["no CPU has two exclusive owners in the ledger", exclusivesAreDisjoint],
  ["a reserved CPU is never exclusive", reservedIsNotExclusive],
  ["a pinned container has exactly what it names", pinnedIsExact],
  ["an exclusive container has as many CPUs as it claims, or is degraded", exclusiveIsWhole],
  ["every container has at least one CPU", nobodyIsEmpty],
  ["what the agent takes for the runtime's record is the runtime's record", beliefIsRight],
  ["a container that runs without a claim has no claimed CPU in its record", recordsKeepOff],
  ["a CPU of a running exclusive container is nobody else's in the kernel", kernelIsDisjoint],
  ["the agent knows every container that it was told of", nobodyIsForgotten],
  ["what is kept in between has a bound", queuesAreBounded],
];

export function exclusivesAreDisjoint({ inCharge }: World): string | undefined {
  let exclusive = CpuSet.empty;
  let pinned = CpuSet.empty;
  for (const { id, claim, grant } of inCharge?.placed.values() ?? []) {
    if (claim.kind === "pinned") pinned = pinned.union(grant);
    if (claim.kind !== "exclusive") continue;
    if (grant.intersects(exclusive)) return `${id} on ${grant}`;
    exclusive = exclusive.union(grant);
  }
  return exclusive.intersects(pinned) ? `${exclusive.intersection(pinned)} pinned too` : undefined;
}

export function reservedIsNotExclusive({ inCharge, settings }: World): string | undefined {
  const { systemReserved } = settings.policy;
  if (systemReserved.isEmpty) return undefined;
  return someone(
    inCharge,
    ({ claim, grant }) => claim.kind === "exclusive" && grant.intersects(systemReserved),
  );
}

export function pinnedIsExact({ inCharge, runtime }: World): string | undefined {
  if (inCharge === undefined) return undefined;
  return someone(inCharge, ({ id, claim, grant, degraded }) => {
    if (claim.kind !== "pinned" || !runtime.containers.has(id)) return false;
    if (grant.isEmpty) return degraded === undefined;
    return !grant.equals(claim.cpus) && !(grant.isSubsetOf(claim.cpus) && degraded);
  });
}

export function exclusiveIsWhole({ inCharge }: World): string | undefined {
  return someone(
    inCharge,
    ({ claim, grant, degraded }) =>
      claim.kind === "exclusive" && grant.size !== claim.count &&
      (degraded === undefined || grant.size > claim.count),
  );
}

/** Where the pool is empty (the last CPUs went offline, say) there is none to have. */
export function nobodyIsEmpty({ inCharge }: World): string | undefined {
  if (inCharge?.pool.isEmpty) return undefined;
  return someone(inCharge, ({ wanted }) => wanted.isEmpty);
}

export function beliefIsRight(world: World): string | undefined {
  const { inCharge, runtime, excuses } = world;
  if (world.groundIsOld) return undefined;
  for (const placed of inCharge?.placed.values() ?? []) {
    const { id, record, starting } = placed;
    // It is of no account where the set is in the kernel alone.
    if (isInKernelAlone(placed)) continue;
    const container = runtime.containers.get(id);
    if (container === undefined || starting || container.shaky || excuses.has(id) || world.isPending(id)) {
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

export function recordsKeepOff(world: World): string | undefined {
  const { inCharge, runtime, excuses, kernel } = world;
  if (inCharge === undefined || inCharge.claimed.isEmpty || world.groundIsOld) return undefined;
  return someone(inCharge, (placed) => {
    const { id, grant, wanted } = placed;
    const container = runtime.containers.get(id);
    if (
      isInKernelAlone(placed) || world.offRecord.has(id) || wanted.isEmpty || container?.life !== "running" ||
      !grant.isEmpty ||
      excuses.has(id) ||
      container.agreed.length > 0
    ) {
      return false;
    }
    if (world.isKnownlyOwed(id)) return false;
    // The kernel had its set when it started; the runtime is told when it runs, since it might lose it before.
    const isSet = world.scenario.mode === "kernel" && kernel.effective(id)?.isSubsetOf(wanted);
    if (placed.starting && isSet) return false;
    const { cpus } = container.record;
    return world.means(cpus === undefined ? undefined : setOf(cpus)).intersects(inCharge.claimed);
  });
}

/** Of the kernel's own sets, of all that run: what the agent thinks doesn't count, but for who got a grant. */
export function kernelIsDisjoint(world: World): string | undefined {
  const { inCharge, runtime, excuses, kernel } = world;
  if (world.groundIsOld || world.scenario.mode === "kernel") return undefined;
  for (const { id, claim, grant } of inCharge?.placed.values() ?? []) {
    if (claim.kind !== "exclusive" || grant.isEmpty || excuses.has(id)) continue;
    if (runtime.containers.get(id)?.life !== "running") continue;
    const own = kernel.effective(id)?.intersection(grant) ?? grant;
    for (const other of runtime.containers.values()) {
      if (other.id === id || !hasCgroup(other) || excuses.has(other.id)) continue;
      if (other.agreed.length > 0 || world.isKnownlyOwed(other.id)) continue;
      const theirs = kernel.effective(other.id);
      if (theirs?.intersects(own)) return `${other.id} runs on ${theirs}, ${id} on ${own}`;
    }
  }
  return undefined;
}

export function nobodyIsForgotten({ inCharge, runtime, excuses, settings }: World): string | undefined {
  if (inCharge === undefined) return undefined;
  for (const container of runtime.containers.values()) {
    if (!isAlive(container) || excuses.has(container.id) || inCharge.placed.has(container.id)) continue;
    if (expectation(container, settings).kind !== "unmanaged") return container.id;
  }
  return undefined;
}

export function queuesAreBounded({ owner, runtime, inCharge }: World): string | undefined {
  const early = owner?.agent.state.early.size ?? 0;
  const parts = owner?.agent.state.parts.length ?? 0;
  if (inCharge !== undefined && early + parts > 0) {
    return `${early} early and ${parts} parts are kept while serving`;
  }
  const untold = owner?.agent.state.untracked.size ?? 0;
  const bound = runtime.everMade;
  return early > bound || untold > bound
    ? `${early} early, ${untold} untold, ${bound} containers ever`
    : undefined;
}

function someone(view: View | undefined, is: (placed: Placed) => boolean): string | undefined {
  for (const placed of view?.placed.values() ?? []) {
    if (!is(placed)) continue;
    const { id, claim, grant, wanted, degraded } = placed;
    return `${id} (${claim.kind}) has grant ${grant}, should run on ${wanted}${
      degraded ? `, ${degraded}` : ""
    }`;
  }
  return undefined;
}

export function expectation(container: Container, settings: World["settings"]): Expected {
  return expectedOf(container.pod.spec, container.spec.name, container.spec.resources, settings);
}

/** What is wrong with an answer. */
export function answerProblem(
  world: World,
  by: Instance,
  method: string,
  subject: Container | undefined,
  own: Resources,
  others: readonly Wanted[],
): string | undefined {
  const silent = by.agent.state.standby || world.scenario.dryRun;
  if (silent && (others.length > 0 || Object.keys(own).length > 0)) {
    return `${method}: who stands by or runs dry changes nothing`;
  }
  const seen = new Set<string>();
  for (const { id, resources } of others) {
    if (seen.has(id)) return `${method}: ${id} is updated twice in one answer`;
    if (method === "CreateContainer" && id === subject?.id) {
      return `${method}: ${id} is updated while it is created`;
    }
    if (resources.cpus === undefined) return `${method}: an update of ${id} without CPUs`;
    if (Object.keys(resources).length > 1) return `${method}: an update of ${id} that isn't about CPUs alone`;
    if (isSoAlready(world, id, resources.cpus, subject)) {
      return `${method}: ${id} has ${resources.cpus} already`;
    }
    seen.add(id);
  }
  return method === "CreateContainer" && subject !== undefined && !silent
    ? grantProblem(world, subject, own)
    : undefined;
}

/**
 * Sent for nothing: it runs, and its record has held exactly this for a while; and the kernel, where that is written
 * beside the record: then the runtime is told what its record says, to have it written.
 */
function isSoAlready(world: World, id: string, cpus: string, subject: Container | undefined): boolean {
  const container = world.runtime.containers.get(id);
  if (container === undefined || container === subject || world.excuses.has(id)) return false;
  // What became of its record, or of its set in the kernel, nobody has told yet.
  if (world.offRecord.has(id) || world.windows.has(id)) return false;
  if (world.scenario.mode === "kernel" && !world.kernel.written(id)?.equals(setOf(cpus))) return false;
  return container.posted && !container.shaky && container.life === "running" &&
    container.record.cpus === cpus && container.agreed.length === 0;
}

/** What is wrong with what a new container is given, by its pod alone. */
function grantProblem(world: World, subject: Container, own: Resources): string | undefined {
  if (world.inCharge === undefined) return undefined;
  const expected = expectation(subject, world.settings);
  const given = own.cpus === undefined ? undefined : setOf(own.cpus);
  const named = `${subject.id} is given ${own.cpus ?? "nothing"}`;
  switch (expected.kind) {
    case "invalid":
      return `${named}, although its annotation is wrong`;
    case "unmanaged":
      return given === undefined ? undefined : `${named}, and its pod wants to be left alone`;
    case "pinned":
      return given?.equals(expected.cpus) ? undefined : `${named} instead of ${expected.cpus}`;
    case "exclusive":
      if (given?.size !== expected.count) return `${named} instead of ${expected.count} CPUs`;
      return given.intersects(expected.forbidden) ? `${named}, of which its pod forbids some` : undefined;
    case "shared":
      if (getsItsSetAtStart(world)) return given && `${named}, which only its start should`;
      return (given ?? world.kernel.usable).intersects(world.inCharge.claimed)
        ? `${named}, of which some are claimed`
        : undefined;
  }
}

/** A shared container has no set in its record. systemd would take the controller away from it in cgroup v2. */
function getsItsSetAtStart({ scenario: { mode, driver, cgroups } }: World): boolean {
  return mode === "kernel" && !(driver === "systemd" && cgroups === 2);
}

/** What is wrong with what the agent wants of the CRI. */
export function askedProblem(world: World, changes: readonly CpuUpdate[]): string | undefined {
  if (world.scenario.dryRun) return "a dry run wants something applied";
  const seen = new Set<string>();
  for (const { id, cpus } of changes) {
    if (seen.has(id)) return `apply: ${id} twice`;
    if (cpus.isEmpty) return `apply: ${id} is to have no CPUs`;
    if (isSoAlready(world, id, cpus.toString(), undefined)) return `apply: ${id} has ${cpus} already`;
    seen.add(id);
  }
  return undefined;
}

/**
 * CPUs on which somebody is who can't be made to leave them; who can't be made to leave what it has to leave now gives
 * up nothing else either.
 */
function contested({ inCharge, kernel, runtime }: World): CpuSet {
  return CpuSet.unionOf([...runtime.containers.keys()].map((id) => {
    const placed = inCharge?.placed.get(id);
    const [held, runs] = [kernel.held(id), kernel.effective(id) ?? CpuSet.empty];
    if (placed === undefined) return held;
    return placed.stuck || !held.isSubsetOf(placed.wanted) ? runs : held;
  }));
}

/** What is wrong with a refusal: it has to name the container, and what surely fits may not be refused. */
export function refusalProblem(world: World, container: Container, message: string): string | undefined {
  if (world.scenario.dryRun) return `a dry run refuses: ${message}`;
  const { inCharge, runtime, scenario, settings } = world;
  if (inCharge === undefined || container.life === "starting") return undefined;
  if (!message.startsWith(`cpuset: pod ${container.pod.spec.namespace}/p${container.pod.number} `)) {
    return `a refusal that doesn't name its container: ${message}`;
  }
  const before = [...inCharge.placed.values()].filter(({ id }) => {
    const other = runtime.containers.get(id);
    return other?.pod === container.pod && other.spec.name === container.spec.name;
  });
  const freed = CpuSet.unionOf(
    before.filter(({ claim }) => claim.kind === "exclusive").map(({ grant }) => grant),
  );
  if (world.witness.isDisturbed) return undefined;
  const expected = expectation(container, settings);
  return surelyFits(expected, inCharge, scenario, freed, contested(world))
    ? `${container.id} is refused, although it fits: ${message}`
    : undefined;
}
