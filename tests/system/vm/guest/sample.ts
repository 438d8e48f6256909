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
const exclusive = numbers(list);
const roots = classes.map((path) => new Cgroup(path));
const seen = new Set<string>();
const hit = new Set<string>();
const total = { samples: 0, hits: 0, moving: 0, longestMs: 0, first: "" };

// One call for a task, where /proc/TASK/status would take five and the kernel much text: what is emulated has little time.
const { symbols: { sched_getaffinity: affinityOf } } = Deno.dlopen("libc.so.6", {
  sched_getaffinity: { parameters: ["i32", "usize", "buffer"], result: "i32" },
});
/** A bit for each CPU. */
const allowed = new Uint8Array(128);

/** Whether a task may run on one of them; undefined: it has ended. */
function mayRunThere(task: number): boolean | undefined {
  if (affinityOf(task, BigInt(allowed.length), allowed) !== 0) return undefined;
  return exclusive.some((cpu) => (allowed[cpu >> 3] ?? 0) & 1 << (cpu & 7));
}

/**
 * Ends when no task is being moved from one cgroup to another. The kernel lists a task in its new cgroup before it gives it
 * the CPUs of that, both under the lock that making a cgroup takes too (cgroup_migrate_execute in kernel/cgroup/cgroup.c): it
 * is runtime code that moves itself, and runs nothing of the container before it has them.
 */
function afterMoves(): void {
  const path = "/sys/fs/cgroup/weka-cpuset-sampler";
  Deno.mkdirSync(path);
  Deno.removeSync(path);
}

function readOr(path: string): string {
  try {
    return Deno.readTextFileSync(path);
  } catch {
    return ""; // it has ended
  }
}

function look(file: string): void {
  for (const task of readOr(file).split("\n").filter((line) => line !== "")) {
    const there = mayRunThere(Number(task));
    if (there === undefined) continue;
    seen.add(task);
    if (!there) continue;
    afterMoves();
    if (!mayRunThere(Number(task))) {
      total.moving++;
      continue;
    }
    total.hits++;
    hit.add(task);
    if (total.first !== "") continue;
    const [, name, cpus] =
      /^Name:\s*(.*)$[^]*^Cpus_allowed_list:\s*(.*)$/m.exec(readOr(`/proc/${task}/status`)) ?? [];
    total.first = `${name} (${task}) in ${file} may run on ${cpus}`;
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
