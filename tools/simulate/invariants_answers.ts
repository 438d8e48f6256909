/** What must hold of answers, refusals and `apply`: each returns the first problem, or undefined. */
import { CpuSet } from "../../src/cpu/cpu_set.ts";
import type { CpuUpdate } from "../../src/ledger/updates.ts";
import { countAfter } from "./claim_oracle.ts";
import { setOf } from "./cpus.ts";
import type { Instance } from "./instance.ts";
import type { Resources } from "./pods.ts";
import { surelyFits } from "./placeable.ts";
import { type Container, uidOf } from "./records.ts";
import type { Update } from "./reply.ts";
import { freedFor } from "./invariants_held.ts";
import { isPassive, isStandby, keptOff, sharesInPod, type View, viewOf } from "./view.ts";
import type { World } from "./world.ts";
import { expectation } from "./invariants.ts";

/** What is wrong with an answer. */
export function answerProblem(
  world: World,
  by: Instance,
  method: string,
  subject: Container | undefined,
  own: Resources,
  others: readonly Update[],
): string | undefined {
  const silent = isStandby(by.agent) || world.scenario.dryRun;
  if (silent && (others.length > 0 || Object.keys(own).length > 0)) {
    return `${method}: a standby or a dry run changes something`;
  }
  if (isPassive(by.agent) && method === "CreateContainer" && Object.keys(own).length > 0) {
    return `${method}: an agent that was released places`;
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
    const wrong = setProblem(world, by, id, resources.cpus);
    if (wrong !== undefined) return `${method}: ${wrong}`;
    seen.add(id);
  }
  const wrong = method === "UpdateContainer" && subject !== undefined && own.cpus !== undefined
    ? setProblem(world, by, subject.id, own.cpus)
    : undefined;
  if (wrong !== undefined) return `${method}: ${wrong}`;
  return method === "CreateContainer" && subject !== undefined && !silent && !isPassive(by.agent)
    ? grantProblem(world, subject, own)
    : undefined;
}

/** What is wrong with a set in an answer: a shared container is sent no claimed CPU, one with a grant that, or what it has. */
function setProblem(world: World, by: Instance, id: string, cpus: string): string | undefined {
  const view = viewOf(by.agent);
  const own = view.placed.get(id);
  const set = setOf(cpus);
  if (own === undefined || own.desired.isEmpty) return undefined;
  if (own.grant.isEmpty) {
    return set.intersects(keptOff(view, own))
      ? `${id}, which is shared, is sent ${cpus}, of which some is claimed`
      : undefined;
  }
  const had = world.observer.before?.placed.get(id)?.mayRunOn ?? own.grant;
  // What its class keeps it off is in its own set all the same.
  const has = world.kernel.written(id);
  return set.isSubsetOf(own.grant) || set.isSubsetOf(had) || (has !== undefined && set.isSubsetOf(has))
    ? undefined
    : `${id} is sent ${cpus}, not ${own.grant}`;
}

/**
 * Sent for nothing: it runs, and its record has held exactly this for a while; and the kernel, where that is written
 * beside the record: then the runtime is sent what its record holds, to have it written.
 */
function isSoAlready(world: World, id: string, cpus: string, subject: Container | undefined): boolean {
  const container = world.runtime.containers.get(id);
  if (container === undefined || container === subject || world.exemptions.has(id)) return false;
  // A change of its record, or of its set in the kernel, hasn't been reported yet.
  if (world.offRecord.has(id) || world.mayDiffer(id)) return false;
  // By all that the agent was told it was starting when it was sent that, or its cgroup couldn't be read.
  const [before, after] = [world.observer.before, world.owner && viewOf(world.owner.agent)].map((view) =>
    view?.placed.get(id)
  );
  if (before?.unacknowledged || after?.unacknowledged) return false;
  // Where it can't read the kernel it doesn't know that; by a list, as what is asked for follows from one, it knows less again.
  const isUnsure = [before, after].some((known) =>
    known?.kernel === undefined && known?.mayRunOn.equals(setOf(cpus)) === false
  );
  if (isUnsure) return false;
  if (world.scenario.mode === "kernel" && !world.kernel.written(id)?.equals(setOf(cpus))) return false;
  return container.posted && !container.isUncertain && container.life === "running" &&
    container.record.cpus === cpus && container.agreed.length === 0;
}

