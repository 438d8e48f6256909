/**
 * Bringing a node to rest: nothing goes wrong any more, everybody finishes what they have begun, kubelet creates what
 * its pods lack, and time passes. Then the agent has to have kept all its promises.
 */
import { CpuSet } from "../../src/cpu/cpu_set.ts";
import type { SimEvent } from "./events.ts";
import { CAUSES } from "./exemptions.ts";
import { surelyFits } from "./placeable.ts";
import { type Container, hasCgroup, isAlive } from "./records.ts";
import { isConsistent, isKnownConsistent } from "./consistency.ts";
import type { World } from "./world.ts";

/** Rounds in which everybody takes a step; a container needs six from its creation to its running. */
const MAX_ROUNDS = 400;
/** What the agent waits for at most: growth (its delay), ends that aren't told (5 s), a list (10 s). */
const WAITS = [500, 1000, 4000, 6000, 6000];
/** And where it writes the kernel, or compares: two comparisons for what isn't listed (10 s), the longest delay of a retry (a minute). */
const COMPARED = [12_000, 12_000, 12_000, 61_000, 12_000];
/** Pods of the simulation's own, to see whether replies carry what is owed. */
const PROBE = 1_000_000;

/** Plays a node to rest; the first thing that is wrong then, or on the way. */
export function bringToRest(world: World): string | undefined {
  world.runtime.updates.faults.length = 0;
  world.tree.end();
  for (const id of world.runtime.containers.keys()) world.kernel.hold(id, CpuSet.empty);
  for (const each of world.instances) each.cut = undefined;
  const problem = settle(world) ?? restProblem(world) ?? refill(world) ?? settle(world) ?? restProblem(world);
  world.seen.rests++;
  return problem && `when it is quiet, ${problem}`;
}

/** All that is under way comes to its end, time passes, and a pod comes and goes that changes nothing. */
function settle(world: World): string | undefined {
  let problem = finish(world);
  const { mode, reconcileEvery } = world.scenario;
  const waits = mode === "kernel" || reconcileEvery > 0 ? [...WAITS, ...COMPARED] : WAITS;
  for (const ms of waits) problem ??= world.play({ kind: "tick", ms }) ?? finish(world);
  return problem ?? restProblem(world) ?? probe(world);
}

function probe(world: World): string | undefined {
  const pod = PROBE + world.seen.rests;
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

/** Everybody takes their next step until nobody has one. */
function finish(world: World): string | undefined {
  for (let round = 0; round < MAX_ROUNDS; round++) {
    const due = steps(world);
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
function steps(world: World): SimEvent[] {
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

function nextOf({ id, life, failed, posted, agreed, unreported }: Container): SimEvent | undefined {
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
  return exempted(world) ?? unreportedEnds(world) ?? unsettled(world) ?? waiting(world) ?? unplaced(world);
}

function exempted({ exemptions }: World): string | undefined {
  const left = exemptions.ids.find((id) => CAUSES[exemptions.cause(id) ?? "failed"] === "ends");
  return left && `${left} still isn't as it should be, because of "${exemptions.cause(left)}"`;
}

/** Who is in the ledger lives. */
function unreportedEnds({ inCharge, runtime }: World): string | undefined {
  const dead = [...inCharge?.placed.keys() ?? []].find((id) => {
    const container = runtime.containers.get(id);
    return !runtime.unreportedEnds.has(id) && (container === undefined || !isAlive(container));
  });
  return dead && `${dead} is in the ledger and doesn't live`;
}

/** Kernel = record = ledger. */
function unsettled(world: World): string | undefined {
  const { inCharge, runtime, exemptions } = world;
  // What nobody was told of may seem to be leaving CPUs for ever: then others don't get them.
  if ([...runtime.unreportedEnds.keys()].some((id) => inCharge?.placed.has(id))) return undefined;
  for (const placed of inCharge?.placed.values() ?? []) {
    const { id, desired, record, kernel } = placed;
    const container = runtime.containers.get(id);
    if (container === undefined || exemptions.has(id) || desired.isEmpty) continue;
    if (!hasCgroup(container)) return `${id} is ${container.life}`;
    if (!isConsistent(world, container, desired)) {
      const { cpus = "none" } = container.record;
      return `${id} should be on ${desired}, its record says ${cpus} and the kernel ${
        world.kernel.written(id)
      }`;
    }
    if (!isKnownConsistent(world, placed)) {
      return `${id} is owed ${desired}, the agent thinks ${record ?? "none"}, in the kernel ${
        kernel ?? "none"
      }`;
    }
  }
  return undefined;
}

function waiting({ owner }: World): string | undefined {
  if (owner === undefined) return undefined;
  const { listsAsked, countsAsked, sequences } = owner;
  return listsAsked + countsAsked + sequences.length > 0 ? "the agent still waits for the CRI" : undefined;
}

/** Who has less than it claims couldn't have it. */
function unplaced({ inCharge, runtime, scenario }: World): string | undefined {
  if (inCharge === undefined) return undefined;
  for (const { id, degraded, claim } of inCharge.placed.values()) {
    if (degraded === undefined || claim.kind === "shared" || !runtime.containers.has(id)) continue;
    if (surelyFits(claim, inCharge, scenario)) {
      return `${id} is degraded, although it fits: ${degraded}`;
    }
  }
  return undefined;
}
