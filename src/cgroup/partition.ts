/**
 * Partitions of cgroup v2: a container's CPUs are taken from every other cgroup of the machine (cgroup-v2.rst, "Cpuset
 * Interface Files"). `cpuset.cpus.exclusive` along the path down to the container gives them to it, which the kernel has since
 * 6.7; `cpuset.cpus.partition` of the container makes it the root of a partition. Only kubelet's cgroups around a
 * container and its own are ever written.
 */
import { CpuSet } from "../cpu/cpu_set.ts";
import type { Errno, ErrnoName } from "../platform/errno.ts";
import { CgroupDirectory } from "./directory.ts";
import { isKubepods } from "./paths.ts";
import type { PartitionFailure, PartitionResult } from "./port.ts";

/** Files of cgroups, by the paths of these below the hierarchy's root. */
export interface CgroupFiles {
  read(path: string, file: string): { readonly kind: "text"; readonly text: string } | Errno;
  /** The failure; undefined when there was none. */
  write(path: string, file: string, text: string): Errno | undefined;
  /** The names of the cgroups in it; none once it has been removed. */
  directories(path: string): readonly string[];
}

const EXCLUSIVE = "cpuset.cpus.exclusive";
const PARTITION = "cpuset.cpus.partition";

/** A node has some hundreds of pods, and a pod a handful of containers. */
const MAX_DIRECTORIES = 4096;
/** From kubepods down to a container: kubelet's system partition, a QoS class, a pod, and itself. */
const MAX_DEPTH = 4;

/** The files of the tree at `root` ({@link CgroupDirectory.open}). */
export function filesBelow(root: string): CgroupFiles {
  return {
    read: (path, file) => inDirectory(root, path, (directory) => directory.read(file), (errno) => errno),
    write: (path, file, text) =>
      inDirectory(root, path, (directory) => directory.write(file, text), (errno) => errno),
    directories: (path) =>
      inDirectory(root, path, (directory) => directory.directories(MAX_DIRECTORIES), () => []),
  };
}

function inDirectory<T>(
  root: string,
  path: string,
  use: (directory: CgroupDirectory) => T,
  otherwise: (errno: Errno) => T,
): T {
  const opened = CgroupDirectory.open(root, path);
  if (opened.kind === "errno") return otherwise(opened);
  using directory = opened;
  return use(directory);
}

/** The cgroups from kubelet's kubepods down to this one, both included; none where it isn't below such a one. */
export function pathFromKubepods(path: string): readonly string[] {
  const names = path.split("/").slice(1);
  const at = names.findLastIndex((name, index) => index < names.length - 1 && isKubepods(name));
  return at < 0 ? [] : names.slice(at).map((_, index) => `/${names.slice(0, at + index + 1).join("/")}`);
}

/**
 * Makes the container's cgroup the root of a partition of `cpus`, and reads that back; where it fails everything is taken
 * back. One that is there already stays.
 *
 * @param path of the container's cgroup
 * @param cpus at least one
 */
export function makePartition(files: CgroupFiles, path: string, cpus: CpuSet): PartitionResult {
  const cgroups = pathFromKubepods(path);
  if (cgroups.length === 0) return failed(`the cgroup ${path} isn't in one of kubelet's (kubepods)`);
  const own = exclusiveIn(files, path);
  if (!(own instanceof CpuSet)) return own;
  const problem = notRoot(files, path);
  if (problem === undefined && own.equals(cpus)) return { kind: "done", isNew: false };
  if (!own.isEmpty) releasePartition(files, path, own);
  const before = new Map<string, CpuSet>();
  const failure = giveAlong(files, cgroups, cpus, before) ?? makeRoot(files, path);
  if (failure === undefined) return { kind: "done", isNew: true };
  takeBack(files, path, before);
  return failure;
}

/** Gives them to each of these cgroups, from above; `before` gets what each had. */
function giveAlong(
  files: CgroupFiles,
  cgroups: readonly string[],
  cpus: CpuSet,
  before: Map<string, CpuSet>,
): PartitionFailure | undefined {
  for (const cgroup of cgroups) {
    const had = exclusiveIn(files, cgroup);
    if (!(had instanceof CpuSet)) return had;
    const failure = writeExclusive(files, cgroup, had, had.union(cpus));
    if (failure !== undefined) return failure;
    before.set(cgroup, had);
  }
  return undefined;
}

function makeRoot(files: CgroupFiles, path: string): PartitionFailure | undefined {
  const failure = files.write(path, PARTITION, "root\n");
  if (failure !== undefined) return notWritten(path, PARTITION, "root", failure);
  const problem = notRoot(files, path);
  return problem === undefined ? undefined : failed(problem);
}

function takeBack(files: CgroupFiles, path: string, before: ReadonlyMap<string, CpuSet>): void {
  becomeMember(files, path);
  for (const [cgroup, had] of [...before].reverse()) {
    const now = exclusiveIn(files, cgroup);
    if (now instanceof CpuSet) writeExclusive(files, cgroup, now, had);
  }
}

/**
 * Ends the container's partition: its cgroup becomes an ordinary one, and the CPUs are no longer given along the path. What
 * isn't there, as after its end, needs no clearing. Upwards, so that kubepods has what is given to any cgroup in it, also
 * after a failure.
 *
 * @param cpus of the partition, besides those that its cgroup names
 */