/** What is wrong with what a new container is given, by its pod alone. */
function grantProblem(world: World, subject: Container, answer: Resources): string | undefined {
  if (world.inCharge === undefined) return undefined;
  const expected = expectation(subject, world.settings);
  const given = answer.cpus === undefined ? undefined : setOf(answer.cpus);
  const named = `${subject.id} is given ${answer.cpus ?? "nothing"}`;
  const own = world.inCharge.placed.get(subject.id);
  switch (expected.kind) {
    case "invalid":
      return `${named}, although its annotation is wrong`;
    case "unmanaged":
      return given === undefined ? undefined : `${named}, and its pod is unmanaged`;
    case "pinned":
      return given?.equals(expected.cpus) ? undefined : `${named} instead of ${expected.cpus}`;
    case "exclusive":
      // How many it may have by what else its pod has is an invariant of its own.
      if (subject.pod.spec.limit !== undefined) {
        return own?.grant.isEmpty || given?.equals(own?.grant ?? given)
          ? undefined
          : `${named} instead of ${own?.grant}`;
      }
      if (given?.size !== expected.count) return `${named} instead of ${expected.count} CPUs`;
      return given.intersects(expected.forbidden) ? `${named}, of which its pod forbids some` : undefined;
    case "shared":
      if (own !== undefined && sharesInPod(own)) {
        return given?.equals(own.grant) ? undefined : `${named} instead of ${own.grant}`;
      }
      if (getsItsSetAtStart(world)) return given && `${named}, which only its start should`;
      // A fence that can't be kept after the answer was one when it was given.
      if (fenceBefore(world, subject) && own?.fence === undefined) return undefined;
      return (given ?? world.kernel.usable).intersects(keptOff(world.inCharge, own))
        ? `${named}, of which some are claimed`
        : undefined;
  }
}

function fenceBefore({ observer, runtime }: World, { pod }: Container): boolean {
  return observer.before?.groups.get(runtime.classOf(pod) ?? "")?.isFence === true;
}

/** What is wrong with what a container claims after an update was agreed to; `before` it: undefined where nobody looked. */
export function resizeProblem(
  { inCharge, scenario, settings }: World,
  container: Container,
  asked: Resources,
  before: View | undefined,
): string | undefined {
  if (scenario.mode === "blind" || scenario.dryRun) return undefined;
  const { id, pod, record } = container;
  const [was, is] = [before?.placed.get(id)?.claim, inCharge?.placed.get(id)?.claim];
  if (was === undefined || is === undefined || was.kind === "pinned") return undefined;
  // The figures of one may be the pod's.
  if (pod.spec.limit !== undefined) return undefined;
  const had = was.kind === "exclusive" ? was.count : 0;
  // It runs in the pool until what its pod names is mended.
  const isInvalid = expectation(container, settings).kind === "invalid";
  const count = isInvalid ? had : countAfter(pod.spec, record, asked, had);
  const claimed = is.kind === "exclusive" ? is.count : 0;
  return claimed === count
    ? undefined
    : `${id} claims ${claimed} CPUs instead of ${count} after an update with ${JSON.stringify(asked)}`;
}

/** A shared container has no set in its record. systemd would take the controller away from it in cgroup v2. */
function getsItsSetAtStart({ scenario: { mode, driver, cgroups } }: World): boolean {
  return mode === "kernel" && !(driver === "systemd" && cgroups === 2);
}

