/** The next event, drawn with the node in view so that most events have something to do. */
import type { CpuSet } from "../../src/cpu/cpu_set.ts";
import { drawPod } from "./draw_pod.ts";
import { drawContainer, drawCpus, drawInTree } from "./draw_tree.ts";
import type { ContainerKind, Kind, SimEvent } from "./events.ts";
import { figuresOfPod } from "./pod_figures.ts";
import { figures, type Resources } from "./pods.ts";
import type { Random } from "../random.ts";
import { type Container, hasCgroup, isListed } from "./records.ts";
import { isPassive, isServing } from "./view.ts";
import type { World } from "./world.ts";

/** How often each kind is tried; those that find nothing to do are drawn anew. */
export const WEIGHTS: Readonly<Record<Kind, number>> = {
  pod: 5,
  create: 16,
  note: 12,
  abort: 0.5,
  undo: 5,
  runc: 12,
  runcFails: 0.3,
  start: 12,
  run: 12,
  posted: 12,
  exit: 1.5,
  forget: 0.3,
  desert: 0.2,
  linger: 0.8,
  reap: 1.5,
  stopTold: 2,
  stop: 1.5,
  remove: 4,
  stopPod: 0.7,
  removePod: 2,
  update: 3,
  podUpdate: 1,
  applied: 6,
  updated: 6,
  fault: 0.4,
  cut: 0.25,
  drop: 0.3,
  connect: 6,
  sync: 6,
  join: 6,
  restartAgent: 0.3,
  restartRuntime: 0.3,
  promote: 0.6,
  released: 0.15,
  resumed: 3,
  list: 2,
  listed: 3,
  count: 4,
  counted: 4,
  scanned: 8,
  apply: 8,
  tick: 3,
  wake: 10,
  tamper: 0.15,
  classTampered: 0.2,
  hotplug: 0.15,
  narrowed: 0.1,
  partitioned: 0.1,
  podNarrowed: 0.3,
  hold: 0.3,
  pin: 1.5,
  release: 2,
  hide: 0.15,
  show: 2,
  late: 0.15,
  keeps: 0.15,
  overwrite: 0.15,
  treeGone: 0.05,
  treeBack: 2,
  ground: 5,
  quiet: 0.3,
};

/** What goes wrong in the cgroup tree: more often on some nodes, so that one comes upon the other. */
const TROUBLE: readonly Kind[] = [
  "podNarrowed",
  "tamper",
  "classTampered",
  "hold",
  "hide",
  "late",
  "keeps",
  "overwrite",
  "treeGone",
];

/** By how much more often. */
const WEIGHTS_BY_TROUBLE = new Map<number, typeof WEIGHTS>();

function weightsOf({ trouble }: World["scenario"]): typeof WEIGHTS {
  const known = WEIGHTS_BY_TROUBLE.get(trouble);
  if (known !== undefined) return known;
  const weights = { ...WEIGHTS };
  for (const kind of TROUBLE) weights[kind] *= trouble;
  WEIGHTS_BY_TROUBLE.set(trouble, weights);
  return weights;
}

const MAX_TRIES = 20;
const MAX_PODS = 9;

/** `serial`: where the event is in the list; new pods and containers are named after it. */
export function draw(random: Random, world: World, serial: number): SimEvent {
  for (let tries = 0; tries < MAX_TRIES; tries++) {
    const event = drawKind(random, world, random.weighted(weightsOf(world.scenario)), serial);
    if (event !== undefined) return event;
  }
  return { kind: "tick", ms: 500 };
}

