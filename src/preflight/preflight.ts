/** All checks of a node: what each is called, and what it is made from. docs/preflight.md says what each means. */
import type { Config } from "../config/schema.ts";
import {
  type CgroupFacts,
  checkCgroupDriver,
  checkCgroupTree,
  checkCgroupVersion,
  checkFence,
  checkQuota,
  readCgroups,
} from "./cgroups.ts";
import {
  checkHostDaemons,
  checkIrqbalance,
  checkRuntimeAffinity,
  type HostFacts,
  readHost,
} from "./host_daemons.ts";
import { HostFiles } from "./host_files.ts";
import {
  checkCpuManager,
  checkMemoryManager,
  checkTopologyManager,
  type KubeletFacts,
  readKubelet,
} from "./kubelet.ts";
import { checkAllocatable, checkIsolated, checkSysfs, type MachineFacts, readMachine } from "./machine.ts";
import {
  checkNri,
  checkOtherPlugins,
  checkPluginFolder,
  checkRequiredPlugins,
  checkTimeouts,
  type NriFacts,
  readNri,
} from "./nri.ts";
import { checkRunc, checkRuntime, readRuntime, type RuntimeFacts } from "./runtime.ts";
import type { Finding, Verdict } from "./verdict.ts";
import { checkGlibc, readGlibc, type Version } from "./versions.ts";

/** What is known of a node. */
export interface NodeFacts {
  /** With the paths as they are read here. */
  readonly config: Config;
  readonly runtime: RuntimeFacts;
  readonly nri: NriFacts;
  readonly kubelet: KubeletFacts;
  readonly cgroups: CgroupFacts;
  readonly machine: MachineFacts;
  readonly host: HostFacts;
  readonly glibc: Version | undefined;
}

/** By name, in the order in which they are shown. */
export const CHECKS: Readonly<Record<string, (facts: NodeFacts) => Verdict>> = {
  "runtime": ({ runtime }) => checkRuntime(runtime),
  "nri": ({ runtime, nri }) => checkNri(runtime, nri),
  "nri-timeouts": ({ nri }) => checkTimeouts(nri),
  "plugin-directory": ({ nri }) => checkPluginFolder(nri),
  "required-plugins": ({ runtime, nri, config }) => checkRequiredPlugins(runtime, nri, config.pluginName),
  "other-plugins": ({ runtime, nri }) => checkOtherPlugins(nri, runtime),
  "runc": ({ runtime }) => checkRunc(runtime),
  "runtime-affinity": ({ runtime, machine, host }) => checkRuntimeAffinity(runtime, machine, host),
  "cpu-manager": ({ kubelet }) => checkCpuManager(kubelet),
  "memory-manager": ({ kubelet }) => checkMemoryManager(kubelet),
  "topology-manager": ({ kubelet }) => checkTopologyManager(kubelet),
  "allocatable": ({ machine, kubelet, config }) => checkAllocatable(machine, kubelet, config),
  "cfs-quota": ({ kubelet, config }) => checkQuota(kubelet, config),
  "cgroup-version": ({ cgroups }) => checkCgroupVersion(cgroups),
  "cgroup-driver": ({ runtime, kubelet }) => checkCgroupDriver(runtime, kubelet),
  "cgroup-tree": ({ cgroups, config }) => checkCgroupTree(cgroups, config),
  "fence": ({ cgroups, runtime, config }) => checkFence(cgroups, runtime, config),
  "sysfs": ({ machine, config }) => checkSysfs(machine, config),
  "isolated-cpus": ({ machine, config }) => checkIsolated(machine, config),
  "host-daemons": ({ host, machine, config }) => checkHostDaemons(host, machine, config),
  "irqbalance": ({ host, machine, config }) => checkIrqbalance(host, machine, config),
  "glibc": ({ glibc }) => checkGlibc(glibc),
};

/** The verdict of every check. */
export function findingsOf(facts: NodeFacts): Finding[] {
  return Object.entries(CHECKS).map(([check, verdict]) => ({ check, ...verdict(facts) }));
}

/**
 * Reads what the checks are made from, in some seconds at most: two calls of the CRI, one of kubelet's API, one of systemd's,
 * and files. Nothing is changed, and nothing thrown.
 *
 * @param given with the paths of the node
 * @param hostRoot where the node's root directory is mounted; `/` on the node itself
 */
export async function readNode(given: Config, hostRoot: string): Promise<NodeFacts> {
  const files = new HostFiles(hostRoot);
  const config = placedIn(files, given);
  const runtime = await readRuntime(config);
  return {
    config,
    runtime,
    nri: await readNri(files, config, given, runtime),
    kubelet: await readKubelet(files, config, given.kubeletRoot),
    cgroups: readCgroups(config),
    machine: readMachine(config),
    host: readHost(files, config),
    glibc: readGlibc(files),
  };
}

/** The same configuration, with each path where it is here. */
function placedIn(files: HostFiles, config: Config): Config {
  const { socket, systemBus, runDir, sysfsRoot, cgroupRoot, procRoot, kubeletRoot } = config;
  return {
    ...config,
    socket: files.place(socket),
    systemBus: systemBus === "" ? "" : files.place(systemBus),
    criSockets: config.criSockets.map((path) => files.place(path)),
    runDir: files.place(runDir),
    sysfsRoot: files.place(sysfsRoot),
    cgroupRoot: files.place(cgroupRoot),
    procRoot: files.place(procRoot),
    kubeletRoot: files.place(kubeletRoot),
  };
}
