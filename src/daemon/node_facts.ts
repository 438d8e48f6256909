import type { Topology } from "../cpu/topology.ts";
import type { Config } from "../config/schema.ts";
import { readerOf } from "../platform/sysfs.ts";

/** What machine this is, for the first line of the log: the figures that every question starts with. */
export function nodeFacts(config: Config, topology: Topology): Record<string, string | number | boolean> {
  const kernel = readerOf(config.procRoot)("sys/kernel/osrelease")?.trim() ?? "unknown";
  return {
    online: topology.online.toString(),
    cores: topology.groups.cores.length,
    numaNodes: topology.groups.numaNodes.length,
    sockets: topology.groups.sockets.length,
    kernel,
    cgroup: cgroupVersion(config.cgroupRoot),
    socket: config.socket,
    dryRun: config.dryRun,
  };
}

/** A v2 hierarchy lists its controllers at its root; a v1 one has a folder for each controller. */
function cgroupVersion(root: string): "v1" | "v2" | "none" {
  const read = readerOf(root);
  if (read("cgroup.controllers") !== undefined) return "v2";
  return read("cpuset/cpuset.cpus") !== undefined ? "v1" : "none";
}
