/** Writes the CPUs of containers into their cgroups, all or nothing. */
import { assert } from "../assert.ts";
import { CpuSet } from "../cpu/cpu_set.ts";
import { withheldText } from "../cpu/withheld.ts";
import type { CpuLimit } from "../ledger/claim.ts";
import { CgroupDirectory } from "./directory.ts";
import { lateIn } from "./late.ts";
import { limitInForce, limitOfRefused } from "./limits.ts";
import { type CpusetNode, type CpusetStep, stepsTo } from "./order.ts";
import { groupPath, idIn } from "./paths.ts";
import type { Absent, CpusetFailureCode, CpusetWriteFailure, Unverified } from "./port.ts";
import {
  ABSENT,
  CPUS_FILE,
  type CpusetHierarchy,
  effectiveIn,
  isRemoved,
  notOpened,
  openCgroup,
  writtenIn,
} from "./read.ts";
import type { Errno, ErrnoName } from "../platform/errno.ts";

/** The CPUs for a container whose cgroup has been found. */
export interface CgroupWrite {
  /** Of the container. */
  readonly id: string;
  /** Of its cgroup, below the root of the hierarchy. */
  readonly path: string;
  /** At least one. */
  readonly cpus: CpuSet;
  /** See {@link CpusetWrite}. */
  readonly keeps?: ReadonlySet<string>;
  readonly isGranted?: true;
}

/** The container has its CPUs or hasn't; `steps` have been written and not been rolled back. */
type CgroupWriteResult =
  | { readonly kind: "done"; readonly steps: readonly CpusetStep[] }
  | (Failure & { readonly steps: readonly CpusetStep[] })
  | Absent;

interface Failure {
  readonly kind: "failed";
  readonly code: CpusetFailureCode;
  /** One sentence: what was wrong and what would be right. */
  readonly reason: string;
  /** See {@link CpusetWriteFailure}. */
  readonly limit?: CpuLimit;
}

/** Cgroups below a container's that are read. Deeper and further ones can only fail the write: EBUSY. */
const MAX_CGROUPS = 512;
const MAX_DEPTH = 8;
const NONE: ReadonlySet<string> = new Set();
/** In a group (cgroup v1): three for each pod of one container. */
const MAX_CGROUPS_IN_GROUP = 8192;

/**
 * Writes in the given order and reads each cgroup back; after a failure everything is rolled back. It blocks on
 * nothing but the kernel.
 *
 * @param deadlineMs see {@link CpusetPort.write}
 * @param now a clock in milliseconds
 */
export function writeCpusets(
  hierarchy: CpusetHierarchy,
  writes: readonly CgroupWrite[],
  deadlineMs: number,
  now: () => number = () => performance.now(),
): { readonly kind: "done" } | CpusetWriteFailure {
  const endMs = now() + deadlineMs;
  const done: (CpusetStep & { id: string })[] = [];
  for (const each of writes) {
    const { id, path, cpus, keeps } = each;
    const written = now() > endMs
      ? pastDeadline(path, deadlineMs)
      : writeCpuset(hierarchy, path, cpus, keeps);
    const result = each.isGranted ? withCause(hierarchy, each, written) : written;
    if (result.kind === "absent") continue;
    done.push(...result.steps.map((step) => ({ ...step, id })));
    if (result.kind === "done") continue;
    const { steps: _, ...failure } = result;
    return { ...failure, container: id, notRolledBack: rollBack(hierarchy, done) };
  }
  return { kind: "done" };
}

/** The result for granted CPUs: all of them have to be in force, and where another program prevents that it is named. */
function withCause(
  hierarchy: CpusetHierarchy,
  { path, cpus }: CgroupWrite,
  result: CgroupWriteResult,
): CgroupWriteResult {
  if (result.kind === "absent") return result;
  const isRefused = result.kind === "failed";
  if (isRefused && !MAY_BE_LIMITED.has(result.code)) return result;
  const limit = isRefused ? limitOfRefused(hierarchy, path, cpus) : limitInForce(hierarchy, path, cpus);
  if (limit === undefined) return result;
  const kept = withheldText([{ ...limit, cpus: cpus.difference(limit.cpus) }]);
  const reason = `${path} can't have all of the CPUs ${cpus}: ${kept}`;
  return { kind: "failed", code: "narrowed", reason, limit, steps: result.steps };
}

