/** Whether anybody lives in a cgroup or below it. */
import { CgroupDirectory } from "./directory.ts";
import type { Population } from "./port.ts";
import { type CpusetHierarchy, isRemoved, notOpened } from "./read.ts";
import type { Errno } from "../platform/errno.ts";

/** Of a container: systemd in it makes a dozen, a container engine a handful for each of its own. */
const MAX_CGROUPS = 256;

/**
 * By `cgroup.events` in cgroup v2, which counts what is below as well; in v1 by `cgroup.procs` of the cgroup and of those
 * below. That file leaves out processes of pid namespaces other than the reader's and those in it (pidlist_array_load in
 * the kernel): so to an agent that hasn't the host's, as one in a pod, an empty one says nothing. Then it is the number of tasks
 * that counts, of whatever namespace, which the pids controller has, with those below (cgroup-v1/pids.rst).
 *
 * @param path below the root of the hierarchy, see {@link CgroupDirectory.open}
 * @param pids the root of the hierarchy with the pids controller (v1)
 */
export function populationOf({ version, root }: CpusetHierarchy, path: string, pids?: string): Population {
  if (version === 1) {
    const seen = belowOf(root, [path]);
    return seen === "empty" && pids !== undefined && hasTasks(pids, path) ? "populated" : seen;
  }
  const opened = CgroupDirectory.open(root, path);
  if (opened.kind === "errno") return notFound(path, opened);
  using directory = opened;
  const events = directory.read("cgroup.events");
  if (events.kind === "errno") return isRemoved(directory, events) ? "absent" : "unreadable";
  const [, populated] = /^populated ([01])$/m.exec(events.text) ?? [];
  return populated === "1" ? "populated" : populated === "0" ? "empty" : "unreadable";
}

function hasTasks(pids: string, path: string): boolean {
  const opened = CgroupDirectory.open(pids, path);
  if (opened.kind === "errno") return false;
  using directory = opened;
  const tasks = directory.read("pids.current");
  return tasks.kind === "text" && Number(tasks.text) > 0;
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
