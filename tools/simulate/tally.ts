/** What was played and what broke, over many nodes and threads. */
import { addAll, type Counted, Coverage } from "./coverage.ts";
import type { Cause } from "./exemptions.ts";
import type { Scenario } from "./scenario.ts";
import type { World } from "./world.ts";

/** An invariant that didn't hold on a node. */
export interface Violation {
  readonly scenario: Scenario;
  /** Events that the node was to play. */
  readonly count: number;
  readonly problem: string;
  /** Index of the event after which it didn't hold. */
  readonly at: number;
}

/** As it goes from one thread to another. */
export interface Played
  extends
    Pick<Tally, "events" | "nodes" | "machines" | "modes" | "setups" | "exemptions" | "seen" | "violations"> {
  readonly coverage: Counted;
}

export class Tally {
  events = 0;
  nodes = 0;
  readonly coverage = new Coverage();
  /** Events by machine; by mode; by mode, cgroup version and driver. */
  readonly machines = new Map<string, number>();
  readonly modes = new Map<string, number>();
  readonly setups = new Map<string, number>();
  readonly exemptions = new Map<Cause, number>();
  readonly seen: World["seen"] = { played: 0, rests: 0, running: 0, refused: 0, updates: 0, calls: 0 };
  readonly violations: Violation[] = [];

  /** One node more, of which that many events were drawn. */
  add({ scenario, exemptions, seen }: Pick<World, "scenario" | "exemptions" | "seen">, events: number): void {
    this.nodes++;
    this.events += events;
    addAll(this.machines, new Map([[scenario.machine, events]]));
    addAll(this.modes, new Map([[scenario.mode, events]]));
    addAll(this.setups, new Map([[setupOf(scenario), events]]));
    addAll(this.exemptions, exemptions.counts);
    this.#addSeen(seen);
  }

  merge(other: Played): void {
    this.nodes += other.nodes;
    this.events += other.events;
    this.coverage.merge(other.coverage);
    for (const key of ["machines", "modes", "setups"] as const) addAll(this[key], other[key]);
    addAll(this.exemptions, other.exemptions);
    this.#addSeen(other.seen);
    this.violations.push(...other.violations);
  }

  #addSeen(seen: World["seen"]): void {
    for (const key of Object.keys(seen) as (keyof World["seen"])[]) this.seen[key] += seen[key];
  }
}

export function setupOf({ mode, cgroups, driver }: Scenario): string {
  return `${mode} v${cgroups} ${driver}`;
}