export function releasePartition(files: CgroupFiles, path: string, cpus: CpuSet): PartitionResult {
  const [own, ...around] = pathFromKubepods(path).toReversed();
  if (own === undefined) return { kind: "done", isNew: false };
  const had = exclusiveIn(files, own);
  const all = had instanceof CpuSet ? cpus.union(had) : cpus;
  const steps = [
    () => becomeMember(files, own),
    ...[own, ...around].map((cgroup) => () => takeFrom(files, cgroup, all)),
  ];
  for (const step of steps) {
    const failure = step();
    if (failure !== undefined) return failure;
  }
  return { kind: "done", isNew: false };
}

function takeFrom(files: CgroupFiles, cgroup: string, cpus: CpuSet): PartitionFailure | undefined {
  const had = exclusiveIn(files, cgroup);
  return had instanceof CpuSet ? writeExclusive(files, cgroup, had, had.difference(cpus)) : undefined;
}

/**
 * Clears what is given to cgroups in `kubepods` and to itself for no container of `known`: an agent that crashed has left
 * it, and the kernel refuses to give such CPUs to another pod. The first failure.
 *
 * @param kubepods its path
 * @param known paths of the cgroups of containers that have a partition, or are to have one
 */
export function clearStalePartitions(
  files: CgroupFiles,
  kubepods: string,
  known: ReadonlySet<string>,
): PartitionResult {
  const failures: PartitionFailure[] = [];
  const keep = (path: string, depth: number): CpuSet => {
    const had = exclusiveIn(files, path);
    if (!(had instanceof CpuSet) || had.isEmpty) return CpuSet.empty;
    if (known.has(path)) return had;
    const below = depth === 0
      ? []
      : files.directories(path).map((name) => keep(`${path}/${name}`, depth - 1));
    const kept = had.intersection(CpuSet.unionOf(below));
    const failure = (kept.isEmpty ? becomeMember(files, path) : undefined) ??
      writeExclusive(files, path, had, kept);
    if (failure === undefined) return kept;
    failures.push(failure);
    return had;
  };
  keep(kubepods, MAX_DEPTH);
  return failures[0] ?? { kind: "done", isNew: false };
}

/** Whether a cgroup is given CPUs for partitions in it. */
export function hasPartitions(files: CgroupFiles, path: string): boolean {
  const cpus = exclusiveIn(files, path);
  return cpus instanceof CpuSet && !cpus.isEmpty;
}

/** The CPUs that are given to a cgroup for partitions in it. */
function exclusiveIn(files: CgroupFiles, path: string): CpuSet | PartitionFailure {
  const read = files.read(path, EXCLUSIVE);
  if (read.kind === "errno") {
    return failed(
      read.errno === "ENOENT"
        ? `there is no ${path}/${EXCLUSIVE}: it takes kernel 6.7 or later, and the cpuset controller there`
        : `${path}/${EXCLUSIVE} can't be read: ${read.text} (${read.errno})`,
    );
  }
  const cpus = CpuSet.parse(read.text);
  return cpus instanceof CpuSet ? cpus : failed(`${path}/${EXCLUSIVE}: ${cpus.problem}`);
}

function writeExclusive(
  files: CgroupFiles,
  path: string,
  had: CpuSet,
  cpus: CpuSet,
): PartitionFailure | undefined {
  if (cpus.equals(had)) return undefined;
  const failure = files.write(path, EXCLUSIVE, `${cpus}\n`);
  if (failure === undefined || REMOVED.has(failure.errno)) return undefined;
  return notWritten(path, EXCLUSIVE, `${cpus}`, failure);
}

/** Why the cgroup is no root of a valid partition; undefined: it is one. */
function notRoot(files: CgroupFiles, path: string): string | undefined {
  const read = files.read(path, PARTITION);
  if (read.kind === "errno") return `${path}/${PARTITION} can't be read: ${read.text} (${read.errno})`;
  if (read.text === "root") return undefined;
  const reason = /\((.*)\)$/.exec(read.text)?.[1];
  return reason === undefined
    ? `${path}/${PARTITION} is ${read.text}, not root`
    : `the kernel refuses a partition at ${path}: ${reason}`;
}

function becomeMember(files: CgroupFiles, path: string): PartitionFailure | undefined {
  const read = files.read(path, PARTITION);
  if (read.kind === "errno" || read.text === "member") return undefined;
  const failure = files.write(path, PARTITION, "member\n");
  if (failure === undefined || REMOVED.has(failure.errno)) return undefined;
  return notWritten(path, PARTITION, "member", failure);
}

/** The cgroup has been removed meanwhile. */
const REMOVED: ReadonlySet<ErrnoName> = new Set(["ENOENT", "ENODEV"]);

/** Why the kernel refuses it (kernel/cgroup/cpuset.c, validate_change). */
const MEANINGS: Readonly<Partial<Record<ErrnoName, string>>> = {
  EINVAL:
    "another cgroup beside it has one of these CPUs for itself; end its partition, or choose other CPUs",
  EACCES: "this user may not write; run as root with the cgroup tree writable",
  EPERM: "this user may not write there; run as root with the cgroup tree writable",
  EROFS: "the cgroup tree is mounted read-only; mount it writable",
};

function notWritten(path: string, file: string, what: string, { errno, text }: Errno): PartitionFailure {
  return failed(
    `failed to write ${what || "no CPUs"} to ${path}/${file} (${errno}): ${MEANINGS[errno] ?? text}`,
  );
}

function failed(reason: string): PartitionFailure {
  return { kind: "failed", reason };
}
