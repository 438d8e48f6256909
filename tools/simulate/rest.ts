/**
 * Bringing a node to rest: nothing goes wrong any more, what was begun is finished, kubelet creates what its pods
 * lack, and time passes. Then kernel, record and ledger have to agree.
 */
import { CpuSet } from "../../src/cpu/cpu_set.ts";
import type { SimEvent } from "./events.ts";
import { CAUSES } from "./exemptions.ts";
import { surelyFits } from "./placeable.ts";
import { freedFor, heldForNobody } from "./invariants_held.ts";
import { type Container, hasCgroup, isAlive } from "./records.ts";
import { hasOwnSet, heldBy, isConsistent, isKnownConsistent } from "./consistency.ts";
import { closedBy, isPassive, viewOf } from "./view.ts";
import type { World } from "./world.ts";

/** Rounds of one step each; a container needs six from its creation to its running. */
const MAX_ROUNDS = 400;
/** The agent's longest delays: of growth, of counting for ends that aren't reported (5 s), of a list (10 s). */
const DELAYS_MS = [500, 1000, 4000, 6000, 6000];
/** And where it writes the kernel or reconciles: twice that interval (10 s), the longest back-off (a minute). */
const RECONCILE_DELAYS_MS = [12_000, 12_000, 12_000, 61_000, 12_000];
/** Until an end that is never reported is noticed: two comparisons, and a list. */
const FOUND_AFTER_MS = [12_000, 12_000, 12_000];
/** Numbers of the simulation's own pods, whose replies may carry what is pending. */
const PROBE_PODS = 1_000_000;

/** Plays a node to rest; the first thing that is wrong then, or on the way. */
export function bringToRest(world: World): string | undefined {
  world.runtime.updates.faults.length = 0;
  world.tree.end();
  const { runtime, kernel } = world;
  for (const id of [...runtime.containers.keys(), ...kernel.classes]) kernel.hold(id, CpuSet.empty);
  for (const id of runtime.lingering) {
    runtime.reap(id);
    runtime.lingering.delete(id);
  }
  for (const each of world.instances) each.cut = undefined;
  const problem = closed(world) ?? finishAll(world) ?? restProblem(world) ?? refill(world) ??
    finishAll(world) ??
    restProblem(world);
  world.seen.rests++;
  return problem && `at rest, ${problem}`;
}

/** What a passive agent hasn't given all CPUs once time has passed. */
function closed(world: World): string | undefined {
  const isReleased = () => world.owner !== undefined && isPassive(world.owner.agent);
  if (!isReleased() || world.scenario.dryRun) return undefined;
  let problem = finish(world, isReleased);
  for (const ms of [...DELAYS_MS, ...RECONCILE_DELAYS_MS]) {
    problem ??= world.play({ kind: "tick", ms }) ?? finish(world, isReleased);
  }
  const { owner, kernel, exemptions, runtime } = world;
  if (problem !== undefined || owner === undefined || !isReleased()) return problem;
  const isRunning = (container: Container | undefined) => container?.posted === true && isAlive(container);
  const isExempt = (id: string) =>
    exemptions.has(id) || (!kernel.classes.includes(id) && !isRunning(runtime.containers.get(id)));
  const [left] = closedBy(owner.agent).filter((id) => !isExempt(id));
  if (left !== undefined) return `${left} hasn't got all CPUs from an agent that was released`;
  const [narrow] = world.scenario.mode === "kernel"
    ? [...viewOf(owner.agent).placed.keys()].filter((id) =>
      !isExempt(id) && kernel.effective(id)?.equals(kernel.around(id)) === false
    )
    : [];
  return narrow && `${narrow} has ${kernel.effective(narrow)} after a release`;
}

