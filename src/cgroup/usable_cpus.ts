import { CpuSet } from "../cpu/cpu_set.ts";
import type { ReadFile } from "../cpu/discover.ts";
import { readerOf } from "../platform/sysfs.ts";

const ONLINE = "devices/system/cpu/online";

/** Where kubelet's cgroups are in a v1 hierarchy, for both drivers, alone and below another root (kind). */
const KUBEPODS = ["kubepods", "kubepods.slice", "kubelet/kubepods", "kubelet.slice/kubelet-kubepods.slice"];

/** Of a CPU list: thousands of ranges. */
const MAX_BYTES = 16 * 1024;

/** The CPUs of the node that containers can use. */
export interface UsableCpus {
  readonly online: CpuSet;
  /** Online, but no container can have them: cgroup v1 removes a CPU for good when it goes offline. */
  readonly unusable: CpuSet;
  /** The kernel removes CPUs that go offline from every set (cgroup v1). */
  readonly removesOffline: boolean;
}

/** Reads them, in some 20 µs; undefined when the online CPUs can't be read. */
export function usableCpusReader(sysfsRoot: string, cgroupRoot: string): () => UsableCpus | undefined {
  const [sysfs, cgroups] = [readerOf(sysfsRoot, MAX_BYTES), readerOf(cgroupRoot, MAX_BYTES)];
  return () => usableCpus(sysfs, cgroups);
}

function usableCpus(sysfs: ReadFile, read: ReadFile): UsableCpus | undefined {
  const online = cpusIn(sysfs, ONLINE);
  if (online === undefined) return undefined;
  const removesOffline = read("cpuset/cpuset.cpus") !== undefined;
  const kubepods = removesOffline ? KUBEPODS.map((path) => cpusIn(read, `cpuset/${path}/cpuset.cpus`)) : [];
  const allowed = kubepods.find((cpus) => cpus !== undefined && cpus.intersects(online)) ?? online;
  return { online, unusable: online.difference(allowed), removesOffline };
}

/** The CPUs of a machine, online or not: `present` are there, and others that are `possible` may come. */
export interface MachineCpus {
  readonly possible: CpuSet;
  readonly present: CpuSet;
}

/** Undefined when they can't be read. */
export function machineCpus(sysfsRoot: string): MachineCpus | undefined {
  const read = readerOf(sysfsRoot, MAX_BYTES);
  const [possible, present] = ["possible", "present"].map((file) =>
    cpusIn(read, `devices/system/cpu/${file}`)
  );
  return possible === undefined || present === undefined ? undefined : { possible, present };
}

/** A reader of sysfs that shows only the usable CPUs as online. */
export function usableReader(sysfsRoot: string, cgroupRoot: string): ReadFile {
  const read = readerOf(sysfsRoot);
  const usable = usableCpusReader(sysfsRoot, cgroupRoot);
  return (path) => {
    const cpus = path === ONLINE ? usable() : undefined;
    return cpus === undefined ? read(path) : `${cpus.online.difference(cpus.unusable)}`;
  };
}

function cpusIn(read: ReadFile, path: string): CpuSet | undefined {
  const cpus = CpuSet.parse(read(path) ?? "");
  return cpus instanceof CpuSet && !cpus.isEmpty ? cpus : undefined;
}
