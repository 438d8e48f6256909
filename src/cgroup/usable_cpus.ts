/**
 * Which CPUs containers can use: those that are online, and in force in kubelet's cgroup of all pods. An administrator may
 * have narrowed that or one above it, another program may have made a partition of some CPUs, which the kernel takes from all
 * others (cgroup-v2.rst), and a node that is a container itself has fewer than sysfs shows.
 */
import { CpuSet } from "../cpu/cpu_set.ts";
import type { ReadFile } from "../cpu/discover.ts";
import type { Withheld } from "../cpu/withheld.ts";
import type { ContainerRef } from "../ledger/claim.ts";
import { readerOf } from "../platform/sysfs.ts";
import { findHierarchy } from "./hierarchy.ts";
import { whoWithholds } from "./holders.ts";
import { filesBelow, pathFromKubepods } from "./partition.ts";
import { cgroupCandidates } from "./paths.ts";
import type { CpusetHierarchy } from "./read.ts";

const ONLINE = "devices/system/cpu/online";

/** Where kubelet's cgroups are for both drivers, alone and below another root (kind), as long as no container shows it. */
const KUBEPODS = [
  "/kubepods",
  "/kubepods.slice",
  "/kubelet/kubepods",
  "/kubelet.slice/kubelet-kubepods.slice",
];
/** A node has one, and a test node some. */
const MAX_KUBEPODS = 8;
/** Cgroups right below the root; systemd makes a dozen or two. */
const MAX_AT_TOP = 128;

/** Of a CPU list: thousands of ranges. */
const MAX_BYTES = 16 * 1024;

/** The CPUs of the node that containers can use. */
export interface UsableCpus {
  readonly online: CpuSet;
  /** Online, but no container can have them. */
  readonly unusable: CpuSet;
  /** Who keeps which of these. */
  readonly withheld: readonly Withheld[];
  /** The kernel removes CPUs that go offline from every set, for good (cgroup v1). */
  readonly removesOffline: boolean;
}

/** Reads them, in some 20 µs; undefined when the online CPUs can't be read. A container shows where kubelet's cgroups are. */
export function usableCpusReader(
  sysfsRoot: string,
  cgroupRoot: string,
): (container?: ContainerRef) => UsableCpus | undefined {
  const sysfs = readerOf(sysfsRoot, MAX_BYTES);
  const found = findHierarchy(cgroupRoot);
  const tree = found.kind === "hierarchy" ? new KubepodsCpus(found) : undefined;
  return (container) => {
    const online = cpusIn(sysfs, ONLINE);
    if (container !== undefined) tree?.noticed(container);
    return online && {
      online,
      unusable: CpuSet.empty,
      withheld: [],
      removesOffline: false,
      ...tree?.withheldFrom(online),
    };
  };
}

/** The CPUs of a machine, online or not: `present` are there, and others that are `possible` may come. */
export interface MachineCpus {
  readonly possible: CpuSet;
  readonly present: CpuSet;
}

/** Undefined when they can't be read. */
export function machineCpus(sysfsRoot: string): MachineCpus | undefined {
  const read = readerOf(sysfsRoot, MAX_BYTES);
  const [possible, present] = ["possible", "present"].map((file) =>
    cpusIn(read, `devices/system/cpu/${file}`)
  );
  return possible === undefined || present === undefined ? undefined : { possible, present };
}

/** A reader of sysfs that shows only the usable CPUs as online. */
export function usableReader(sysfsRoot: string, usable: UsableCpus | undefined): ReadFile {
  const read = readerOf(sysfsRoot);
  return (path) =>
    path === ONLINE && usable !== undefined ? `${usable.online.difference(usable.unusable)}` : read(path);
}

