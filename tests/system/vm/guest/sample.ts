// A program of its own, so that nothing else keeps it from looking: `sample.js CPUS CLASS…` looks at every task below the
// cgroup directories CLASS each 20 ms, and counts those that may run on one of CPUS. It begins with a line on standard
// output, goes on until its standard input ends, and says in a second line what it has seen: a {@link Sampled}.
import { numbers } from "../../node/machine.ts";
import type { Sampled } from "./sampler.ts";

const PERIOD_MS = 20;

/** A cgroup, which knows those below it. */
class Cgroup {
  readonly #children = new Map<string, Cgroup>();
  #links = -1;

  constructor(readonly path: string) {}

  /** The files `cgroup.threads` here and below; empty if it has gone. */
  threadFiles(): string[] {
    if (!this.#look()) return [];
    const below: string[] = [];
    for (const [name, child] of this.#children) {
      const files = child.threadFiles();
      below.push(...files);
      // One may have gone and another come, which leaves the number of links as it was.
      if (files.length === 0) {
        this.#children.delete(name);
        this.#links = -1;
      }
    }
    return [`${this.path}/cgroup.threads`, ...below];
  }

  /** Lists it if the number of its folders has changed: listing takes an emulated machine long. */
  #look(): boolean {
    try {
      const { nlink } = Deno.statSync(this.path);
      if (nlink === this.#links) return true;
      for (const { name, isDirectory } of Deno.readDirSync(this.path)) {
        if (isDirectory && !this.#children.has(name)) {
          this.#children.set(name, new Cgroup(`${this.path}/${name}`));
        }
      }
      this.#links = nlink ?? -1;
      return true;
    } catch {
      return false;
    }
  }
}

const [list = "", ...classes] = Deno.args;
const exclusive = new Set(numbers(list));
const roots = classes.map((path) => new Cgroup(path));
const seen = new Set<string>();
const hit = new Set<string>();
const total = { samples: 0, hits: 0, longestMs: 0, first: "" };
/** Of each list that was met, whether it has an exclusive CPU. */
const verdicts = new Map<string, boolean>();

function readOr(path: string): string {
  try {
    return Deno.readTextFileSync(path);
  } catch {
    return ""; // it has ended
  }
}

function mayRunThere(cpus: string): boolean {
  const known = verdicts.get(cpus) ?? numbers(cpus).some((cpu) => exclusive.has(cpu));
  verdicts.set(cpus, known);
  return known;
}

function look(file: string): void {
  for (const task of readOr(file).split("\n").filter((line) => line !== "")) {
    const status = readOr(`/proc/${task}/status`);
    const cpus = /^Cpus_allowed_list:\s*(\S+)$/m.exec(status)?.[1];
    if (cpus === undefined) continue;
    seen.add(task);
    if (!mayRunThere(cpus)) continue;
    total.hits++;
    hit.add(task);
    const name = /^Name:\s*(.*)$/m.exec(status)?.[1];
    if (total.first === "") total.first = `${name} (${task}) in ${file} may run on ${cpus}`;
  }
}

let ended = false;
const end = Deno.stdin.readable.pipeTo(new WritableStream()).then(() => {
  ended = true;
});
console.log("looking");
const started = performance.now();
let last = started;
while (!ended) {
  const now = performance.now();
  total.longestMs = Math.max(total.longestMs, now - last);
  last = now;
  for (const root of roots) root.threadFiles().forEach(look);
  total.samples++;
  const rest = PERIOD_MS - (performance.now() - now);
  await new Promise((resolve) => setTimeout(resolve, Math.max(0, rest)));
}
await end;
const sampled: Sampled = {
  ...total,
  longestMs: Math.round(total.longestMs),
  seconds: Math.round((performance.now() - started) / 1000),
  tasks: seen.size,
  tasksHit: hit.size,
};
console.log(JSON.stringify(sampled));
