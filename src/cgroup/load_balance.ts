/**
 * Load balancing in cgroup v1. At each write of a cpuset that has `cpuset.sched_load_balance` the kernel goes through
 * all cpusets for its scheduling domains, so that N writes take time with N². While the root has the flag, the whole
 * machine is one domain, and the flag below changes nothing for any task: tasks are balanced in the root's domain,
 * each within its own CPUs, and deadline tasks are admitted by it. See cgroup-v1/cpusets.rst, 1.7, and the kernel's
 * kernel/cgroup/cpuset*.c, generate_sched_domains and update_cpumasks_hier.
 */
import { CgroupDirectory } from "./directory.ts";
import { KeptCgroups } from "./kept_cgroups.ts";
import { groupPath } from "./paths.ts";

const FILE = "cpuset.sched_load_balance";

/** Milliseconds between two looks at the root while nothing is written. */
const LOOK_MS = 1000;
/** Cgroups that get it back in one look: each takes some 0.2 ms among a thousand. */
const GIVEN_AT_ONCE = 128;
/** As in scan.ts. */
const MAX_CGROUPS = 8192;
const MAX_DEPTH = 16;
/**
 * A container's cgroup, as {@link findCgroup} accepts it; ids of all runtimes are 64 hexadecimal digits. Or a pod's, which is
 * written with its class.
 */
const CONTAINER = /(^|-)([0-9a-f]{64}(\.scope)?$|pod)/;

/**
 * Takes the flag from cgroups before they are written, as long as the root has it. Where it hasn't, somebody
 * partitions the machine, and a task whose cgroups all lack the flag is balanced nowhere: nothing is taken then, and
 * if the root had it before in the life of this process, containers get theirs back.
 */
export class LoadBalance {
  /** Those that have been looked at, as long as they are open. */
  #off = new WeakSet<CgroupDirectory>();
  #rootHasIt = false;
  /** Whether cgroups may have to get it back. */
  #owes = false;
  #lookedMs = -Infinity;
  /** The root. */
  readonly #kept: KeptCgroups;

  constructor(private readonly root: string) {
    this.#kept = new KeptCgroups(root, [FILE], false, 1);
  }

  /** Looks at the root: before each batch of writes (`isDue`), else once a second at most. */
  look(nowMs: number, isDue: boolean): void {
    if (!isDue && nowMs - this.#lookedMs < LOOK_MS) return;
    this.#lookedMs = nowMs;
    const opened = this.#kept.open("");
    if (opened.kind === "errno") return;
    using directory = opened;
    const text = textIn(directory);
    if (text === undefined) return;
    this.#rootHasIt = text === "1";
    if (this.#rootHasIt) this.#owes = true;
    else if (this.#owes) this.#giveBack();
  }

  /** Whatever fails, the flag stays as it is, and the write that follows takes longer. */
  turnOff(directory: CgroupDirectory): void {
    // A class keeps it: there are two of them, and many pods in each.
    if (!this.#rootHasIt || this.#off.has(directory) || groupPath(directory.path) !== undefined) return;
    this.#off.add(directory);
    if (textIn(directory) === "1") directory.write(FILE, "0\n");
  }

  #giveBack(): void {
    this.#off = new WeakSet();
    this.#owes = giveBackLoadBalance({ version: 1, root: this.root }, GIVEN_AT_ONCE) === GIVEN_AT_ONCE;
  }
}

/**
 * Gives the flag back to containers' cgroups, and those inside them, that haven't it where the cgroup above has: to
 * all of them, since nothing shows who took it. Found by their names, as deep and as many as in {@link scanClaims}.
 *
 * @param limit of those that get it
 * @returns how many got it
 */
export function giveBackLoadBalance(
  { version, root }: { readonly version: 1 | 2; readonly root: string },
  limit: number = MAX_CGROUPS,
): number {
  if (version === 2) return 0; // it has no such flag
  const walk = new Walk(root, limit);
  walk.visit("", false, 0);
  return walk.given;
}

class Walk {
  given = 0;
  #left = MAX_CGROUPS;

  constructor(private readonly root: string, private readonly limit: number) {}

  /** @param isInside whether `path` is in a container's cgroup or is one */
  visit(path: string, isInside: boolean, depth: number): void {
    const opened = CgroupDirectory.open(this.root, path);
    if (opened.kind === "errno") return;
    using directory = opened;
    const parentHasIt = textIn(directory) === "1";
    const names = depth === MAX_DEPTH ? [] : directory.directories(this.#left);
    for (const name of names) {
      if (this.given >= this.limit || this.#left-- <= 0) return;
      const [below, isContainer] = [`${path}/${name}`, isInside || CONTAINER.test(name)];
      if (isContainer && parentHasIt && this.#give(below)) this.given++;
      this.visit(below, isContainer, depth + 1);
    }
  }

  #give(path: string): boolean {
    const opened = CgroupDirectory.open(this.root, path);
    if (opened.kind === "errno") return false;
    using directory = opened;
    return textIn(directory) === "0" && directory.write(FILE, "1\n") === undefined;
  }
}

function textIn(directory: CgroupDirectory): string | undefined {
  const content = directory.read(FILE);
  return content.kind === "text" ? content.text : undefined;
}
