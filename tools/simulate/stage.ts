/** A small node for tests of the simulation's own parts: four CPUs, and nothing drawn. */
import type { Agent } from "../../src/agent/step.ts";
import type { SimEvent } from "./events.ts";
import { figures, type PodSpec } from "./pods.ts";
import { BEFORE, type Scenario } from "./scenario.ts";
import { type Doubles, World } from "./world.ts";

export const FOUR: Scenario = {
  seed: 1,
  machine: "four",
  cgroups: 2,
  nri: "0.12",
  way: "external",
  systemReserved: "",
  strictReserved: false,
  minShared: 1,
  growDelay: 0,
  dryRun: false,
  ...BEFORE,
};

export const SHARED: PodSpec = {
  namespace: "ns",
  annotations: {},
  qos: "besteffort",
  containers: [{ name: "a", resources: { shares: 2, period: 100_000 } }],
};

export function exclusive(count: number): PodSpec {
  return {
    ...SHARED,
    qos: "guaranteed",
    containers: [{ name: "a", resources: figures(count * 1000, true) }],
  };
}

export function pinned(cpus: string): PodSpec {
  return { ...SHARED, annotations: { "weka.io/cores-ids": cpus } };
}

/** The steps by which a container comes to run. */
export const STEPS = ["note", "runc", "start", "run", "posted"] as const;

export class Stage {
  readonly world: World;
  #pods = 0;

  constructor(scenario: Partial<Scenario> = {}, doubles: Doubles = {}) {
    this.world = new World({ ...FOUR, ...scenario }, doubles);
  }

  /** With an agent that is in charge. */
  static serving(scenario: Partial<Scenario> = {}, doubles: Doubles = {}): Stage {
    const stage = new Stage(scenario, doubles);
    stage.play({ kind: "connect" }, { kind: "sync", parts: 1 }, { kind: "join" });
    return stage;
  }

  /** The first problem of these events. */
  play(...events: readonly SimEvent[]): string | undefined {
    let problem: string | undefined;
    for (const event of events) problem ??= this.world.play(event);
    return problem;
  }

  /** A new pod whose one container is created under this id. */
  create(id: string, spec: PodSpec): string | undefined {
    const pod = ++this.#pods;
    return this.play({ kind: "pod", pod, spec }, { kind: "create", pod, slot: 0, id });
  }

  /** The same, and it goes through all or the first of its steps. */
  run(id: string, spec: PodSpec, until: typeof STEPS[number] = "posted"): string | undefined {
    const steps = STEPS.slice(0, STEPS.indexOf(until) + 1);
    return this.create(id, spec) ?? this.play(...steps.map((kind) => ({ kind, id })));
  }

  get agent(): Agent {
    const { owner } = this.world;
    if (owner === undefined) throw new Error("no agent decides");
    return owner.agent;
  }

  record(id: string): string | undefined {
    return this.world.runtime.containers.get(id)?.record.cpus;
  }

  kernel(id: string): string {
    return `${this.world.kernel.written(id)}`;
  }

  life(id: string): string | undefined {
    return this.world.runtime.containers.get(id)?.life;
  }
}
