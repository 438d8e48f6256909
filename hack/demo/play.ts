/** Runs the demo's steps on one machine: each with its CPU map and a check of the cgroup tree. */
import type { Topology } from "../../src/cpu/topology.ts";
import { type PodSpec, readManifests } from "../../tests/kit/runtime/manifest.ts";
import type { EmbeddedRuntime } from "../../tests/kit/runtime/runtime.ts";
import { cpuMap, type MapStyle, type Owner } from "../cpu_map.ts";
import { faults, type Placed, placed } from "./verdict.ts";

/** One event on the node. */
export interface Step {
  /** Printed above the map. */
  title: string;
  /** A manifest to apply, relative to the repository. */
  apply?: string;
  /** A manifest to delete. */
  remove?: string;
  /** Whether its pods must run or must be refused; absent if it depends on the machine. */
  expect?: "run" | "refused";
}

export interface Stage {
  runtime: EmbeddedRuntime;
  topology: Topology;
  style: MapStyle;
  /** The repository. */
  root: string;
  print: (text: string) => void;
}

const MARKS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ";

/** Runs steps on a node, and keeps the pods of each manifest. */
export class Play {
  readonly #stage: Stage;
  readonly #pods = new Map<string, string[]>();
  readonly #marks = new Map<string, string>();
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
    const { print } = this.#stage;
    print(`\n▶ ${number}  ${step.title}\n`);
    if (step.remove) await this.#remove(step.remove);
    const refusals = step.apply ? await this.#apply(step.apply) : [];
    const containers = this.#placed();
    print(`\n${cpuMap(this.#stage.topology, this.#owners(containers), this.#stage.style)}`);
    for (const { container, message } of refusals) {
      print(`   ✗ refused: ${container}\n${wrapped(message, "     ", this.#stage.style.width)}`);
    }
    this.#refused += refusals.length;
    this.#check(step, containers, refusals.length);
  }

  async #apply(file: string): Promise<{ container: string; message: string }[]> {
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
    const letter = MARKS[this.#marks.size % MARKS.length] ?? "A";
    const mark = kind === "pinned" ? letter.toLowerCase() : letter;
    this.#marks.set(name, mark);
    return mark;
  }

  #check(step: Step, containers: readonly Placed[], refusals: number): void {
    const { runtime, topology } = this.#stage;
    const unplaced = runtime.log.of("unplaced")[0];
    if (unplaced) throw new Error(`${unplaced.container} was started without a call to the agent`);
    const failed = runtime.log.of("update-failed")[0];
    if (failed) throw new Error(`an update of ${failed.container} failed: ${failed.message}`);
    const [fault] = faults(containers, topology.online);
    if (fault !== undefined) throw new Error(fault);
    if (step.expect === "run" && refusals > 0) {
      throw new Error(`${step.apply} was refused although the machine has enough CPUs`);
    }
    if (step.expect === "refused" && refusals === 0) {
      throw new Error(`${step.apply} should have been refused`);
    }
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
