/** The CPUs of systemd's units, as the agent sets and reads them. system_bus.ts is the implementation. */
import type { CpuSet } from "../cpu/cpu_set.ts";

/**
 * Sets and reads the property AllowedCPUs of slices and scopes. It must be right before a reply promises CPUs, so every
 * call blocks the thread of the program, for `deadlineMs` milliseconds at most in all, and throws nothing.
 */
export interface UnitProperties {
  /**
   * Sets the property until the next boot. systemd writes the unit's cgroup, if it has one, before it answers, but only
   * logs where the kernel refuses that, and with cgroup v1 writes nothing: what is in force is for the cgroup's files to say.
   * Where this fails, the property may have been set all the same, or be set a moment later; a later call comes after it.
   *
   * @param unit `kubepods-burstable.slice` or `init.scope`. A slice needs no unit file, nor to be started
   * @param cpus at least one: systemd takes none for a success, and leaves what is in force
   */
  setAllowedCpus(unit: string, cpus: CpuSet, deadlineMs: number): AllowedCpusResult;
  /**
   * Sets the property to no CPUs, as before anybody set it: systemd writes the unit's cgroup no more, and what is in force
   * there stays.
   */
  unsetAllowedCpus(unit: string, deadlineMs: number): AllowedCpusResult;
  /** What was set; empty where nothing was, and the unit may use all CPUs of the cgroup above it. */
  allowedCpus(unit: string, deadlineMs: number): AllowedCpusReading;
}

export type AllowedCpusResult = { readonly kind: "done" } | AllowedCpusFailure;

export type AllowedCpusReading = { readonly kind: "values"; readonly cpus: CpuSet } | AllowedCpusFailure;

export interface AllowedCpusFailure {
  readonly kind: "failed";
  /** One sentence: what was wrong and what would be right. */
  readonly reason: string;
}