/** All that is under way comes to its end, time passes, and a pod comes and goes that changes nothing. */
function finishAll(world: World): string | undefined {
  let problem = finish(world);
  const { mode, reconcileEvery } = world.scenario;
  // Of several of a name that have ended so the next is found once the one after it is.
  const forgotten = [...world.runtime.containers.values()].filter(({ isForgotten }) => isForgotten);
  const waits = mode === "kernel" || reconcileEvery > 0
    ? [...DELAYS_MS, ...RECONCILE_DELAYS_MS, ...forgotten.flatMap(() => FOUND_AFTER_MS)]
    : DELAYS_MS;
  for (const ms of waits) problem ??= world.play({ kind: "tick", ms }) ?? finish(world);
  return problem ?? restProblem(world) ?? probe(world);
}

function probe(world: World): string | undefined {
  const pod = PROBE_PODS + world.seen.rests;
  const resources = { shares: 2, period: 100_000 };
  const spec = {
    namespace: "probe",
    annotations: {},
    qos: "besteffort",
    containers: [{ name: "c", resources }],
  } as const;
  return playAll(world, [{ kind: "pod", pod, spec }, create(world, pod, 0)]) ??
    finish(world) ??
    world.play({ kind: "removePod", pod }) ??
    finish(world);
}

/** kubelet creates what its pods lack, again and again as long as that gets it anywhere. */
function refill(world: World): string | undefined {
  const before = world.seen.running;
  for (;;) {
    const lacking = lacks(world);
    for (const { pod, slot } of lacking) {
      const problem = world.play(create(world, pod, slot)) ?? finish(world);
      if (problem !== undefined) return problem;
    }
    if (lacks(world).length === lacking.length) break;
  }
  world.seen.running = before + [...world.runtime.containers.values()].filter(isAlive).length;
  return undefined;
}

function lacks({ runtime }: World): { pod: number; slot: number }[] {
  return [...runtime.pods.values()].filter(({ stopped }) => !stopped).flatMap((pod) =>
    [...pod.spec.containers.entries()].filter(([, { name }]) => runtime.living(pod, name) === undefined)
      .map(([slot]) => ({ pod: pod.number, slot }))
  );
}

/** Named so that a shorter list of events names it the same. */
function create({ runtime }: World, pod: number, slot: number): SimEvent {
  for (let attempt = 0;; attempt++) {
    const id = `q${pod}.${slot}.${attempt}`;
    if (!runtime.wasUsed(id)) return { kind: "create", pod, slot, id };
  }
}

/** Plays the next steps until there is none. `staysPassive`: an agent that was released isn't resumed. */
function finish(world: World, staysPassive: () => boolean = () => false): string | undefined {
  for (let round = 0; round < MAX_ROUNDS; round++) {
    const due = steps(world, staysPassive());
    if (due.length === 0) return undefined;
    const problem = playAll(world, due);
    if (problem !== undefined) return problem;
  }
  return `it never comes to rest: after ${MAX_ROUNDS} rounds there is still ${JSON.stringify(steps(world))}`;
}

function playAll(world: World, events: readonly SimEvent[]): string | undefined {
  for (const event of events) {
    const problem = world.play(event);
    if (problem !== undefined) return problem;
  }
  return undefined;
}

/** What is due; the connection before all else. */
function steps(world: World, staysPassive = false): SimEvent[] {
  const isReleased = world.owner !== undefined && isPassive(world.owner.agent);
  if (isReleased && !staysPassive) return [{ kind: "resumed" }];
  if (world.isTopologyStale) return [{ kind: "ground" }];
  if (world.runtime.conversation.isStartPending) return [{ kind: "wake" }];
  const connection = connecting(world);
  if (connection !== undefined) return [connection];
  const containers = [...world.runtime.containers.values()].flatMap((each) => nextOf(each) ?? []);
  const { owner } = world;
  const asked: SimEvent[] = [];
  if (owner !== undefined) {
    if (owner.listsTaken.length > 0) asked.push({ kind: "listed" });
    if (owner.listsAsked > 0) asked.push({ kind: "list" });
    if (owner.countsTaken.length > 0) asked.push({ kind: "counted" });
    if (owner.countsAsked > 0) asked.push({ kind: "count" });
    if (owner.nextWake !== undefined && owner.nextWake <= world.now) asked.push({ kind: "wake" });
    for (const { number, busy } of owner.sequences) {
      if (!busy) asked.push({ kind: "apply", sequence: number, reachable: true });
    }
  }
  return [...containers, ...asked];
}

