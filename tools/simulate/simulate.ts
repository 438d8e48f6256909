/** One simulated node after the other, each from a seed of its own, with events as they are drawn or as they were. */
import type { Coverage } from "./coverage.ts";
import { draw } from "./draw.ts";
import type { SimEvent } from "./events.ts";
import { Random } from "../random.ts";
import { type Chosen, drawScenario, type Scenario } from "./scenario.ts";
import { consecutiveSeeds, nodesOf } from "./seeds.ts";
import { Tally } from "./tally.ts";
import { type Doubles, World } from "./world.ts";

/** What has to be known to play a failure again. */
export interface Play {
  readonly scenario: Scenario;
  readonly events: readonly SimEvent[];
}

export interface Failure extends Play {
  readonly problem: string;
}

export interface Options extends Chosen {
  /** The first; the others follow. */
  readonly seed: number;
  /** In all. */
  readonly events: number;
  /** Of each node. */
  readonly perNode?: number;
  readonly doubles?: Doubles;
}

export const EVENTS_PER_NODE = 1000;

/** Plays that many events, on as many nodes as that takes; a node ends with its first violation. */
export function simulate(options: Options): Tally {
  const { seed, events, perNode = EVENTS_PER_NODE } = options;
  const tally = new Tally();
  for (const node of nodesOf(consecutiveSeeds(seed), events, perNode)) {
    playNode(drawScenario(node.seed, options), node.count, tally, options.doubles);
  }
  return tally;
}

/** Plays one node with events as they are drawn; the last of them brings it to rest. Adds all to the tally. */
export function playNode(scenario: Scenario, count: number, tally: Tally, doubles?: Doubles): void {
  const world = new World(scenario, doubles);
  const { events, problem } = playDrawn(world, count, tally.coverage);
  tally.add(world, events.length);
  if (problem !== undefined) tally.violations.push({ scenario, count, problem, at: events.length - 1 });
}

/** The events up to a violation. Throws where they don't lead to it (any more). */
export function failureOf(
  { scenario, count, at }: Pick<Tally["violations"][number], "scenario" | "count" | "at">,
  doubles?: Doubles,
): Failure {
  const { events, problem } = playDrawn(new World(scenario, doubles), count);
  if (problem === undefined || events.length !== at + 1) {
    throw new Error(
      `seed ${scenario.seed} isn't the same a second time: the agent or the simulation has changed`,
    );
  }
  return { scenario, events, problem };
}

function playDrawn(
  world: World,
  count: number,
  coverage?: Coverage,
): { readonly events: readonly SimEvent[]; readonly problem?: string } {
  const random = new Random(world.scenario.seed + 0x10000000);
  const events: SimEvent[] = [];
  coverage?.cut();
  for (let serial = 0; serial < count; serial++) {
    const event: SimEvent = serial === count - 1 ? { kind: "quiet" } : draw(random, world, serial);
    events.push(event);
    coverage?.add(event);
    const problem = world.play(event);
    if (problem !== undefined) return { events, problem };
  }
  return { events };
}

/** Plays a list again: the first violation, and after which event. */
export function replay(
  { scenario, events }: Play,
  doubles?: Doubles,
): { readonly problem: string; readonly at: number } | undefined {
  const world = new World(scenario, doubles);
  for (const [at, event] of events.entries()) {
    const problem = world.play(event);
    if (problem !== undefined) return { problem, at };
  }
  return undefined;
}
