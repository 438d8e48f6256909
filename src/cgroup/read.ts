/** The cpuset files of a cgroup. See the kernel's cgroup-v2.rst and cgroup-v1/cpusets.rst. */
import { CpuSet } from "../cpu/cpu_set.ts";
import { CgroupDirectory, type CgroupText } from "./directory.ts";
import type { KeptCgroups } from "./kept_cgroups.ts";
import type { LoadBalance } from "./load_balance.ts";
import type { Absent, CpusetReading, CpusetValues, Unverified } from "./port.ts";
import type { Errno, ErrnoName } from "../platform/errno.ts";

/** A tree of cgroups. */
export interface CgroupTree {
  /** Its directory: absolute, no links on the way, and without a slash at its end. */
  readonly root: string;
  /** Absent: each cgroup is opened anew. */
  readonly kept?: KeptCgroups;
}

/** The tree of cgroups that has the cpusets. */
export interface CpusetHierarchy extends CgroupTree {
  readonly kind: "hierarchy";
  readonly version: 1 | 2;
  /** Where `root` is in the paths of /proc/PID/cgroup; undefined where that can't be known from here. */
  readonly base: string | undefined;
  /** Where else than at the root paths of the runtime may begin. */
  readonly nestings: readonly string[];
  /** Absent: it is left alone. */
  readonly balance?: LoadBalance;
}

export const ABSENT: Absent = { kind: "absent" };
export const CPUS_FILE = "cpuset.cpus";
export const EFFECTIVE_FILE = "cpuset.cpus.effective";
/** ENODEV comes from a file that was open when its cgroup was removed. */
const REMOVED: ReadonlySet<ErrnoName> = new Set(["ENOENT", "ENODEV"]);

/**
 * Reads the cgroup `path` (see {@link CgroupDirectory.open}). What is in force can be less than what was written,
 * where the cgroup above has less, which counts as written; and it is more where nothing written is left.
 */
export function readCpuset(hierarchy: CpusetHierarchy, path: string): CpusetReading {
  const { version } = hierarchy;
  const opened = openCgroup(hierarchy, path);
  if (opened.kind === "errno") return notOpened(path, opened);
  using directory = opened;
  return readingOf(directory, version);
}

/** What was read last of a cgroup that is kept open, by the text of its own set: that of the set in force, and both together. */
const last = new WeakMap<CgroupText, { readonly effective: CgroupText; readonly reading: CpusetReading }>();

/** As {@link readCpuset}. Of one that is kept open it is the same object as long as its files' bytes are the same. */
export function readingOf(directory: CgroupDirectory, version: 1 | 2): CpusetReading {
  const own = directory.read(CPUS_FILE);
  if (own.kind === "errno") return notRead(directory, CPUS_FILE, own);
  const effective = version === 1 ? own : directory.read(EFFECTIVE_FILE);
  if (effective.kind === "errno") return notRead(directory, EFFECTIVE_FILE, effective);
  const known = last.get(own);
  if (known?.effective === effective) return known.reading;
  const written = parsed(directory, CPUS_FILE, own);
  const inForce = effective === own ? written : parsed(directory, EFFECTIVE_FILE, effective);
  const reading = combined(written, inForce, directory.path);
  if (directory.isKept) last.set(own, { effective, reading });
  return reading;
}

/** What {@link readingOf} gave last of a cgroup that is kept open, if nothing else was read there since. */
export function lastReadingOf(directory: CgroupDirectory, version: 1 | 2): CpusetReading | undefined {
  const own = directory.keptFile(CPUS_FILE)?.content;
  const known = own && last.get(own);
  const effective = version === 1 ? own : directory.keptFile(EFFECTIVE_FILE)?.content;
  return known?.effective === effective ? known?.reading : undefined;
}

function combined(
  written: CpusetValues | Unverified,
  effective: CpusetValues | Unverified,
  path: string,
): CpusetReading {
  if (written.kind !== "values") return written;
  if (effective.kind !== "values") return effective;
  if (effective.cpus.isEmpty) return { ...unverified(`${path} has no CPUs`), isEmpty: true };
  if (!effective.cpus.isSubsetOf(written.cpus)) {
    return { ...effective, isInherited: true, ...(written.cpus.isEmpty ? {} : { isVoid: true }) };
  }
  return effective.cpus.equals(written.cpus) ? written : { ...written, effective: effective.cpus };
}

/** Opens the cgroup `path`, or finds it open: {@link CgroupDirectory.open}. */
export function openCgroup({ root, kept }: CgroupTree, path: string): CgroupDirectory | Errno {
  return kept === undefined ? CgroupDirectory.open(root, path) : kept.open(path);
}

/** The CPUs that were written last. Empty in cgroup v2: those of the parent, now and in the future. */
export function writtenIn(directory: CgroupDirectory): CpusetReading {
  return cpusIn(directory, CPUS_FILE);
}

/** The CPUs that are in force: in cgroup v1 those that were `written`, otherwise the write would have failed. */
export function effectiveIn(directory: CgroupDirectory, version: 1 | 2, written: CpuSet): CpusetReading {
  return version === 1 ? { kind: "values", cpus: written } : cpusIn(directory, EFFECTIVE_FILE);
}

function cpusIn(directory: CgroupDirectory, file: string): CpusetReading {
  const content = directory.read(file);
  return content.kind === "errno" ? notRead(directory, file, content) : parsed(directory, file, content);
}

function parsed(directory: CgroupDirectory, file: string, { text }: CgroupText): CpusetValues | Unverified {
  const cpus = CpuSet.parse(text);
  return cpus instanceof CpuSet
    ? { kind: "values", cpus }
    : unverified(`${directory.path}/${file}: ${cpus.problem}`);
}

function notRead(directory: CgroupDirectory, file: string, failure: Errno): Absent | Unverified {
  if (isRemoved(directory, failure)) return ABSENT;
  return unverified(
    failure.errno === "ENOENT"
      ? `there is no ${directory.path}/${file}: the cgroup above it doesn't pass the cpuset controller on`
      : `${directory.path}/${file} can't be read: ${failure.text} (${failure.errno})`,
  );
}

/** Why a cgroup can't be opened. */
export function notOpened(path: string, { errno, text }: Errno): Absent | Unverified {
  if (REMOVED.has(errno)) return ABSENT;
  const isLink = errno === "ELOOP" || errno === "ENOTDIR";
  const why = isLink ? "it, or a directory above it, is a link or no directory" : `${text} (${errno})`;
  return unverified(`the cgroup ${path} can't be opened: ${why}`);
}

/** Whether a failure in `directory` means that the cgroup has been removed, and not only that it lacks a file. */
export function isRemoved(directory: CgroupDirectory, { errno }: Errno): boolean {
  return REMOVED.has(errno) && directory.read("cgroup.procs").kind === "errno";
}

export function unverified(reason: string): Unverified {
  return { kind: "unverified", reason };
}
