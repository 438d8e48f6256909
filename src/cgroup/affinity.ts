/**
 * What a container's threads are left of the CPUs of its cgroup: a mask of a thread's own (sched_setaffinity(2)) is
 * intersected with these, and so is the set of a cgroup inside. The kernel takes all of them where the intersection is empty.
 * A mask is inherited by children; since Linux 6.2 it outlasts every write of the set, before it was lost by one.
 */
import { CpuSet } from "../cpu/cpu_set.ts";
import { attempt } from "../platform/errno.ts";
import { cString, libc } from "../platform/libc.ts";
import type { CgroupDirectory } from "./directory.ts";
import type { Absent, AffinityOf, AffinityReading, CpusetValues, Unverified } from "./port.ts";
import { ABSENT, type CpusetHierarchy, effectiveIn, notOpened, openCgroup, writtenIn } from "./read.ts";

/** How many are looked at in one container, each some microseconds: of those with more it isn't known what the others have. */
export const MAX_THREADS = 256;
export const MAX_CGROUPS = 64;

/** Where the masks of a container's threads are seen. */
export interface Look {
  readonly of: AffinityOf;
  /** The first process; 0: not known, then it is the first one that the cgroup lists. */
  readonly pid: number;
  /** The online CPUs of a thread; undefined: it can't be seen. Given by tests. */
  readonly affinityOf?: (tid: number) => CpuSet | undefined;
}

const HIDDEN =
  "its processes are in no PID namespace that the agent sees: run it in the host's (hostPID: true)";

/** Reads what is left to the threads in the cgroup `path` and those inside, as far as the bounds go. */
export function readAffinity(hierarchy: CpusetHierarchy, path: string, look: Look): AffinityReading {
  const opened = openCgroup(hierarchy, path);
  if (opened.kind === "errno") return notOpened(path, opened);
  using directory = opened;
  return affinityIn(hierarchy, directory, look);
}

/** The same of a cgroup that is open. */
export function affinityIn(
  hierarchy: CpusetHierarchy,
  directory: CgroupDirectory,
  look: Look,
): AffinityReading {
  const inForce = cpusOf(directory, hierarchy.version);
  if (inForce.kind !== "values") return inForce;
  const threads = look.of === "threads";
  const found = threads ? inside(directory.path, directory) : [];
  const seen = new Seen(inForce.cpus, look.affinityOf ?? affinityOf);
  seen.threads(threads ? threadsIn(directory, hierarchy.version) : firstProcess(directory, look.pid));
  // It grows by what is found on the way.
  for (const each of found) {
    const child = openCgroup(hierarchy, each);
    if (child.kind === "errno") continue;
    using below = child;
    const own = writtenIn(below);
    if (own.kind === "values") seen.set(own.cpus);
    seen.threads(threadsIn(below, hierarchy.version));
    found.push(...inside(each, below).slice(0, MAX_CGROUPS - found.length));
  }
  return seen.reading;
}

/** Whether all of its threads may use all of these CPUs, which are in force, and no cgroup is inside; as far as the bounds go. */
export function hasWholeThreads(
  { version }: CpusetHierarchy,
  directory: CgroupDirectory,
  cpus: CpuSet,
): boolean {
  const length = directory.readInto(ids, version === 1 ? TASKS : THREADS);
  if (length <= 0 || directory.directories(1).length > 0) return false;
  let [id, left] = [0, MAX_THREADS];
  for (let at = 0; at < length && left > 0; at++) {
    const digit = (ids[at] ?? 0) - ZERO;
    if (digit >= 0) {
      id = id * 10 + digit;
      continue;
    }
    if (id === 0 || !cpus.isSubsetOf(affinityOf(id) ?? CpuSet.empty)) return false;
    [id, left] = [0, left - 1];
  }
  return true;
}

/** Room for so many ids as are looked at, each of seven digits at most (PID_MAX_LIMIT) and a line's end. */
const ids = new Uint8Array(MAX_THREADS * 8);
const ZERO = "0".charCodeAt(0);
const TASKS = cString("tasks");
const THREADS = cString("cgroup.threads");

/** What was seen so far. */
class Seen {
  readonly #masks = new Map<string, CpuSet>();
  readonly #sets = new Map<string, CpuSet>();
  #hasWhole = false;
  #left = MAX_THREADS;
  #isHidden = false;
  #isSeen = false;