function drawKind(random: Random, world: World, kind: Kind, serial: number): SimEvent | undefined {
  const { runtime, owner, kernel } = world;
  switch (kind) {
    case "pod": {
      if (runtime.pods.size >= MAX_PODS) return undefined;
      return { kind, pod: serial, spec: drawPod(random, kernel.possible) };
    }
    case "create":
      return drawCreate(random, world, serial);
    case "stopPod":
    case "removePod": {
      const pod = random.pick([...runtime.pods.values()]);
      return pod && { kind, pod: pod.number };
    }
    case "update":
      return drawUpdate(random, world);
    case "podUpdate":
      return drawPodUpdate(random, world);
    case "fault":
      return { kind, after: random.below(4), effect: random.oneOf("fail", "lose") };
    case "cut":
      return owner?.joined
        ? { kind, side: random.oneOf("call", "answer"), at: random.below(600) }
        : undefined;
    case "drop":
      return owner?.connected ? { kind } : undefined;
    case "connect":
      return world.instances.some(({ dead, connected }) => !dead && !connected) ? { kind } : undefined;
    case "sync":
      return world.instances.some(({ connected, synced, joined }) => connected && !synced && !joined)
        ? { kind, parts: random.oneOf(1, 1, 2, 5) }
        : undefined;
    case "join":
      return world.instances.some(({ synced, joined }) => synced && !joined) ? { kind } : undefined;
    case "restartAgent":
    case "restartRuntime":
    case "quiet":
      return { kind };
    case "ground":
      return world.isTopologyStale ? { kind } : undefined;
    case "promote":
      return world.instances.length > 1 ? { kind } : undefined;
    case "released":
      return owner !== undefined && isServing(owner.agent) ? { kind } : undefined;
    case "resumed":
      return owner !== undefined && isPassive(owner.agent) ? { kind } : undefined;
    case "list":
      return owner && owner.listsAsked > 0 ? { kind } : undefined;
    case "listed":
      return owner && owner.listsTaken.length > 0 ? { kind } : undefined;
    case "count":
      return owner && owner.countsAsked > 0 ? { kind } : undefined;
    case "counted":
      return owner && owner.countsTaken.length > 0 ? { kind } : undefined;
    case "wake":
      return world.instances.some(({ nextWake }) => nextWake !== undefined) ? { kind } : undefined;
    case "scanned":
      return owner && owner.scansAsked > 0 ? { kind } : undefined;
    case "apply": {
      const sequence = random.pick(owner?.sequences.filter(({ busy }) => !busy) ?? []);
      return sequence && { kind, sequence: sequence.number, reachable: random.chance(0.9) };
    }
    case "tick":
      return { kind, ms: random.oneOf(100, 500, 500, 1000, 3000, 11_000) };
    case "tamper":
    case "classTampered":
    case "hold":
    case "pin":
    case "release":
    case "hotplug":
    case "narrowed":
    case "partitioned":
    case "podNarrowed":
    case "hide":
    case "show":
    case "late":
    case "keeps":
    case "overwrite":
    case "treeGone":
    case "treeBack":
      return drawInTree(random, world, kind);
    case "reap": {
      const id = random.pick([...runtime.lingering].filter((id) => runtime.isLeft(id)));
      return id === undefined ? undefined : { kind, id };
    }
    case "linger": {
      const found = drawContainer(
        random,
        world,
        ({ id, life }) => life === "running" && !runtime.lingering.has(id),
      );
      return found && { kind, id: found.id };
    }
    default: {
      const found = drawContainer(random, world, CANDIDATES[kind]);
      return found && { kind, id: found.id };
    }
  }
}

const CANDIDATES: Readonly<
  Record<Exclude<ContainerKind, "linger" | "reap">, (container: Container) => boolean>
> = {
  note: ({ life }) => life === "asked",
  abort: ({ life }) => life === "asked",
  undo: ({ failed }) => failed,
  runc: ({ life }) => life === "created",
  runcFails: ({ life }) => life === "created",
  start: ({ life }) => life === "starting",
  run: ({ life }) => life === "cleared",
  posted: ({ life, posted }) => life === "running" && !posted,
  exit: ({ life }) => life === "running" || life === "created",
  forget: ({ life, posted }) => life === "running" && posted,
  desert: ({ life, posted }) => life === "running" && posted,
  stopTold: ({ life, failed, stopTold, isForgotten }) =>
    life === "exited" && !failed && !stopTold && !isForgotten,
  stop: isListed,
  remove: ({ life, failed, isForgotten }) => life === "exited" && !failed && !isForgotten,
  applied: ({ agreed }) => agreed.length > 0,
  updated: ({ unreported }) => unreported > 0,
  release: hasCgroup,
  hide: hasCgroup,
  show: hasCgroup,
};

function drawCreate(random: Random, { runtime }: World, serial: number): SimEvent | undefined {
  const pod = random.pick([...runtime.pods.values()].filter(({ stopped }) => !stopped));
  if (pod === undefined) return undefined;
  const slots = [...pod.spec.containers.entries()].filter(([, { name }]) =>
    runtime.living(pod, name) === undefined
  );
  const slot = random.pick(slots)?.[0];
  return slot === undefined ? undefined : { kind: "create", pod: pod.number, slot, id: `c${serial}` };
}

function drawUpdate(random: Random, world: World): SimEvent | undefined {
  const found = drawContainer(random, world, isListed);
  if (found === undefined) return undefined;
  const ofPod = random.chance(0.5) ? figuresOfPod(found.pod) : undefined;
  return { kind: "update", id: found.id, resources: ofPod ?? drawResources(random, world.kernel.possible) };
}

function drawPodUpdate(random: Random, { runtime, kernel, scenario }: World): SimEvent | undefined {
  const pods = [...runtime.pods.values()].filter(({ limit, stopped }) => limit !== undefined && !stopped);
  const pod = scenario.nri === "0.6" ? undefined : random.pick(pods);
  const most = Math.max(2, Math.ceil(kernel.possible.size / 3));
  return pod && { kind: "podUpdate", pod: pod.number, limit: random.between(1, most) };
}

/** What kubelet's managers, an in-place resize and other clients send: parts, or nothing at all. */
function drawResources(random: Random, cpus: CpuSet): Resources {
  switch (random.below(6)) {
    case 5: // kubelet that has lost what it had sent
      return { shares: 2, quota: random.oneOf(0, 0, 0, -1), period: 100_000 };
    case 0:
      return {};
    case 1:
      return { memory: 2 ** 20 * random.between(1, 64) };
    case 2:
      return { cpus: drawCpus(random, cpus) };
    case 3:
      return { shares: random.between(2, 2048) };
    default:
      return figures(1000 * random.between(1, Math.max(1, Math.ceil(cpus.size / 3))), true);
  }
}
