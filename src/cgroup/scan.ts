import { CpuSet } from "../cpu/cpu_set.ts";
import { type Confined, likelyClaims } from "./likely_claims.ts";
import { isKubepods, isPod } from "./paths.ts";
import { isInHostPids, TASKS_FILE } from "./population.ts";
import { readerOf } from "../platform/sysfs.ts";

/** In a node that is itself a container (kind), kubepods lies about 5 levels down, and a container's cgroup 4 more. */
const MAX_DEPTH = 16;
/** A node has some hundreds of its own, and a handful for each container. More are not read. */
const MAX_CGROUPS = 8192;

const NOT_GUARANTEED = /\b(burstable|besteffort)\b/;

/** What is in force, in cgroup v2 and in v1; what is set, for a v1 that hasn't the former. */
const CPUS_FILES = ["cpuset.cpus.effective", "cpuset.effective_cpus", "cpuset.cpus"];

/**
 * Scans the cgroup tree for the CPUs of `online` that count as claimed ({@link likelyClaims}); never all of them. The
 * last resort, when neither NRI nor the CRI lists the containers.
 *
 * @param cgroupRoot where the tree is mounted: /sys/fs/cgroup, with cgroup v1's cpuset hierarchy below it or v2's
 * @param seesAll whether v1's `cgroup.procs` shows this process those of all pid namespaces (population.ts)
 */
export function scanClaims(cgroupRoot: string, online: CpuSet, seesAll = isInHostPids): CpuSet {
  const v1 = `${cgroupRoot}/cpuset`;
  const isV1 = readerOf(v1)("cpuset.cpus") !== undefined;
  const pids = isV1 && !seesAll() ? readerOf(`${cgroupRoot}/pids`) : undefined;
  const tree = new Tree(isV1 ? v1 : cgroupRoot, online, pids);
  tree.visit({ path: "", cpus: online }, 0);
  const usable = tree.complete ? CpuSet.unionOf(tree.kubepods) : online;
  return likelyClaims(tree.confined, usable, tree.complete);
}

interface Cgroup {
  /** Below the root. */
  readonly path: string;
  readonly cpus: CpuSet;
  /** The CPUs of the kubepods cgroup that it is in. */
  readonly kubepods?: CpuSet;
  /** The path of the pod that it is in or is. */
  readonly pod?: string;
}

/** A walk through the cgroups, with its results. */
class Tree {
  /** The CPUs of each kubepods cgroup. */
  readonly kubepods: CpuSet[] = [];
  readonly confined: Confined[] = [];
  #left = MAX_CGROUPS;
  #tooDeep = false;
  readonly #read: (path: string) => string | undefined;

  /** @param pids reads the tree with the pids controller, where processes aren't seen */
  constructor(
    private readonly root: string,
    private readonly online: CpuSet,
    private readonly pids?: (path: string) => string | undefined,
  ) {
    this.#read = readerOf(root);
  }

  /** Whether all cgroups have been read. */
  get complete(): boolean {
    return this.#left >= 0 && !this.#tooDeep;
  }

  visit(cgroup: Cgroup, depth: number): void {
    this.#addConfined(cgroup);
    if (depth === MAX_DEPTH) this.#tooDeep = true;
    for (const name of directoriesIn(`${this.root}${cgroup.path}`)) {
      if (!this.complete || this.#left-- === 0) return;
      this.visit(this.#child(cgroup, name), depth + 1);
    }
  }

  /** No file is read outside kubepods. Where a file is missing or empty, the parent's CPUs count. */
  #child(parent: Cgroup, name: string): Cgroup {
    const path = `${parent.path}/${name}`;
    const { kubepods, pod } = parent;
    if (kubepods === undefined && !isKubepods(name)) return { path, cpus: parent.cpus };
    const cpus = this.#cpusOf(path) ?? parent.cpus;
    if (kubepods === undefined) {
      this.kubepods.push(cpus);
      return { path, cpus, kubepods: cpus };
    }
    if (pod === undefined && !isPod(name)) return { path, cpus, kubepods };
    return { path, cpus, kubepods, pod: pod ?? path };
  }

  /** Cgroups below a pod that have tasks are containers: unreadable task lists count, they are too long for one read. */
  #addConfined({ path, cpus, kubepods, pod }: Cgroup): void {
    if (kubepods === undefined || pod === undefined || pod === path || kubepods.isSubsetOf(cpus)) return;
    if (this.#isEmpty(path)) return;
    this.confined.push({ cpus, pod, guaranteed: !NOT_GUARANTEED.test(pod) });
  }

  #isEmpty(path: string): boolean {
    return this.#read(`${path}/cgroup.procs`) === "" &&
      (this.pids === undefined || this.pids(`${path}/${TASKS_FILE}`) === "0\n");
  }

  #cpusOf(path: string): CpuSet | undefined {
    for (const file of CPUS_FILES) {
      const set = CpuSet.parse(this.#read(`${path}/${file}`) ?? "");
      if (set instanceof CpuSet && set.intersects(this.online)) return set.intersection(this.online);
    }
    return undefined;
  }
}

function directoriesIn(path: string): string[] {
  try {
    return [...Deno.readDirSync(path)].filter(({ isDirectory }) => isDirectory).map(({ name }) => name);
  } catch {
    return []; // it has been removed, or never existed
  }
}
