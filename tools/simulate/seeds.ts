/** Which nodes are played: their seeds, and how many events each. */
import { type Chosen, drawScenario, type Scenario } from "./scenario.ts";

export interface Node {
  readonly seed: number;
  /** Of events; the last one brings the node to rest. */
  readonly count: number;
}

/** As many nodes as that many events take. */
export function* nodesOf(seeds: Iterable<number>, events: number, perNode: number): Generator<Node> {
  let left = events;
  if (left <= 0) return;
  for (const seed of seeds) {
    yield { seed, count: Math.min(perNode, left) };
    left -= perNode;
    if (left <= 0) return;
  }
}

export function* consecutiveSeeds(first: number): Generator<number> {
  for (let seed = first;; seed++) yield seed;
}

/** What is to be covered evenly. */
type Setup = Pick<Scenario, "mode" | "cgroups" | "driver">;

export const MODES = ["kernel", "runtime", "blind"] as const;
export const CGROUPS = [1, 2] as const;
export const DRIVERS = ["cgroupfs", "systemd"] as const;
export const FENCES = ["auto", "off"] as const;

const SETUPS: readonly Setup[] = MODES.flatMap((mode) =>
  CGROUPS.flatMap((cgroups) => DRIVERS.map((driver) => ({ mode, cgroups, driver })))
);

/**
 * Those of the seeds from the first one on that draw one mode, cgroup version and driver after the other. What a seed
 * draws doesn't depend on this choice, so a seed alone replays its node.
 */
export function* evenSeeds(first: number, chosen: Chosen = {}): Generator<number> {
  const desired = SETUPS.filter((setup) =>
    (["mode", "cgroups", "driver"] as const).every((key) =>
      chosen[key] === undefined || chosen[key] === setup[key]
    )
  );
  const seeds = consecutiveSeeds(first);
  for (;;) {
    for (const { mode, cgroups, driver } of desired) {
      for (let isFound = false; !isFound;) {
        const seed = seeds.next().value;
        const drawn = drawScenario(seed, chosen);
        isFound = drawn.mode === mode && drawn.cgroups === cgroups && drawn.driver === driver;
        if (isFound) yield seed;
      }
    }
  }
}

/** A seed to begin with; small enough to be typed. */
export function drawnSeed(): number {
  return 1_000_000 + Math.floor(Math.random() * 999_000_000);
}
