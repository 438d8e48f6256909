/** The cpuset files of a cgroup, and what they say. See the kernel's cgroup-v2.rst and cgroup-v1/cpusets.rst. */
import { CpuSet } from "../cpu/cpu_set.ts";
import { CgroupDirectory } from "./directory.ts";
import type { Errno } from "../platform/errno.ts";

/** The tree of cgroups that has the cpusets. */
export interface CpusetHierarchy {
  readonly version: 1 | 2;
  /** Its folder: absolute, no links on the way, and without a slash at its end. */
  readonly root: string;
  /** Where `root` is in the paths of /proc/PID/cgroup; undefined where that can't be known from here. */
  readonly base: string | undefined;
  /** Where else than at the root paths of the runtime may begin. */
  readonly nestings: readonly string[];
}

/** A set that a file holds. In cgroup v2 an empty file means that the parent's set holds, now and in the future. */
export type FileSet = CpuSet | "inherited";

/** What the kernel says of a cgroup, or why that isn't known. */
export type CpusetReading = CpusetValues | Vanished | Unverified;

export interface CpusetValues {
  readonly kind: "values";
  /** What was written last. */
  readonly cpus: FileSet;
  /** Where its processes really run, now. Empty only in cgroup v1, for a cgroup that can't have any yet. */
  readonly effective: CpuSet;
  /** The memory nodes that were written last. */
  readonly mems: FileSet;
}

/** There is no such cgroup any more, or not yet. */
export interface Vanished {
  readonly kind: "vanished";
}

/** The cgroup is there, and what it says can't be had. */
export interface Unverified {
  readonly kind: "unverified";
  /** One sentence. */
  readonly reason: string;
}

export const VANISHED: Vanished = { kind: "vanished" };
export const CPUS_FILE = "cpuset.cpus";
const EFFECTIVE_FILE = "cpuset.cpus.effective";
const MEMS_FILE = "cpuset.mems";
/** ENODEV comes from a file that was open when its cgroup went. */
const GONE: ReadonlySet<string> = new Set(["ENOENT", "ENODEV"]);

/** Reads the cgroup `path` (see {@link CgroupDirectory.open}). */
export function readCpuset({ root, version }: CpusetHierarchy, path: string): CpusetReading {
  const directory = CgroupDirectory.open(root, path);
  if (!(directory instanceof CgroupDirectory)) return unopened(path, directory);
  using it = directory;
  const cpus = cpusIn(it, version);
  if (!isKnown(cpus)) return cpus;
  const effective = effectiveIn(it, version, cpus);
  if (!(effective instanceof CpuSet)) return effective;
  const mems = fileSetIn(it, MEMS_FILE, version);
  return isKnown(mems) ? { kind: "values", cpus, effective, mems } : mems;
}

/** The CPUs that were written last. */
export function cpusIn(directory: CgroupDirectory, version: 1 | 2): FileSet | Vanished | Unverified {
  return fileSetIn(directory, CPUS_FILE, version);
}

/** The CPUs that are in force: in cgroup v1 those that were `written`, otherwise they weren't taken. */
export function effectiveIn(
  directory: CgroupDirectory,
  version: 1 | 2,
  written: FileSet,
): CpuSet | Vanished | Unverified {
  return version === 1 && written !== "inherited" ? written : setIn(directory, EFFECTIVE_FILE);
}

/** Whether a file said something, be it that it has nothing of its own. */
export function isKnown(value: FileSet | Vanished | Unverified): value is FileSet {
  return value === "inherited" || value instanceof CpuSet;
}

function fileSetIn(
  directory: CgroupDirectory,
  file: string,
  version: 1 | 2,
): FileSet | Vanished | Unverified {
  const set = setIn(directory, file);
  return version === 2 && set instanceof CpuSet && set.isEmpty ? "inherited" : set;
}

function setIn(directory: CgroupDirectory, file: string): CpuSet | Vanished | Unverified {
  const text = directory.read(file);
  if (typeof text !== "string") return unread(directory, file, text);
  const set = CpuSet.parse(text);
  if (set instanceof CpuSet) return set;
  return { kind: "unverified", reason: `${directory.path}/${file}: ${set.problem}` };
}

function unread(directory: CgroupDirectory, file: string, failure: Errno): Vanished | Unverified {
  if (isGone(directory, failure)) return VANISHED;
  const reason = failure.errno === "ENOENT"
    ? `there is no ${directory.path}/${file}: the cgroup above it doesn't pass the cpuset controller on`
    : `${directory.path}/${file} can't be read: ${failure.text} (${failure.errno})`;
  return { kind: "unverified", reason };
}

/** Why a cgroup can't be opened. */
export function unopened(path: string, { errno, text }: Errno): Vanished | Unverified {
  if (GONE.has(errno)) return VANISHED;
  const isLink = errno === "ELOOP" || errno === "ENOTDIR";
  const why = isLink ? "it, or a folder above it, is a link or no folder" : `${text} (${errno})`;
  return { kind: "unverified", reason: `the cgroup ${path} can't be opened: ${why}` };
}

/** Whether a failure in `directory` means that the cgroup is gone, and not only that it lacks a file. */
export function isGone(directory: CgroupDirectory, { errno }: Errno): boolean {
  return GONE.has(errno) && typeof directory.read("cgroup.procs") !== "string";
}
