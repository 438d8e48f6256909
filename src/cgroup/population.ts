/** Whether anybody lives in a cgroup or below it. */
import { CgroupDirectory } from "./directory.ts";
import type { Population } from "./port.ts";
import { type CgroupTree, type CpusetHierarchy, isRemoved, notOpened, openCgroup } from "./read.ts";
import type { Errno } from "../platform/errno.ts";
import { statusOf } from "../platform/file_status.ts";
import { AT_FDCWD, cString, libc, O_CLOEXEC, O_RDONLY } from "../platform/libc.ts";

export const EVENTS_FILE = "cgroup.events";
/** How many tasks there are, of whatever namespace, with those below (cgroup-v1/pids.rst). */
export const TASKS_FILE = "pids.current";

/** Of a container: systemd in it makes a dozen, a container engine a handful for each of its own. */
const MAX_CGROUPS = 256;

/**
 * By `cgroup.events` in cgroup v2, which counts what is below as well. In v1 by the number of tasks that the pids controller
 * has; where that is none, or not there, by `cgroup.procs` of the cgroup and of those below. That file takes the kernel ten times
 * as long, and leaves out processes of pid namespaces other than the reader's and those in it (pidlist_array_load in the
 * kernel): so to an agent that hasn't the host's, as one in a pod, an empty one alone says nothing.
 *
 * @param path of a cgroup that is there, or was: below the root of the hierarchy, see {@link CgroupDirectory.open}
 * @param pids the tree with the pids controller (v1)
 * @param seesAll whether `cgroup.procs` shows this process those of all pid namespaces
 */
export function populationOf(
  hierarchy: CpusetHierarchy,
  path: string,
  pids?: CgroupTree,
  seesAll: () => boolean = isInHostPids,
): Population {
  const { version, root } = hierarchy;
  if (version === 1) {
    const tasks = pids === undefined ? undefined : tasksIn(pids, path);
    if (tasks !== undefined && tasks > 0) return "populated";
    const population = belowOf(root, [path]);
    return population === "empty" && tasks === undefined && !seesAll() ? "unreadable" : population;
  }
  const opened = openCgroup(hierarchy, path);
  if (opened.kind === "errno") return notFound(path, opened);
  using directory = opened;
  return byEvents(directory);
}

function byEvents(directory: CgroupDirectory): Population {
  const events = directory.read(EVENTS_FILE);
  if (events.kind === "errno") return isRemoved(directory, events) ? "absent" : "unreadable";
  const isPopulated = isPopulatedText(events.text);
  return isPopulated === undefined ? "unreadable" : isPopulated ? "populated" : "empty";
}

/** What `cgroup.events` says; undefined: nothing of it. */
export function isPopulatedText(events: string): boolean | undefined {
  const [, populated] = /^populated ([01])$/m.exec(events) ?? [];
  return populated === undefined ? undefined : populated === "1";
}

/** Whether a cgroup that is kept open shows so by one read; else {@link populationOf} finds out. */
export function isPopulated(kept: CgroupDirectory, version: 1 | 2, pids?: CgroupTree): boolean {
  if (version === 2) return byEvents(kept) === "populated";
  const tasks = pids?.kept?.keptAt(kept.path)?.read(TASKS_FILE);
  return tasks?.kind === "text" && Number(tasks.text) > 0;
}

/** Undefined: that can't be read. */
function tasksIn(pids: CgroupTree, path: string): number | undefined {
  const opened = openCgroup(pids, path);
  if (opened.kind === "errno") return undefined;
  using directory = opened;
  const tasks = directory.read(TASKS_FILE);
  return tasks.kind === "text" ? Number(tasks.text) : undefined;
}

/** The inode of the first pid namespace, on every machine: PROC_PID_INIT_INO (proc_ns.h). */
const FIRST_PIDS = 0xeffffffc;

let isInFirst: boolean | undefined;

/** Whether this process is in the machine's first pid namespace, in which all others are. It can't leave its own: that is read once. */
export function isInHostPids(): boolean {
  return isInFirst ??= readIsInHostPids();
}

function readIsInHostPids(): boolean {
  const file = libc().openat(AT_FDCWD, cString("/proc/self/ns/pid"), O_RDONLY | O_CLOEXEC, 0);
  if (file < 0) return false;
  const status = statusOf(file);
  libc().close(file);
  return status?.identity.endsWith(`:${FIRST_PIDS}`) === true;
}

function belowOf(root: string, paths: string[]): Population {
  // The list grows while it is gone through.
  for (const [at, path] of paths.entries()) {
    const opened = CgroupDirectory.open(root, path);
    if (opened.kind === "errno") {
      const found = notFound(path, opened);
      if (found === "absent" && at > 0) continue;
      return found;
    }
    using directory = opened;
    const processes = directory.read("cgroup.procs");
    if (processes.kind === "errno") {
      if (!isRemoved(directory, processes)) return "unreadable";
      if (at === 0) return "absent";
    } else if (processes.text !== "") return "populated";
    paths.push(...directory.directories(MAX_CGROUPS).map((name) => `${path}/${name}`));
    if (paths.length > MAX_CGROUPS) return "unreadable";
  }
  return "empty";
}

function notFound(path: string, failure: Errno): Population {
  return notOpened(path, failure).kind === "absent" ? "absent" : "unreadable";
}