/** `unverified`: it has nothing in common with the cgroup above (v2). */
const MAY_BE_LIMITED: ReadonlySet<CpusetFailureCode> = new Set(["EACCES", "EINVAL", "unverified"] as const);

function pastDeadline(path: string, deadlineMs: number): CgroupWriteResult {
  const reason = `the deadline of ${deadlineMs} ms passed before ${path} was written`;
  return { kind: "failed", code: "deadline", reason, steps: [] };
}

/**
 * Undoes `steps`, the last one first; a cgroup that has been removed needs no undoing. A set that was inherited
 * becomes one with all CPUs: the kernel doesn't unset (ENOSPC) what has processes. The ids of the containers for
 * which it failed.
 */
function rollBack(hierarchy: CpusetHierarchy, steps: readonly (CpusetStep & { id: string })[]): Set<string> {
  const failed = steps.toReversed().filter(({ path, before }) =>
    write(hierarchy, path, before)?.kind === "failed"
  );
  return new Set(failed.map(({ id }) => id));
}

/**
 * Gives the cgroup `path` (as {@link findCgroup} found it) the CPUs `cpus`, and in cgroup v1 those below it a part
 * of them, and reads it back. A set that is already in force isn't written; but an unset one is, since the cgroup above may be given other CPUs.
 * Exported for tests.
 *
 * @param cpus at least one
 */
export function writeCpuset(
  hierarchy: CpusetHierarchy,
  path: string,
  cpus: CpuSet,
  keeps: ReadonlySet<string> = NONE,
): CgroupWriteResult {
  assert(!cpus.isEmpty, `an empty cpuset for ${path}`);
  const opened = openCgroup(hierarchy, path);
  if (opened.kind === "errno") return resultOf(notOpened(path, opened), []);
  using directory = opened;
  const { version } = hierarchy;
  const written = writtenIn(directory);
  if (written.kind !== "values") return resultOf(written, []);
  const isInherited = version === 2 && written.cpus.isEmpty;
  const now = isInherited ? effectiveIn(directory, version, written.cpus) : written;
  if (now.kind !== "values") return resultOf(now, []);
  // What is inherited lasts as long as the cgroup above has it: a fence or a partition may go.
  if (!isInherited && now.cpus.equals(cpus)) {
    return resultOf(notInForce(directory, version, written.cpus, cpus), []);
  }
  const left = groupPath(path) === undefined ? MAX_CGROUPS : MAX_CGROUPS_IN_GROUP;
  const steps = isInherited
    ? [{ path: directory.path, before: allCpus(hierarchy) ?? now.cpus, after: cpus }]
    : stepsTo(nodeOf(hierarchy, directory, now.cpus, { left, keeps }, MAX_DEPTH), cpus);
  const result = writeSteps(hierarchy, directory, cpus, steps);
  const hasGrown = version === 1 && result.kind === "done" && now.cpus.isSubsetOf(cpus);
  if (!hasGrown || groupPath(path) === undefined) return result;
  const late = lateIn(hierarchy, directory, now.cpus, steps)
    .filter((path) => write(hierarchy, path, cpus) === undefined)
    .map((path) => ({ path, before: now.cpus, after: cpus }));
  return { ...result, steps: [...steps, ...late] };
}

/** All that are online: what is within has no more by naming them than by inheriting (cgroup v2). */
export function allCpus({ root, version }: CpusetHierarchy): CpuSet | undefined {
  const opened = CgroupDirectory.open(root, "");
  if (opened.kind === "errno") return undefined;
  using directory = opened;
  const all = version === 1 ? writtenIn(directory) : effectiveIn(directory, version, CpuSet.empty);
  return all.kind === "values" && !all.cpus.isEmpty ? all.cpus : undefined;
}

/** Writes in this order and reads the container back. Exported for tests, which remove a cgroup before its write. */
export function writeSteps(
  hierarchy: CpusetHierarchy,
  container: CgroupDirectory,
  cpus: CpuSet,
  steps: readonly CpusetStep[],
): CgroupWriteResult {
  const done: CpusetStep[] = [];
  for (const step of steps) {
    const isInside = step.path !== container.path;
    const problem = isInside
      ? write(hierarchy, step.path, step.after)
      : writeIn(hierarchy, container, step.after);
    if (problem === undefined) done.push(step);
    // A cgroup inside the container can be removed at any time.
    else if (problem.kind === "failed" || !isInside) return resultOf(problem, done);
  }
  return resultOf(notAsWritten(container, hierarchy.version, cpus), done);
}

