import type { Topology } from "../cpu/topology.ts";
import { readerOf } from "../host/sysfs.ts";
import type { Options } from "./options.ts";

/** What machine this is, for the first line of the log: the figures that every question starts with. */
export function nodeFacts(options: Options, topology: Topology): Record<string, string | number | boolean> {
  const kernel = readerOf(options.procRoot)("sys/kernel/osrelease")?.trim() ?? "unknown";
  return {
    online: topology.online.toString(),
    cores: topology.groups.cores.length,
    numaNodes: topology.groups.numaNodes.length,
    sockets: topology.groups.sockets.length,
    kernel,
    cgroup: cgroupVersion(options.cgroupRoot),
    socket: options.socket,
    dryRun: options.dryRun,
  };
}

/** A v2 hierarchy lists its controllers at its root; a v1 one has a folder for each controller. */
function cgroupVersion(root: string): "v1" | "v2" | "none" {
  const read = readerOf(root);
  if (read("cgroup.controllers") !== undefined) return "v2";
  return read("cpuset/cpuset.cpus") !== undefined ? "v1" : "none";
}
