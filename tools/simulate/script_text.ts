/**
 * A failure as a scenario of tests/scenarios, where that can be expressed: its runtime applies all that it is answered, at
 * once, so nothing may be lost, late or torn. What came of each event isn't written: `REWRITE=1` does that, and a
 * person then adds what should have.
 */
import { MACHINES } from "./machines.ts";
import type { SimEvent } from "./events.ts";
import type { PodSpec, Resources } from "./pods.ts";
import type { Failure } from "./simulate.ts";

/** Steps of a container that a script takes together with others. */
const SILENT = new Set<SimEvent["kind"]>(["note", "runc", "run", "applied", "join"]);
const WORDS: Readonly<Record<string, string>> = {
  "weka.io/cores-ids": "cores-ids",
  "weka.io/forbid-core-ids": "forbid",
  "weka.io/placement": "placement",
  "weka.io/movable": "movable",
};

/** The script's text; undefined where a script can't express the failure. */
export function scriptOf({ scenario, events, problem }: Failure): string | undefined {
  const spec = MACHINES[scenario.machine];
  if (spec === undefined || scenario.way === "launched" || scenario.dryRun) return undefined;
  const lines = new Names(events).lines();
  if (lines === undefined) return undefined;
  const { sockets, nodesPerSocket, coresPerNode, threads, coresPerCache, memoryLess, siblings } = spec;
  const machine = [
    `machine sockets=${sockets} nodes=${nodesPerSocket} cores=${coresPerNode} threads=${threads}`,
    ...(coresPerCache === undefined ? [] : [`cache=${coresPerCache}`]),
    ...(memoryLess === undefined ? [] : [`memory-less=${memoryLess.join()}`]),
    ...(siblings === "adjacent" ? ["adjacent"] : []),
  ].join(" ");
  const configuration = [
    `configure growDelayMs: ${scenario.growDelay}`,
    `configure minShared: ${scenario.minShared}`,
    `configure strictReserved: ${scenario.strictReserved}`,
    ...(scenario.systemReserved === "" ? [] : [`configure systemReserved: ${scenario.systemReserved}`]),
  ];
  return [`# ${problem.split("\n")[0]}`, machine, ...configuration, "", ...lines, "----", ""].join("\n");
}

/** Events as lines, with the names that a script has for containers: `p3/a`, and `p3/a#2` for the next of that name. */
class Names {
  readonly #pods = new Map<number, PodSpec>();
  readonly #names = new Map<string, string>();
  readonly #counts = new Map<string, number>();

  constructor(private readonly events: readonly SimEvent[]) {}

  lines(): string[] | undefined {
    const lines: string[] = [];
    for (const event of this.events) {
      const line = this.#line(event);
      if (line === undefined) return undefined;
      if (line !== "") lines.push(line);
    }
    return lines;
  }

  /** The empty line where nothing is needed, undefined where it can't be expressed. */
  #line(event: SimEvent): string | undefined {
    if (SILENT.has(event.kind)) return "";
    switch (event.kind) {
      case "pod":
        this.#pods.set(event.pod, event.spec);
        return "";
      case "create":
        return this.#create(event);
      case "start":
      case "stop":
      case "remove":
        return this.#about(event.kind, event.id);
      case "posted":
        return this.#about("post-start", event.id);
      case "update":
        return this.#about("update", event.id, figureWords(event.resources));
      case "stopPod":
        return this.#pods.has(event.pod) ? `stop-sandbox p${event.pod}` : undefined;
      // A script's agent is connected when it begins, and its runtime reports no containers by itself.
      case "connect":
      case "sync":
        return this.#names.size === 0 ? "" : undefined;
      case "tick":
        return `tick ${event.ms}`;
      default:
        return undefined;
    }
  }

  #create({ pod, slot, id }: Extract<SimEvent, { kind: "create" }>): string | undefined {
    const spec = this.#pods.get(pod);
    const container = spec?.containers[slot];
    if (spec === undefined || container === undefined || spec.handler !== undefined) return undefined;
    const key = `p${pod}/${container.name}`;
    const count = (this.#counts.get(key) ?? 0) + 1;
    this.#counts.set(key, count);
    const name = count === 1 ? key : `${key}#${count}`;
    this.#names.set(id, name);
    const annotations = Object.entries(spec.annotations).map(([key, value]) =>
      `${WORDS[key] ?? key}="${value}"`
    );
    const words = [
      ...figureWords(container.resources),
      spec.qos,
      `namespace=${spec.namespace}`,
      ...(spec.limit === undefined ? [] : [`pod-limit=${spec.limit}`]),
      ...annotations,
    ];
    return ["create", name, ...words].join(" ");
  }

  #about(verb: string, id: string, words: readonly string[] = []): string | undefined {
    const name = this.#names.get(id);
    return name === undefined ? undefined : [verb, name, ...words].join(" ");
  }
}

function figureWords({ cpus, ...figures }: Resources): string[] {
  const named = Object.entries(figures).map(([key, value]) => `${key}=${value}`);
  return cpus === undefined ? named : [...named, `cpuset=${cpus}`];
}
