/**
 * The kernel's memory nodes of containers that run: {@link MemoryPort} on the cgroup tree. New memory comes from the nodes in
 * `cpuset.mems` alone. What lies elsewhere is migrated by the write itself: always in v2 (cgroup-v2.rst, "Cpuset Interface
 * Files"), in v1 while `cpuset.memory_migrate` is 1 (cgroup-v1/cpusets.rst, "1.9").
 */
import { CpuSet } from "../cpu/cpu_set.ts";
import type { ContainerRef } from "../ledger/claim.ts";
import type { Errno } from "../platform/errno.ts";
import { CgroupDirectory } from "./directory.ts";
import { findCgroup, rootWith } from "./hierarchy.ts";
import { type CgroupFiles, filesBelow } from "./partition.ts";
import type { CorrectMems, MemoryPort, MemoryResult } from "./port.ts";
import type { CpusetHierarchy } from "./read.ts";

const MEMS = "cpuset.mems";
const IN_FORCE = { 1: "cpuset.effective_mems", 2: "cpuset.mems.effective" };
const USAGE = { 1: "memory.usage_in_bytes", 2: "memory.current" };
/** By page size, which is all sizes of x86-64 and arm64: the memory controller doesn't count huge pages, and they are migrated as well. */
const HUGE_USAGE = { 1: "usage_in_bytes", 2: "current" };
const HUGE_SIZES = ["64KB", "2MB", "32MB", "512MB", "1GB", "16GB"];
const MIGRATE = "cpuset.memory_migrate";
const MIB = 2 ** 20;
/** The kernel migrates that in some tenths of a second, for which a call may wait. */
const YOUNG = 256 * MIB;
const GONE: ReadonlySet<Errno["errno"]> = new Set(["ENOENT", "ENODEV"] as const);

export class KernelMemory implements MemoryPort {
  readonly #files: CgroupFiles;
  readonly #usage: CgroupFiles | undefined;
  readonly #hugeUsage: CgroupFiles | undefined;
  /** The cgroup whose memory another thread has migrated: one at a time. */
  #migrating: string | undefined;
  /** The last one of which the kernel has refused that. */
  #refused: string | undefined;

  constructor(private readonly hierarchy: CpusetHierarchy) {
    this.#files = filesBelow(hierarchy.root);
    [this.#usage, this.#hugeUsage] = ["memory", "hugetlb"].map((controller) => {
      const root = rootWith(controller, hierarchy);
      return root === undefined ? undefined : filesBelow(root);
    });
  }

  bind(container: ContainerRef, nodes: CpuSet, correct: CorrectMems): MemoryResult {
    const found = findCgroup(this.hierarchy, container);
    if (found.kind === "absent") return { kind: "done" };
    if (found.kind === "unverified") return failed(found.reason);
    const { path } = found;
    const had = this.#nodesOf(path);
    if (had === "absent" || (had instanceof CpuSet && had.equals(nodes))) return { kind: "done" };
    if (!(had instanceof CpuSet)) return failed(`they can't be read: ${had.text} (${had.errno})`);
    const bytes = this.#bytesOf(path);
    const isYoung = bytes !== undefined && bytes < YOUNG;
    const size = bytes === undefined ? "an unknown amount of memory" : `${Math.round(bytes / MIB)} MiB`;
    if (correct === "never" || (correct === "young" && !isYoung)) {
      return failed(`it has ${had} and uses ${size} (correctMems: ${correct})`);
    }
    if (!isYoung) return this.#migrate(path, nodes, size);
    const failure = this.#written(path, nodes);
    if (failure !== undefined) return failed(`they can't be written: ${failure.text} (${failure.errno})`);
    const now = this.#nodesOf(path);
    if (now === "absent") return { kind: "done" };
    if (now instanceof CpuSet && now.equals(nodes)) return { kind: "done", before: had };
    return failed(`the kernel has ${now instanceof CpuSet ? now : now.text} after the write`);
  }

  /** What is in force; where that is all of its own set, that. Never empty: a cgroup without a set of its own has what is above it. */
  #nodesOf(path: string): CpuSet | "absent" | Errno {
    const own = this.#files.read(path, MEMS);
    if (own.kind === "errno") return GONE.has(own.errno) ? "absent" : own;
    const inForce = this.#files.read(path, IN_FORCE[this.hierarchy.version]);
    const [set, effective] = [own, inForce].map((read) =>
      CpuSet.parse(read.kind === "text" ? read.text : "")
    );
    if (!(set instanceof CpuSet)) return { kind: "errno", errno: "EINVAL", text: set?.problem ?? "" };
    return effective instanceof CpuSet && !effective.isEmpty ? effective : set;
  }

  /** Huge pages count as none where there are none, or the hugetlb controller isn't there. */
  #bytesOf(path: string): number | undefined {
    const { version } = this.hierarchy;
    const huge = HUGE_SIZES.map((size) =>
      bytesIn(this.#hugeUsage?.read(path, `hugetlb.${size}.${HUGE_USAGE[version]}`)) ?? 0
    );
    const bytes = bytesIn(this.#usage?.read(path, USAGE[version]));
    return bytes === undefined ? undefined : huge.reduce((sum, each) => sum + each, bytes);
  }

  #written(path: string, nodes: CpuSet): Errno | undefined {
    const before = this.#startMigrating(path);
    const failure = this.#files.write(path, MEMS, `${nodes}\n`);
    this.#files.write(path, MIGRATE, `${before}\n`);
    return failure;
  }

  /** In v1; what was there before. Where it can't be written, what lies elsewhere stays there. */
  #startMigrating(path: string): string {
    const before = this.#files.read(path, MIGRATE);
    this.#files.write(path, MIGRATE, "1\n");
    return before.kind === "text" ? before.text : "0";
  }

  /** By another thread: the kernel returns when it is done, after seconds. A later call sees whether it succeeded. */
  #migrate(path: string, nodes: CpuSet, size: string): MemoryResult {
    if (this.#refused === path) {
      this.#refused = undefined;
      return failed(`it uses ${size}, which the kernel has refused to migrate`);
    }
    if (this.#migrating === undefined) {
      this.#migrating = path;
      void this.#writtenSlowly(path, nodes).then((isDone) => {
        this.#migrating = undefined;
        if (!isDone) this.#refused = path;
      });
    }
    const what = this.#migrating === path ? "is being migrated" : "waits until that of another is migrated";
    return failed(`it uses ${size}, which ${what}`);
  }

  async #writtenSlowly(path: string, nodes: CpuSet): Promise<boolean> {
    const opened = CgroupDirectory.open(this.hierarchy.root, path);
    if (opened.kind === "errno") return false;
    using directory = opened;
    const before = this.#startMigrating(path);
    const isDone = await directory.writeSlowly(MEMS, `${nodes}\n`);
    directory.write(MIGRATE, `${before}\n`);
    return isDone;
  }
}

function bytesIn(read: ReturnType<CgroupFiles["read"]> | undefined): number | undefined {
  return read?.kind === "text" && /^\d{1,15}$/.test(read.text) ? Number(read.text) : undefined;
}

function failed(reason: string): MemoryResult {
  return { kind: "failed", reason };
}
