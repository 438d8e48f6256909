/** Writes the CPUs of one container's cgroup, wholly or not at all. */
import { assert } from "../assert.ts";
import { CpuSet } from "../cpu/cpu_set.ts";
import { CgroupDirectory } from "./directory.ts";
import {
  CPUS_FILE,
  type CpusetHierarchy,
  cpusIn,
  effectiveIn,
  type FileSet,
  isGone,
  isKnown,
  unopened,
  type Unverified,
  VANISHED,
  type Vanished,
} from "./read.ts";
import { type CpusetNode, type CpusetStep, stepsTo } from "./steps.ts";
import type { Errno } from "../platform/errno.ts";

/** The container has exactly these CPUs, as read back from the kernel. */
export interface CpusetDone {
  readonly kind: "done";
  /** Where its processes run now: all that was asked for, or fewer where the cgroup above it has fewer (v2). */
  readonly effective: CpuSet;
  /** What was written; nothing where it was so already. */
  readonly steps: readonly CpusetStep[];
}

/** Why it has not. */
interface Problem {
  readonly kind: "failed";
  /** The kernel's word for it, such as EBUSY; `unverified`, `overwritten` and `late` are ours. */
  readonly code: string;
  /** One sentence: what was wrong and what would be right. */
  readonly reason: string;
}

/** It has not; what was written on the way has been put back. */
export interface CpusetFailed extends Problem {
  /** What could not be put back. */
  readonly stuck: readonly StuckCpuset[];
}

/** A cgroup that has not what it had before. */
export interface StuckCpuset {
  readonly path: string;
  /** What it had before. */
  readonly before: CpuSet;
  readonly reason: string;
}

/** Cgroups below a container's that are looked at. What is beyond the kernel judges: EBUSY, where it matters. */
const MAX_CGROUPS = 512;
const MAX_DEPTH = 8;

/**
 * Gives the cgroup `path` (as {@link findCgroup} found it) the CPUs `cpus`, and in cgroup v1 those below it a part
 * of them, and reads it back. Nothing is written that is so already: an unset cpuset with these CPUs in force counts.
 *
 * @param cpus at least one
 */
export function writeCpuset(
  hierarchy: CpusetHierarchy,
  path: string,
  cpus: CpuSet,
): CpusetDone | CpusetFailed | Vanished {
  assert(!cpus.isEmpty, `an empty cpuset for ${path}`);
  const directory = CgroupDirectory.open(hierarchy.root, path);
  if (!(directory instanceof CgroupDirectory)) return asResult(unopened(path, directory));
  using it = directory;
  const { version } = hierarchy;
  const written = cpusIn(it, version);
  if (!isKnown(written)) return asResult(written);
  const now = written === "inherited" ? effectiveIn(it, version, written) : written;
  if (!(now instanceof CpuSet)) return asResult(now);
  if (now.equals(cpus)) {
    const effective = confirmed(it, version, written, cpus);
    return effective instanceof CpuSet ? { kind: "done", effective, steps: [] } : asResult(effective);
  }
  const steps = stepsTo(nodeOf(hierarchy, it, now, { left: MAX_CGROUPS }, MAX_DEPTH), cpus);
  return carryOut(hierarchy, it, cpus, steps);
}

/** Writes in this order and reads the container back. Exported for tests, in which a cgroup goes before it is written. */
export function carryOut(
  hierarchy: CpusetHierarchy,
  container: CgroupDirectory,
  cpus: CpuSet,
  steps: readonly CpusetStep[],
): CpusetDone | CpusetFailed | Vanished {
  const done: CpusetStep[] = [];
  for (const step of steps) {
    const isInside = step.path !== container.path;
    const problem = isInside ? write(hierarchy, step.path, step.after) : writeIn(container, step.after);
    if (problem === undefined) done.push(step);
    else if (problem.kind === "failed") return { ...problem, stuck: putBack(hierarchy, done) };
    // A cgroup inside the container may go at any time.
    else if (!isInside) return problem;
  }
  const effective = readBack(container, hierarchy.version, cpus);
  if (effective instanceof CpuSet) return { kind: "done", effective, steps: done };
  return effective.kind === "vanished" ? effective : { ...effective, stuck: putBack(hierarchy, done) };
}

function readBack(directory: CgroupDirectory, version: 1 | 2, cpus: CpuSet): CpuSet | Problem | Vanished {
  const written = cpusIn(directory, version);
  if (!isKnown(written)) return asProblem(written);
  if (written !== "inherited" && written.equals(cpus)) return confirmed(directory, version, written, cpus);
  const reason = `${directory.path} has other CPUs (${written}) right after ${cpus} were written: ` +
    `something else writes it too, and only one may`;
  return { kind: "failed", code: "overwritten", reason };
}

