/** Runs the demo's steps on one machine: each with its CPU map and a check of the cgroup tree. */
import type { Topology } from "../../src/cpu/topology.ts";
import { type PodSpec, readManifests } from "../../src/manifests/manifest.ts";
import { nameOf } from "../../tests/kit/runtime/node_state.ts";
import type { EmbeddedRuntime } from "../../tests/kit/runtime/runtime.ts";
import { holds } from "../../tests/kit/agent_process.ts";
import { marks } from "../../src/cli/marks.ts";
import { cpuMap, type MapStyle, type Owner } from "../../src/draw/cpu_map.ts";
import type { DemoAgent } from "./agent.ts";
import { faults, type Placed, placed } from "./verdict.ts";

/** One event on the node. */
export interface Step {
  /** Printed above the map. */
  title: string;
  /** What happens to the agent. */
  agent?: "killed" | "started";
  /** A manifest to apply, relative to the repository. */
  apply?: string;
  /** A manifest to delete. */
  remove?: string;
  /**
   * Whether its pods must run or must be refused; absent if it depends on the machine. `astray`: they must run where
   * they shouldn't, on CPUs that others claim.
   */
  expect?: "run" | "refused" | "astray";
}

interface Refusal {
  container: string;
  message: string;
}

export interface Stage {
  runtime: EmbeddedRuntime;
  agent: DemoAgent;
  topology: Topology;
  style: MapStyle;
  /** The repository. */
  root: string;
  print: (text: string) => void;
}

/** Runs steps on a node, and keeps the pods of each manifest. */
export class Play {
  readonly #stage: Stage;
  readonly #pods = new Map<string, string[]>();
  readonly #marks = new Map<string, string>();
  readonly #nextMark = marks();
  #refused = 0;

  constructor(stage: Stage) {
    this.#stage = stage;
  }

  /** Number of containers refused so far. */
  get refused(): number {
    return this.#refused;
  }

  /** @throws {Error} one sentence, if the outcome is wrong */
  async step(step: Step, number: string): Promise<void> {
    const { runtime, agent, topology, style, print } = this.#stage;
    print(`\n▶ ${number}  ${step.title}\n`);
    const asked = runtime.log.of("unplaced").length;
    await this.#toAgent(step.agent);
    const refusals = await agent.during(this.#toPods(step));
    // The agent widens sets after its reply.
    if (step.expect !== "astray") await agent.during(holds(() => this.#faults(this.#placed()).length === 0));
    const containers = this.#placed();
    print(`\n${cpuMap(topology, this.#owners(containers), style)}`);
    for (const { container, message } of refusals) {
      print(`   ✗ refused: ${container}\n${wrapped(message, "     ", style.width)}`);
    }
    this.#refused += refusals.length;
    this.#checkRuntime(step, asked);
    for (const { id } of runtime.log.of("unplaced").slice(asked)) print(`   ${this.#setsAround(id)}\n`);
    this.#check(step, containers, refusals.length);
  }

  async #toAgent(what: Step["agent"]): Promise<void> {
    const { agent, print } = this.#stage;
    if (what === "killed") {
      print("     kill -KILL the agent\n");
      await agent.kill();
    }
    if (what === "started") {
      print("     start the agent\n");
      await agent.start();
    }
  }

  async #toPods({ apply, remove }: Step): Promise<Refusal[]> {
    if (remove !== undefined) await this.#remove(remove);
    return apply === undefined ? [] : await this.#apply(apply);
  }

  async #apply(file: string): Promise<Refusal[]> {
    const { runtime, root, print } = this.#stage;
    print(`     apply ${file}\n`);
    const specs: PodSpec[] = readManifests(await Deno.readTextFile(`${root}/${file}`));
    const ids: string[] = [];
    this.#pods.set(file, ids);
    const refusals = [];
    for (const spec of specs) {
      const { id, refused } = await runtime.runPod(spec);
      ids.push(id);
      refusals.push(...refused.map((each) => ({ ...each, container: `${spec.name}/${each.container}` })));
    }
    return refusals;
  }

  async #remove(file: string): Promise<void> {
    this.#stage.print(`     delete ${file}\n`);
    for (const id of this.#pods.get(file) ?? []) await this.#stage.runtime.removePod(id);
    this.#pods.delete(file);
  }

  #placed(): Placed[] {
    const { runtime } = this.#stage;
    return runtime.containers()
      .filter((container) => container.state === "running")
      .map((container) => placed(container, runtime.cpusOf(container.id)));
  }

  #owners(containers: readonly Placed[]): Owner[] {
    return containers.map(({ name, promise, cpus }) => ({
      name,
      cpus,
      kind: promise.kind,
      mark: promise.kind === "shared" ? "" : this.#markOf(name, promise.kind),
    }));
  }

  /** Capitals for exclusive containers, small letters for pinned ones; a container keeps its own. */
  #markOf(name: string, kind: "pinned" | "exclusive"): string {
    const known = this.#marks.get(name);
    if (known !== undefined) return known;
    const mark = this.#nextMark(kind);
    this.#marks.set(name, mark);
    return mark;
  }

  /** Why a container that no agent has placed is where it is: its own set in the kernel, and that of its class. */
  #setsAround(id: string): string {
    const { tree } = this.#stage.runtime;
    const container = this.#stage.runtime.container(id);
    const parent = container.pod.cgroupParent;
    const group = parent.slice(0, parent.lastIndexOf("/"));
    const [own, around] = [container.cgroup.directory, group].map((each) => tree.read(each).cpus || "none");
    return `${nameOf(container)}: its own cpuset: ${own}; that of ${group}: ${around}`;
  }

  #faults(containers: readonly Placed[]): string[] {
    return faults(containers, this.#stage.topology.online);
  }

  /** @param before how many containers had been started without the agent */
  #checkRuntime({ apply }: Step, before: number): void {
    const { runtime, agent } = this.#stage;
    const [unplaced] = runtime.log.of("unplaced").slice(before);
    if (unplaced && agent.isRunning) {
      throw new Error(`${unplaced.container} was started without a call to the agent`);
    }
    if (!unplaced && !agent.isRunning && apply) {
      throw new Error(`${apply} was started by a call to the agent`);
    }
    const failed = runtime.log.of("update-failed")[0];
    if (failed) throw new Error(`an update of ${failed.container} failed: ${failed.message}`);
  }

  #check({ apply, expect }: Step, containers: readonly Placed[], refusals: number): void {
    const all = this.#faults(containers);
    if (expect === "astray") {
      if (all.length === 0) throw new Error(`the pods of ${apply} should have started on claimed CPUs`);
      for (const fault of all) this.#stage.print(wrapped(`✗ ${fault}`, "   ", this.#stage.style.width));
    } else if (all[0] !== undefined) throw new Error(all[0]);
    if (expect === "run" && refusals > 0) {
      throw new Error(`${apply} was refused although the machine has enough CPUs`);
    }
    if (expect === "refused" && refusals === 0) throw new Error(`${apply} should have been refused`);
  }
}

/** The words of `text` in lines of at most `width`, each with its indent and its end. */
export function wrapped(text: string, indent: string, width: number): string {
  const lines = [""];
  for (const word of text.split(" ")) {
    const line = lines.at(-1) ?? "";
    const longer = line === "" ? word : `${line} ${word}`;
    if (line !== "" && indent.length + longer.length > width) lines.push(word);
    else lines[lines.length - 1] = longer;
  }
  return lines.map((line) => `${indent}${line}\n`).join("");
}
