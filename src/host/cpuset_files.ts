/** The cpuset files of a cgroup, and what they say. See the kernel's cgroup-v2.rst and cgroup-v1/cpusets.rst. */
import { CpuSet } from "../cpu/cpu_set.ts";
import { CgroupDirectory } from "./cgroup_directory.ts";
import type { CpusetHierarchy } from "./cpuset_hierarchy.ts";
import type { Errno } from "./errno.ts";

/** A set that a file holds. In cgroup v2 an empty file means that the parent's set holds, now and in the future. */
export type FileSet = CpuSet | "inherited";

/** What the kernel says of a cgroup, or why that isn't known. */
export type CpusetReading = CpusetValues | Vanished | Unverified;

export interface CpusetValues {
  readonly kind: "values";
  /** What was written last. */
  readonly cpus: FileSet;
  /** Where the processes really run: in force now, never empty. */
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
const MEMS_FILE = "cpuset.mems";
/** ENODEV comes from a file that was open when its cgroup went. */
const GONE: ReadonlySet<string> = new Set(["ENOENT", "ENODEV"]);

/** Reads the cgroup `path` (see {@link CgroupDirectory.open}). */
export function readCpuset(hierarchy: CpusetHierarchy, path: string): CpusetReading {
  const directory = CgroupDirectory.open(hierarchy.root, path);
  if (!(directory instanceof CgroupDirectory)) return unopened(path, directory);
  using it = directory;
  const cpus = setIn(hierarchy, it, path, CPUS_FILE);
  if (isReason(cpus)) return cpus;
  const effective = effectiveIn(hierarchy, it, path, cpus);
  if (isReason(effective)) return effective;
  const mems = setIn(hierarchy, it, path, MEMS_FILE);
  return isReason(mems) ? mems : { kind: "values", cpus, effective, mems };
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

function isReason(value: FileSet | Vanished | Unverified): value is Vanished | Unverified {
  return !(value instanceof CpuSet) && value !== "inherited";
}

function setIn(
  { version }: CpusetHierarchy,
  directory: CgroupDirectory,
  path: string,
  file: string,
): FileSet | Vanished | Unverified {
  const text = directory.read(file);
  if (typeof text !== "string") return unread(directory, `${path}/${file}`, text);
  const set = CpuSet.parse(text);
  if (!(set instanceof CpuSet)) return { kind: "unverified", reason: `${path}/${file}: ${set.problem}` };
  return set.isEmpty && version === 2 ? "inherited" : set;
}

/** In cgroup v1 what is written is in force, or it isn't taken; old kernels have no file for it. */
function effectiveIn(
  hierarchy: CpusetHierarchy,
  directory: CgroupDirectory,
  path: string,
  written: FileSet,
): CpuSet | Vanished | Unverified {
  if (hierarchy.version === 1 && written !== "inherited") return written;
  const set = setIn(hierarchy, directory, path, "cpuset.cpus.effective");
  if (set !== "inherited") return set;
  return { kind: "unverified", reason: `${path}: the kernel doesn't say which CPUs are in force` };
}

function unread(directory: CgroupDirectory, file: string, failure: Errno): Vanished | Unverified {
  if (isGone(directory, failure)) return VANISHED;
  const reason = failure.errno === "ENOENT"
    ? `there is no ${file}: the cgroup above it doesn't pass the cpuset controller on`
    : `${file} can't be read: ${failure.text} (${failure.errno})`;
  return { kind: "unverified", reason };
}
