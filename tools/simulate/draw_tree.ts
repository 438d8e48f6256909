/** What happens in the cgroup tree that the agent hasn't caused. */
import { CpuSet } from "../../src/cpu/cpu_set.ts";
import type { SimEvent, TreeEvent } from "./events.ts";
import type { Random } from "../random.ts";
import { type Container, hasCgroup } from "./records.ts";
import { isFenced } from "./scenario.ts";
import type { World } from "./world.ts";

type TreeKind = TreeEvent["kind"] | "release" | "hide" | "show";

/** The next event of that kind; undefined: there is nothing that it could happen to. */
export function drawInTree(random: Random, world: World, kind: TreeKind): SimEvent | undefined {
  const { runtime, kernel } = world;
  switch (kind) {
    case "tamper":
    case "hold": {
      const id = drawCgroup(random, world, kind === "hold");
      return id === undefined ? undefined : { kind, id, cpus: drawCpus(random, kernel.possible) };
    }
    case "pin":
      return drawPin(random, world);
    case "classTampered":
      return drawTamperedClass(random, world);
    case "hotplug":
      return drawHotplug(random, world);
    case "podNarrowed": {
      if (world.scenario.mode !== "kernel" || kernel.version === 1) return undefined;
      const own = [...world.inCharge?.placed.values() ?? []].filter(({ grant }) => !grant.isEmpty);
      const id = random.pick(own)?.id;
      return id === undefined
        ? undefined
        : { kind, id, cpus: random.chance(0.3) ? "" : drawCpus(random, kernel.possible) };
    }
    case "narrowed":
    case "partitioned":
      return { kind, cpus: random.chance(0.5) ? "" : drawCpus(random, kernel.possible) };
    case "release": {
      const held = [...runtime.containers.keys(), ...kernel.classes].filter((id) => !kernel.held(id).isEmpty);
      const id = random.pick(held);
      return id === undefined ? undefined : { kind, id };
    }
    default:
      return drawTreeFault(random, world, kind);
  }
}

/** What only an agent notices that looks into the tree. */
function drawTreeFault(
  random: Random,
  world: World,
  kind: "hide" | "show" | "late" | "keeps" | "overwrite" | "treeGone" | "treeBack",
): SimEvent | undefined {
  const { tree, kernel, scenario } = world;
  if (scenario.mode === "blind") return undefined;
  switch (kind) {
    case "hide":
    case "show": {
      const id = drawCgroup(random, world, true);
      return id !== undefined && tree.unreadable.has(id) === (kind === "show") ? { kind, id } : undefined;
    }
    case "late":
      return { kind, after: random.between(1, 3) };
    case "overwrite":
      return { kind, cpus: drawCpus(random, kernel.possible) };
    case "keeps":
      return { kind };
    default:
      return tree.isGone === (kind === "treeBack") ? { kind } : undefined;
  }
}

export function drawContainer(
  random: Random,
  { runtime }: World,
  is: (container: Container) => boolean,
): Container | undefined {
  return random.pick([...runtime.containers.values()].filter(is));
}

/** Mostly within what it has, as a program does that asks for that. */
function drawPin(random: Random, world: World): SimEvent | undefined {
  const id = drawContainer(random, world, ({ life }) => life === "running")?.id;
  const has = id === undefined ? undefined : world.kernel.effective(id);
  if (id === undefined || has === undefined) return undefined;
  return { kind: "pin", id, cpus: random.chance(0.15) ? "" : drawCpus(random, has) };
}

/** The id of a container with a cgroup; where the agent writes classes, now and then of one of these. */
function drawCgroup(random: Random, world: World, orClass: boolean): string | undefined {
  return orClass && isFenced(world.scenario) && random.chance(0.2)
    ? random.pick(world.kernel.classes)
    : drawContainer(random, world, hasCgroup)?.id;
}

/** Mostly with what it has had before, as systemd does where a property lags. */
function drawTamperedClass(random: Random, { kernel, attendance, scenario }: World): SimEvent | undefined {
  const id = random.pick(kernel.classes);
  if (id === undefined || !isFenced(scenario)) return undefined;
  const before = random.chance(0.7) ? random.pick(attendance.writtenTo(id)) : undefined;
  return { kind: "classTampered", id, cpus: before?.toString() ?? drawCpus(random, kernel.possible) };
}

export function drawCpus(random: Random, cpus: CpuSet): string {
  return CpuSet.from(random.some(cpus.toArray(), random.between(1, cpus.size))).toString();
}

/** A CPU goes, or one that is away comes back, which is likelier; behind a fence all that it has are to go, now and then. */
function drawHotplug(random: Random, { kernel, scenario }: World): SimEvent | undefined {
  const away = kernel.possible.difference(kernel.online).toArray();
  const fenced = isFenced(scenario) && random.chance(0.4)
    ? kernel.effective(kernel.classes[0] ?? "")
    : undefined;
  const back = fenced === undefined && away.length > 0 && random.chance(0.6);
  const cpu = random.pick(back ? away : (fenced ?? kernel.online).toArray());
  return cpu === undefined ? undefined : { kind: "hotplug", cpu, on: back };
}