function resultOf(
  problem: Absent | Unverified | Failure | undefined,
  steps: readonly CpusetStep[],
): CgroupWriteResult {
  if (problem === undefined) return { kind: "done", steps };
  return problem.kind === "absent" ? problem : { ...asFailure(problem), steps };
}

function asFailure(problem: Unverified | Failure): Failure {
  return problem.kind === "failed" ? problem : { kind: "failed", code: problem.kind, reason: problem.reason };
}

/** What differs when the cgroup is read back; undefined: nothing. */
function notAsWritten(
  directory: CgroupDirectory,
  version: 1 | 2,
  cpus: CpuSet,
): Absent | Unverified | Failure | undefined {
  const written = writtenIn(directory);
  if (written.kind !== "values") return written;
  if (written.cpus.equals(cpus)) return notInForce(directory, version, written.cpus, cpus);
  const reason =
    `${directory.path} has other CPUs (${written.cpus.toString() || "none"}) right after ${cpus} were ` +
    "written: another program writes it too; only one may";
  return { kind: "failed", code: "overwritten", reason };
}

/** Why CPUs beyond `cpus` are in force, or may be; undefined where none are. Fewer are no problem (v2). */
function notInForce(
  directory: CgroupDirectory,
  version: 1 | 2,
  written: CpuSet,
  cpus: CpuSet,
): Absent | Unverified | undefined {
  const effective = effectiveIn(directory, version, written);
  if (effective.kind !== "values") return effective;
  if (effective.cpus.isSubsetOf(cpus)) return undefined;
  const reason = `${directory.path} runs on the CPUs ${effective.cpus} although ${cpus} were written: ` +
    "none of these is online and in the cgroup above it";
  return { kind: "unverified", reason };
}

/** The cgroup and those below it; in v2 the kernel narrows these. */
function nodeOf(
  hierarchy: CpusetHierarchy,
  directory: CgroupDirectory,
  cpus: CpuSet,
  below: { left: number; readonly keeps: ReadonlySet<string> },
  depth: number,
): CpusetNode {
  const children: CpusetNode[] = [];
  const names = hierarchy.version === 2 || depth === 0 ? [] : directory.directories(below.left);
  for (const name of names) {
    if (below.left-- <= 0) break;
    const opened = openCgroup(hierarchy, `${directory.path}/${name}`);
    if (opened.kind === "errno") continue;
    using child = opened;
    const written = writtenIn(child);
    // One without CPUs has no processes, nor anything below it that has.
    const hasCpus = written.kind === "values" && !written.cpus.isEmpty;
    if (hasCpus) children.push(nodeOf(hierarchy, child, written.cpus, below, depth - 1));
  }
  const isKept = below.keeps.size > 0 && below.keeps.has(idIn(directory.path));
  return { path: directory.path, cpus, children, isKept };
}

function write(hierarchy: CpusetHierarchy, path: string, cpus: CpuSet): Failure | Absent | undefined {
  const opened = openCgroup(hierarchy, path);
  if (opened.kind === "errno") {
    const problem = notOpened(path, opened);
    return problem.kind === "absent" ? problem : asFailure(problem);
  }
  using directory = opened;
  return writeIn(hierarchy, directory, cpus);
}

function writeIn(
  { balance }: CpusetHierarchy,
  directory: CgroupDirectory,
  cpus: CpuSet,
): Failure | Absent | undefined {
  balance?.turnOff(directory);
  const failure = directory.write(CPUS_FILE, `${cpus}\n`);
  if (failure === undefined) return undefined;
  if (isRemoved(directory, failure)) return ABSENT;
  return { kind: "failed", code: failure.errno, reason: sentence(directory.path, cpus, failure) };
}

/** Why the kernel refused the write, after its sources (kernel/cgroup/cpuset*.c, validate_change). */
const MEANINGS: Readonly<Partial<Record<ErrnoName, string>>> = {
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
  return `failed to write the CPUs ${cpus} to ${path} (${errno}): ${MEANINGS[errno] ?? text}`;
}
