/** Many nodes, one after the other, each from its own seed. */
import { Coverage } from "./coverage.ts";
import { draw } from "./draw.ts";
import type { SimEvent } from "./events.ts";
import type { Cause } from "./excuses.ts";
import { Random } from "../random.ts";
import { type Chosen, drawScenario, type Scenario } from "./scenario.ts";
import { type Doubles, World } from "./world.ts";

/** What has to be known to see a failure again. */
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

export interface Result {
  readonly failure?: Failure;
  readonly events: number;
  readonly nodes: number;
  readonly coverage: Coverage;
  readonly machines: ReadonlyMap<string, number>;
  readonly excuses: ReadonlyMap<Cause, number>;
  readonly seen: World["seen"];
}

const PER_NODE = 1000;

/** Plays until that many events have been, or one has broken an invariant. */
export function simulate(options: Options): Result {
  const { events, perNode = PER_NODE } = options;
  const coverage = new Coverage();
  const machines = new Map<string, number>();
  const excuses = new Map<Cause, number>();
  const seen: World["seen"] = { played: 0, quiets: 0, settled: 0, refused: 0, updates: 0, calls: 0 };
  let played = 0;
  for (let nodes = 0;; nodes++) {
    if (played >= events) return { events: played, nodes, coverage, machines, excuses, seen };
    const scenario = drawScenario(options.seed + nodes, options);
    const node = playDrawn(scenario, Math.min(perNode, events - played), coverage, options.doubles);
    played += node.events.length;
    add(machines, new Map([[scenario.machine, node.events.length]]));
    add(excuses, node.world.excuses.counts);
    for (const key of Object.keys(seen) as (keyof typeof seen)[]) seen[key] += node.world.seen[key];
    if (node.problem !== undefined) {
      const failure = { scenario, events: node.events, problem: node.problem };
      return { failure, events: played, nodes: nodes + 1, coverage, machines, excuses, seen };
    }
  }
}

/** Plays one node with events as they are drawn; the last of them is its quiet. */
function playDrawn(
  scenario: Scenario,
  count: number,
  coverage: Coverage,
  doubles?: Doubles,
): { world: World; events: SimEvent[]; problem?: string } {
  const random = new Random(scenario.seed + 0x10000000);
  const world = new World(scenario, doubles);
  const events: SimEvent[] = [];
  coverage.cut();
  for (let serial = 0; serial < count; serial++) {
    const event: SimEvent = serial === count - 1 ? { kind: "quiet" } : draw(random, world, serial);
    events.push(event);
    coverage.add(event);
    const problem = world.play(event);
    if (problem !== undefined) return { world, events, problem };
  }
  return { world, events };
}

/** Plays a list again; what is wrong, and after which event. */
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

function add<K>(into: Map<K, number>, counts: ReadonlyMap<K, number>): void {
  for (const [key, count] of counts) into.set(key, (into.get(key) ?? 0) + count);
}
