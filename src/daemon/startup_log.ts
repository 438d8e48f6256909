import type { Config } from "../config/schema.ts";
import type { Discovery } from "../cpu/discover.ts";
import type { Topology } from "../cpu/topology.ts";
import { readerOf } from "../platform/sysfs.ts";
import type { Context } from "./context.ts";
import { logProblems } from "./settings.ts";

/** Logs version, mode and machine, then each problem of the configuration and of the machine's description. */
export function logStart(mode: string, { topology, warnings }: Discovery, context: Context): void {
  const { effective: { config, problems }, version, log } = context;
  log.write({
    level: "info",
    message: "starting",
    fields: { version, mode, ...nodeFacts(config, topology) },
  });
  logProblems(problems, log);
  for (const reason of warnings) {
    log.write({ level: "warn", message: "CPU topology incomplete", fields: { reason } });
  }
}

/** The figures of the node that diagnosis begins with. */
function nodeFacts(config: Config, topology: Topology): Record<string, string | number | boolean> {
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
