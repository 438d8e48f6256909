/** Names of this process for people who look for it on the node. */
import { readerOf } from "./sysfs.ts";

/** A line of /proc/self/cgroup that ends with the systemd unit, in cgroup v2 and in v1's hierarchy of systemd. */
const UNIT = /^\d+:(?:name=systemd)?:.*\/([^/]+\.service)$/m;

/**
 * Like `pod weka-cpuset-x7k2p, pid 1` or `unit containerd.service, pid 4711`: a process id alone says little, in a pod
 * nothing. `pod` is the pod's name where the process runs in one and its manifest passes the name on.
 */
export function processName(pod: string | undefined, procRoot: string): string {
  const pid = `pid ${Deno.pid}`;
  if (pod) return `pod ${pod}, ${pid}`;
  const unit = UNIT.exec(readerOf(procRoot)("self/cgroup") ?? "")?.[1];
  return unit === undefined ? pid : `unit ${unit}, ${pid}`;
}

/** When this process was started. */
export function processStart(): string {
  return new Date(performance.timeOrigin).toISOString();
}