function connecting({ owner, instances, runtime }: World): SimEvent | undefined {
  if (owner === undefined) {
    return instances.some(({ dead }) => !dead) ? { kind: "promote" } : { kind: "restartRuntime" };
  }
  const living = instances.filter(({ dead }) => !dead);
  if (living.some(({ connected }) => !connected)) return { kind: "connect" };
  if (runtime.isLegacyLaunched) return undefined;
  if (living.some(({ joined, synced }) => !joined && !synced)) return { kind: "sync", parts: 1 };
  return living.some(({ joined }) => !joined) ? { kind: "join" } : undefined;
}

function nextOf(
  { id, life, failed, posted, agreed, unreported, isForgotten }: Container,
): SimEvent | undefined {
  if (isForgotten) return undefined;
  if (agreed.length > 0) return { kind: "applied", id };
  if (unreported > 0 && life !== "exited") return { kind: "updated", id };
  switch (life) {
    case "asked":
      return { kind: "note", id };
    case "created":
      return { kind: "runc", id };
    case "starting":
      return { kind: "start", id };
    case "cleared":
      return { kind: "run", id };
    case "running":
      return posted ? undefined : { kind: "posted", id };
    case "exited":
      return { kind: failed ? "undo" : "remove", id };
  }
}

/** What is wrong at rest. */
export function restProblem(world: World): string | undefined {
  if (world.scenario.dryRun) return undefined;
  if (world.inCharge === undefined) return "no agent is in charge";
  return exempted(world) ?? unreportedEnds(world) ?? heldForNobody(world) ?? differing(world) ??
    differingClass(world) ??
    waiting(world) ?? unplaced(world);
}

function exempted(world: World): string | undefined {
  const { exemptions, inCharge } = world;
  if (isWrongClass(world)) return undefined;
  const seemHeld = heldByUnnoticed(world);
  const left = exemptions.ids.find((id) => {
    const placed = inCharge?.placed.get(id);
    // CPUs that were gone for a moment have left its set (cgroup v1), which only a comparison would find.
    const isLess = world.kernel.version === 1 && world.windows.opening(id) === "tampered";
    // What its pod's cgroup keeps from it was narrowed while nothing could be read.
    const isLimited = world.kernel.limit(id) !== undefined;
    const isEmptied = !world.isCompared && (world.isHidden(id) || isLess || isLimited);
    const isSeen = placed === undefined ||
      (hasOwnSet(world, placed) && !placed.desired.intersects(seemHeld) && !isEmptied);
    return isSeen && CAUSES[exemptions.cause(id) ?? "failed"] === "ends";
  });
  return left && `${left} still isn't as desired, because of "${exemptions.cause(left)}"`;
}

/** What is in the ledger lives. */
function unreportedEnds(world: World): string | undefined {
  const { inCharge, runtime } = world;
  const dead = [...inCharge?.placed.keys() ?? []].find((id) => {
    const container = runtime.containers.get(id);
    return !runtime.unreportedEnds.has(id) && (container === undefined || !isAlive(container)) &&
      !mayStayUnnoticed(world, container);
  });
  return dead && `${dead} is in the ledger and doesn't live`;
}

/**
 * The runtime lists it as running for ever. The agent notices by its cgroup, where it compares: by an empty one only if it has
 * seen somebody there before, and by none only while others have one.
 */
function mayStayUnnoticed(world: World, container: Container | undefined): boolean {
  const { scenario, runtime, kernel, observer, owner, inCharge } = world;
  if (container?.isForgotten !== true) return false;
  if (scenario.mode === "blind" || scenario.reconcileEvery === 0) return true;
  // That it was started came in NRI 0.6's gap: it counts as created, and nobody lives in that yet.
  if (inCharge?.placed.get(container.id)?.starting) return true;
  const isTreeSeen = [...inCharge?.placed.values() ?? []].some(({ id, starting }) => {
    const { life, pod } = runtime.containers.get(id) ?? {};
    // The cgroups of those whose runtime is known to keep processes elsewhere aren't looked at.
    const isLookedAt = life === "running" && pod?.spec.handler !== "gvisor";
    return !starting && isLookedAt && kernel.written(id) !== undefined;
  });
  const hasLived = owner !== undefined && observer.hasLived(owner, container.id);
  return kernel.written(container.id) === undefined ? !isTreeSeen : !hasLived;
}