/** What kubelet's cgroups of all pods have in force. */
class KubepodsCpus {
  readonly #read: ReadFile;
  /** Their paths, as containers have shown them. */
  readonly #seen = new Set<string>();
  /** The last one that has shown one of these. */
  #shown: ContainerRef | undefined;
  /** Looked for only when other CPUs are withheld than before. */
  #known: Pick<UsableCpus, "unusable" | "withheld"> = { unusable: CpuSet.empty, withheld: [] };

  constructor(private readonly hierarchy: CpusetHierarchy) {
    this.#read = readerOf(hierarchy.root, MAX_BYTES);
  }

  noticed(container: ContainerRef): void {
    const { id, cgroup } = container;
    if (cgroup === undefined || container === this.#shown || this.#seen.size >= MAX_KUBEPODS) return;
    const paths = cgroupCandidates(id, cgroup, this.hierarchy.nestings).flatMap((path) =>
      pathFromKubepods(path).slice(0, 1)
    );
    if (paths.some((path) => this.#seen.has(path))) this.#shown = container;
    if (container === this.#shown) return;
    const path = paths.find((path) => this.#inForce(path) !== undefined);
    if (path !== undefined) this.#seen.add(path);
  }

  withheldFrom(online: CpuSet): Pick<UsableCpus, "unusable" | "withheld" | "removesOffline"> {
    const removesOffline = this.hierarchy.version === 1;
    const kubepods = this.#kubepods();
    const allowed = this.#allowed(kubepods, online);
    const unusable = allowed.intersects(online) ? online.difference(allowed) : CpuSet.empty;
    if (!unusable.equals(this.#known.unusable)) {
      const tree = { files: filesBelow(this.hierarchy.root), version: this.hierarchy.version };
      this.#known = { unusable, withheld: whoWithholds(tree, kubepods, unusable) };
    }
    return { ...this.#known, removesOffline };
  }

  #kubepods(): string[] {
    if (this.#seen.size > 0) return [...this.#seen];
    const usual = ["", ...this.hierarchy.nestings].flatMap((nesting) =>
      KUBEPODS.map((path) => nesting + path)
    );
    return usual.filter((path) => this.#inForce(path) !== undefined).slice(0, 1);
  }

  #allowed(kubepods: readonly string[], online: CpuSet): CpuSet {
    const inForce = CpuSet.unionOf(kubepods.map((path) => this.#inForce(path) ?? CpuSet.empty));
    // Before kubelet has made its cgroups, or enabled the controller in them; or before a container has shown them.
    if (inForce.isEmpty) return this.#inForce("")?.union(this.#givenAtTop()) ?? online;
    if (this.hierarchy.version === 1 || online.isSubsetOf(inForce)) return inForce;
    // What is given to partitions in kubelet's cgroups, the agent's own, is in force there and not in kubepods.
    return inForce.union(this.#given(kubepods));
  }

  /** What is given to partitions below cgroups that are none: kubepods, and so the agent's own, may be among them (v2). */
  #givenAtTop(): CpuSet {
    if (this.hierarchy.version === 1) return CpuSet.empty;
    const paths = filesBelow(this.hierarchy.root).directories("").slice(0, MAX_AT_TOP).map((name) =>
      `/${name}`
    );
    return this.#given(
      paths.filter((path) => this.#read(`${path}/cpuset.cpus.partition`)?.trim() === "member"),
    );
  }

  #given(paths: readonly string[]): CpuSet {
    return CpuSet.unionOf(
      paths.flatMap((path) => cpusIn(this.#read, `${path}/cpuset.cpus.exclusive.effective`) ?? []),
    );
  }

  /** In cgroup v1 a set is in force as it was written, but for CPUs that are offline. */
  #inForce(path: string): CpuSet | undefined {
    return cpusIn(this.#read, `${path}/cpuset.cpus${this.hierarchy.version === 1 ? "" : ".effective"}`);
  }
}

function cpusIn(read: ReadFile, path: string): CpuSet | undefined {
  const cpus = CpuSet.parse(read(path) ?? "");
  return cpus instanceof CpuSet && !cpus.isEmpty ? cpus : undefined;
}