/** What is wrong with an `apply`. */
export function askedProblem(world: World, changes: readonly CpuUpdate[]): string | undefined {
  if (world.scenario.dryRun) return "a dry run has put out an apply";
  const seen = new Set<string>();
  for (const { id, cpus } of changes) {
    if (seen.has(id)) return `apply: ${id} twice`;
    if (cpus.isEmpty) return `apply: ${id} is to have no CPUs`;
    if (isSoAlready(world, id, cpus.toString(), undefined)) return `apply: ${id} has ${cpus} already`;
    seen.add(id);
  }
  return undefined;
}

/** CPUs that couldn't be taken from a container; where a write has failed, all on which it runs, or ran when it ended unreported. */
function contested(world: World): CpuSet {
  const { inCharge, kernel, runtime, scenario } = world;
  const classes = [...inCharge?.groups ?? []].map(([path, { desired, hasWriteFailure }]) => {
    const held = kernel.held(path);
    return hasWriteFailure || !held.isSubsetOf(desired) ? kernel.effective(path) ?? held : held;
  });
  // What has ended and left processes behind is written like any other; where the agent can't, or what others hold is in the way, it
  // stays where it is.
  const areHeld = [...runtime.containers.keys(), ...kernel.classes].some((id) => !kernel.held(id).isEmpty);
  const isBlocked = (id: string) =>
    areHeld && inCharge?.leftovers.some((each) => each.id === id && each.hasWriteFailure) === true;
  const isStuck = (id: string) => scenario.mode !== "kernel" || !kernel.held(id).isEmpty || isBlocked(id);
  const left = [...runtime.lingering].filter((id) => runtime.isLeft(id) && isStuck(id));
  return CpuSet.unionOf([
    ...classes,
    ...left.map((id) => kernel.effective(id) ?? CpuSet.empty),
    ...[...runtime.containers.keys()].map((id) => {
      const placed = inCharge?.placed.get(id);
      const held = kernel.held(id);
      if (placed === undefined) return held;
      const runs = kernel.effective(id) ?? (placed.kernel instanceof CpuSet ? placed.kernel : CpuSet.empty);
      // By its own set it may be anywhere, its class alone keeps it off; so where another program has written it.
      const isUnknown = placed.fence !== undefined || world.mayDiffer(id);
      const known = placed.hasWriteFailure && isUnknown ? inCharge?.online ?? runs : runs;
      return placed.hasWriteFailure || !held.isSubsetOf(placed.desired) ? known : held;
    }),
  ]);
}

/** What is wrong with a refusal: it has to name the container, and what surely fits may not be refused. */
export function refusalProblem(world: World, container: Container, message: string): string | undefined {
  if (world.scenario.dryRun) return `a dry run refuses: ${message}`;
  const { inCharge, kernel, runtime, scenario, settings, owner } = world;
  if (owner !== undefined && isPassive(owner.agent)) return `an agent that was released refuses: ${message}`;
  if (inCharge === undefined) return undefined;
  if (container.life === "starting") {
    return inCharge.placed.has(container.id)
      ? `${container.id} was refused to start and is in the ledger`
      : undefined;
  }
  if (!message.startsWith(`cpuset: pod ${container.pod.spec.namespace}/p${container.pod.number} `)) {
    return `a refusal that doesn't name its container: ${message}`;
  }
  const before = [...inCharge.placed.values()].filter(({ id }) => {
    const other = runtime.containers.get(id);
    return other?.pod === container.pod && other.spec.name === container.spec.name;
  });
  const freed = CpuSet.unionOf(
    [
      ...before.filter(({ claim }) => claim.kind === "exclusive").map(({ grant }) => grant),
      freedFor(world, container),
    ],
  );
  if (world.observer.isDisturbed || world.isTopologyStale || container.pod.spec.limit !== undefined) {
    return undefined;
  }
  const expected = expectation(container, settings);
  const limit = kernel.podLimit(uidOf(container.pod)) ?? inCharge.online;
  const closed = contested(world).union(inCharge.online.difference(limit));
  return surelyFits(expected, inCharge, scenario, freed, closed)
    ? `${container.id} is refused, although it fits: ${message}`
    : undefined;
}