/** The CPUs in force, if none of them is beyond `cpus`. */
function confirmed(
  directory: CgroupDirectory,
  version: 1 | 2,
  written: FileSet,
  cpus: CpuSet,
): CpuSet | Problem | Vanished {
  const effective = effectiveIn(directory, version, written);
  if (!(effective instanceof CpuSet)) return asProblem(effective);
  if (effective.isSubsetOf(cpus)) return effective;
  const reason = `${directory.path} runs on the CPUs ${effective} although it was given ${cpus}: ` +
    `none of these is online and in the cgroup above it`;
  return asProblem({ kind: "unverified", reason });
}

function asProblem(why: Vanished | Unverified): Vanished | Problem {
  return why.kind === "vanished" ? why : { kind: "failed", code: why.kind, reason: why.reason };
}

function asResult(why: Vanished | Unverified | Problem): Vanished | CpusetFailed {
  const problem = why.kind === "unverified" ? asProblem(why) : why;
  return problem.kind === "failed" ? { ...problem, stuck: [] } : problem;
}

/**
 * Undoes `steps`, the last one first; what is gone meanwhile needs no undoing. A set that was inherited becomes one
 * with the same CPUs: the kernel doesn't unset (ENOSPC) what has processes.
 */
export function putBack(hierarchy: CpusetHierarchy, steps: readonly CpusetStep[]): StuckCpuset[] {
  return steps.toReversed().flatMap(({ path, before }) => {
    const problem = write(hierarchy, path, before);
    return problem?.kind === "failed" ? [{ path, before, reason: problem.reason }] : [];
  });
}

/** The cgroup and those below it; in v2 these are the kernel's business. */
function nodeOf(
  hierarchy: CpusetHierarchy,
  directory: CgroupDirectory,
  cpus: CpuSet,
  below: { left: number },
  depth: number,
): CpusetNode {
  const children: CpusetNode[] = [];
  const names = hierarchy.version === 2 || depth === 0 ? [] : directory.folders(below.left);
  for (const name of names) {
    if (below.left-- <= 0) break;
    const child = CgroupDirectory.open(hierarchy.root, `${directory.path}/${name}`);
    if (!(child instanceof CgroupDirectory)) continue;
    using it = child;
    const set = cpusIn(it, 1);
    // One without CPUs has no processes, nor anything below it that has.
    const holds = set instanceof CpuSet && !set.isEmpty;
    if (holds) children.push(nodeOf(hierarchy, it, set, below, depth - 1));
  }
  return { path: directory.path, cpus, children };
}

function write(hierarchy: CpusetHierarchy, path: string, cpus: CpuSet): Problem | Vanished | undefined {
  const directory = CgroupDirectory.open(hierarchy.root, path);
  if (!(directory instanceof CgroupDirectory)) return asProblem(unopened(path, directory));
  using it = directory;
  return writeIn(it, cpus);
}

function writeIn(directory: CgroupDirectory, cpus: CpuSet): Problem | Vanished | undefined {
  const failure = directory.write(CPUS_FILE, `${cpus}\n`);
  if (failure === undefined) return undefined;
  if (isGone(directory, failure)) return VANISHED;
  return { kind: "failed", code: failure.errno, reason: sentence(directory.path, cpus, failure) };
}

/** Why the kernel refused to write, as far as its sources tell (kernel/cgroup/cpuset*.c, validate_change). */
const MEANINGS: Readonly<Record<string, string>> = {
  EBUSY:
    "a cgroup below it still holds a CPU that it should give up, or a deadline task needs it; end or move that",
  EACCES:
    "the cgroup above it has not all of these CPUs, or this user may not write; widen that one, or be root",
  EPERM: "this user may not write there; run as root with the cgroup tree writable",
  EROFS: "the cgroup tree is mounted read-only; mount it writable",
  EINVAL: "one of these CPUs is offline, or exclusively another cgroup's; bring it online, or choose others",
  ERANGE: "the machine has no such CPU; choose from those in /sys/devices/system/cpu/possible",
  ENOSPC: "there are processes in it, and none of these CPUs is online; choose others",
  ENOENT: "it has no such file: the cgroup above it doesn't pass the cpuset controller on",
};

function sentence(path: string, cpus: CpuSet, { errno, text }: Errno): string {
  const meaning = MEANINGS[errno] ?? text;
  return `${path} can't be given the CPUs ${cpus} (${errno}): ${meaning}`;
}