/**
 * CPUs that ended ones, of which nothing is reported, seem to have to leave: for ever, so others don't get them, nor what those
 * should leave who would go there.
 */
function heldByUnnoticed({ inCharge, runtime }: World): CpuSet {
  const isUnnoticed = (id: string) =>
    runtime.unreportedEnds.has(id) || runtime.containers.get(id)?.isForgotten === true;
  return inCharge === undefined ? CpuSet.empty : heldBy(inCharge, isUnnoticed);
}

/** Kernel = record = ledger. */
function differing(world: World): string | undefined {
  const { inCharge, runtime, exemptions } = world;
  if (isWrongClass(world)) return undefined;
  const seemHeld = heldByUnnoticed(world);
  for (const placed of inCharge?.placed.values() ?? []) {
    const { id, desired, record, kernel } = placed;
    const container = runtime.containers.get(id);
    if (container === undefined || exemptions.has(id) || desired.isEmpty) continue;
    if (runtime.unreportedEnds.has(id) || container.isForgotten || desired.intersects(seemHeld)) continue;
    if (!hasCgroup(container)) return `${id} is ${container.life}`;
    if (!isConsistent(world, container, placed)) {
      const { cpus = "none" } = container.record;
      return `${id} should be on ${desired}, its record has ${cpus} and the kernel ${
        world.kernel.written(id)
      }`;
    }
    if (!isKnownConsistent(world, placed)) {
      return `${id} should be on ${desired}; by the agent's state its record has ${
        record ?? "none"
      }, in the kernel ${kernel ?? "none"}`;
    }
  }
  return undefined;
}

/** Without comparisons the agent knows nothing of what others have written, nor of what it couldn't read. */
function differingClass(world: World): string | undefined {
  const { inCharge, kernel, windows } = world;
  if (isWrongClass(world)) return undefined;
  const seemHeld = heldByUnnoticed(world);
  for (const [path, { desired }] of inCharge?.groups ?? []) {
    const mayStay = desired.isEmpty || windows.opening(path) === "emptied" || desired.intersects(seemHeld);
    const cpus = kernel.effective(path);
    if (!mayStay && !cpus?.equals(desired)) return `${path} should be on ${desired} and has ${cpus}`;
  }
  return undefined;
}

/**
 * Without comparisons what another program has written to a class stays, and what such a class had before it couldn't be
 * read; then others may wait for what is in it.
 */
function isWrongClass({ inCharge, windows, isCompared }: World): boolean {
  const groups = [...inCharge?.groups ?? []];
  return !isCompared &&
    groups.some(([path, { isFence }]) =>
      windows.has(path) && (!isFence || windows.opening(path) === "tampered")
    );
}

function waiting({ owner }: World): string | undefined {
  if (owner === undefined) return undefined;
  const { listsAsked, countsAsked, sequences } = owner;
  return listsAsked + countsAsked + sequences.length > 0
    ? "requests to the CRI are still pending"
    : undefined;
}

/** What has less than it claims couldn't have it. */
function unplaced(world: World): string | undefined {
  const { inCharge, runtime, scenario } = world;
  if (inCharge === undefined) return undefined;
  for (const { id, degraded, claim } of inCharge.placed.values()) {
    const container = runtime.containers.get(id);
    if (degraded === undefined || claim.kind === "shared" || container === undefined) continue;
    if (container.pod.spec.limit !== undefined) continue;
    // What an ended one of its pod has is found to be free with the next claim of that, and with none of another.
    if (surelyFits(claim, inCharge, scenario, freedFor(world, container, "held"), heldByUnnoticed(world))) {
      return `${id} is degraded, although it fits: ${degraded}`;
    }
  }
  return undefined;
}