  constructor(
    private readonly cpus: CpuSet,
    private readonly affinityOf: (tid: number) => CpuSet | undefined,
  ) {}

  threads(ids: readonly number[]): void {
    for (const id of ids.slice(0, this.#left)) {
      // In cgroup v2 a thread of a PID namespace that isn't seen from here has the number 0.
      const mask = id === 0 ? undefined : this.affinityOf(id)?.intersection(this.cpus);
      this.#isHidden ||= id === 0;
      // With nothing in common it is elsewhere by now, or its set has just been written.
      if (mask === undefined || mask.isEmpty) continue;
      this.#isSeen = true;
      if (mask.equals(this.cpus)) this.#hasWhole = true;
      else this.#masks.set(`${mask}`, mask);
    }
    this.#left -= Math.min(ids.length, this.#left);
  }

  /** The set of a cgroup inside; empty: it has none. */
  set(written: CpuSet): void {
    const cpus = written.intersection(this.cpus);
    if (!cpus.isEmpty && !cpus.equals(this.cpus)) this.#sets.set(`${cpus}`, cpus);
  }

  get reading(): AffinityReading {
    if (!this.#isSeen && this.#sets.size === 0) {
      return this.#isHidden ? { kind: "unverified", reason: HIDDEN } : ABSENT;
    }
    return {
      kind: "affinity",
      cpus: this.cpus,
      masks: [...this.#masks.values()],
      sets: [...this.#sets.values()],
      hasWhole: this.#hasWhole,
    };
  }
}

function cpusOf(directory: CgroupDirectory, version: 1 | 2): CpusetValues | Absent | Unverified {
  const written = version === 1 ? writtenIn(directory) : undefined;
  if (written !== undefined && written.kind !== "values") return written;
  return effectiveIn(directory, version, written?.cpus ?? CpuSet.empty);
}

function inside(path: string, directory: CgroupDirectory): string[] {
  return directory.directories(MAX_CGROUPS).map((name) => `${path}/${name}`);
}

/** None where it can't be read, as cgroup.procs of a threaded cgroup (v2). */
function idsIn(directory: CgroupDirectory, file: string): number[] {
  const content = directory.read(file);
  if (content.kind === "errno" || content.text === "") return [];
  return content.text.split("\n", MAX_THREADS).map(Number);
}

function threadsIn(directory: CgroupDirectory, version: 1 | 2): number[] {
  return idsIn(directory, version === 1 ? "tasks" : "cgroup.threads");
}

function firstProcess(directory: CgroupDirectory, pid: number): number[] {
  const ids = idsIn(directory, "cgroup.procs");
  return ids.includes(pid) ? [pid] : ids.slice(0, 1);
}

/** Room for 8192 CPUs, the most that a kernel is built for. */
const mask = new Uint32Array(256);
const bytes = new Uint8Array(mask.buffer);
/** How many of these bytes this kernel needs: with fewer the call fails (EINVAL). 0: not known yet. */
let needed = 0;
/** The mask before, and what it was: most threads have the same. */
const before = new Uint32Array(mask.length);
let same = CpuSet.empty;

function neededBytes(): number {
  let size = 8;
  while (size < bytes.length && libc().sched_getaffinity(0, BigInt(size), bytes) !== 0) size *= 2;
  return size;
}

function isAsBefore(): boolean {
  for (let i = 0; i < needed / 4; i++) if (mask[i] !== before[i]) return false;
  return true;
}

/**
 * The online CPUs that the kernel lets a thread run on (sched_getaffinity(2), `Cpus_allowed_list` of /proc/PID/status).
 * Undefined where there is no such thread, or where it may not be seen. Exported for tests.
 *
 * @param tid as this process' PID namespace numbers it, positive
 */
export function affinityOf(tid: number): CpuSet | undefined {
  if (needed === 0) needed = neededBytes();
  const got = attempt(() => libc().sched_getaffinity(tid, BigInt(needed), bytes));
  if (got.kind === "errno") return undefined;
  if (isAsBefore()) return same;
  const cpus: number[] = [];
  for (const [index, word] of mask.entries()) {
    for (let bit = 0, rest = word; rest !== 0; bit++, rest >>>= 1) {
      if ((rest & 1) === 1) cpus.push(index * 32 + bit);
    }
  }
  before.set(mask);
  return same = CpuSet.from(cpus);
}
