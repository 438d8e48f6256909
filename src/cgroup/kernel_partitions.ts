/** The kernel's partitions: {@link PartitionPort} on the cgroup tree. */
import type { CpuSet } from "../cpu/cpu_set.ts";
import type { CgroupHints, ContainerRef } from "../ledger/claim.ts";
import { findCgroup } from "./hierarchy.ts";
import {
  type CgroupFiles,
  clearStalePartitions,
  filesBelow,
  makePartition,
  pathFromKubepods,
  releasePartition,
} from "./partition.ts";
import { cgroupCandidates } from "./paths.ts";
import type { PartitionPort, PartitionResult } from "./port.ts";
import type { CpusetHierarchy } from "./read.ts";

/** Where kubelet's cgroups are with either driver, if no container shows it. */
const USUAL = ["/kubepods", "/kubepods.slice"];

const NO_HINTS: CgroupHints = { path: "", parent: "", pid: 0 };

export class KernelPartitions implements PartitionPort {
  readonly #files: CgroupFiles;

  constructor(private readonly hierarchy: CpusetHierarchy) {
    this.#files = filesBelow(hierarchy.root);
  }

  partition(container: ContainerRef, cpus: CpuSet): PartitionResult {
    const found = findCgroup(this.hierarchy, container);
    if (found.kind === "found") return makePartition(this.#files, found.path, cpus);
    return { kind: "failed", reason: found.kind === "absent" ? "its cgroup wasn't found" : found.reason };
  }

  release(container: ContainerRef, cpus: CpuSet): PartitionResult {
    const results = this.#places(container).map((path) => releasePartition(this.#files, path, cpus));
    return firstFailure(results);
  }

  clearStale(known: readonly ContainerRef[], around: readonly ContainerRef[]): PartitionResult {
    const keep = new Set(known.flatMap((container) => this.#places(container)));
    const seen = [...keep, ...around.flatMap((each) => this.#candidates(each))].map((path) =>
      pathFromKubepods(path)[0]
    );
    const usual = ["", ...this.hierarchy.nestings].flatMap((nesting) => USUAL.map((path) => nesting + path));
    const all = [...new Set([...seen, ...usual])].filter((path) => path !== undefined);
    return firstFailure(all.map((kubepods) => clearStalePartitions(this.#files, kubepods, keep)));
  }

  /** Where the container's cgroup is; where it may have been, once it is gone. */
  #places(container: ContainerRef): readonly string[] {
    const found = findCgroup(this.hierarchy, container);
    return found.kind === "found" ? [found.path] : this.#candidates(container);
  }

  #candidates({ id, cgroup = NO_HINTS }: ContainerRef): readonly string[] {
    return cgroupCandidates(id, cgroup, this.hierarchy.nestings);
  }
}

function firstFailure(results: readonly PartitionResult[]): PartitionResult {
  return results.find(({ kind }) => kind === "failed") ?? { kind: "done", isNew: false };
}
