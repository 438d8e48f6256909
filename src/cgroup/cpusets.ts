/** The kernel's cpusets as the agent asks for them, from what reads and writes the cgroup tree. */
import { cpusetHierarchy, findCgroup } from "./hierarchy.ts";
import { CgroupDirectory } from "./directory.ts";
import { type CpusetHierarchy, readCpuset } from "./read.ts";
import { applyAll, type CpusetPlanUndone, type CpusetWrite } from "./plan.ts";
import type { ContainerRef } from "../ledger/claim.ts";
import type { LogRecord } from "../log_record.ts";
import type { Apply, Cpusets, Reading, Write, WriteResult } from "./port.ts";

/** What the agent gets, and what the log says of it. */
export interface CpusetAccess {
  readonly cpusets?: Cpusets;
  readonly record: LogRecord;
}

/** The cpusets below `cgroupRoot`, as far as they can be reached. Nothing of it is a reason not to start. */
export function cpusetsOf(
  { cgroupRoot, apply }: { readonly cgroupRoot: string; readonly apply: Apply },
): CpusetAccess {
  const hierarchy = cpusetHierarchy(cgroupRoot);
  if (typeof hierarchy === "string") return { record: withoutKernel(apply, hierarchy) };
  const problem = unwritable(hierarchy);
  const cpusets = new KernelCpusets(hierarchy, problem === undefined);
  if (apply === "runtime") return { cpusets, record: { level: "info", message: BY_RUNTIME } };
  if (problem !== undefined) return { cpusets, record: withoutKernel(apply, problem) };
  const fields = { cgroup: `v${hierarchy.version}`, root: hierarchy.root };
  return {
    cpusets,
    record: { level: "info", message: "running containers get other CPUs in the kernel first", fields },
  };
}

const BY_RUNTIME = "running containers get other CPUs by the runtime";

function withoutKernel(apply: Apply, why: string): LogRecord {
  const level = apply === "kernel-first" ? "error" : "warn";
  return { level, message: `${BY_RUNTIME}, which doesn't tell when that fails: ${why}` };
}

/** Why no set can be written in this tree; undefined where nothing is known against it. */
function unwritable({ root }: CpusetHierarchy): string | undefined {
  const directory = CgroupDirectory.open(root, "");
  if (!(directory instanceof CgroupDirectory)) {
    return `${root} can't be opened: ${directory.text} (${directory.errno})`;
  }
  using it = directory;
  const failure = it.unwritable("cgroup.procs");
  return failure &&
    `the cgroup tree ${root} can't be written (${failure.errno}): mount it writable, and be root`;
}

const OWN = "the kernel lets an agent in a pod write every container's cpuset but its own (nsdelegate)";

class KernelCpusets implements Cpusets {
  readonly version: 1 | 2;
  /**
   * The root of this process' own cgroup namespace, once the kernel has refused to let it be written from in there
   * (cgroup-v2.rst, "Delegation Containment"): there is one at most.
   */
  #own: string | undefined;

  constructor(private readonly hierarchy: CpusetHierarchy, readonly writable: boolean) {
    this.version = hierarchy.version;
  }

  read(container: ContainerRef): Reading {
    const found = this.#find(container);
    if (found.kind !== "found") return found;
    const reading = readCpuset(this.hierarchy, found.path);
    if (reading.kind !== "values") return reading.kind === "vanished" ? this.#gone(reading) : reading;
    const { cpus, effective } = reading;
    if (effective.isEmpty) return { kind: "unverified", reason: `${found.path} has no CPUs yet` };
    // What is in force can be less than what was written, where the cgroup above has less; more, where that is nothing.
    return { kind: "values", cpus: cpus === "inherited" || !effective.isSubsetOf(cpus) ? effective : cpus };
  }

  write(writes: readonly Write[], deadlineMs: number): WriteResult {
    const plan: (CpusetWrite & { at: number })[] = [];
    const unverified: number[] = [];
    let reason = "";
    for (const [at, { container, cpus }] of writes.entries()) {
      const found = this.#find(container);
      if (found.kind === "found") plan.push({ at, path: found.path, cpus });
      if (found.kind === "unverified") {
        unverified.push(at);
        reason ||= found.reason;
      }
    }
    if (unverified.length > 0) return { kind: "unverified", which: unverified, reason };
    const result = applyAll(this.hierarchy, plan, deadlineMs);
    if (result.kind === "done") return { kind: "done" };
    if (result.code !== "EPERM" || result.stuck.length > 0) return undone(result, plan);
    this.#own = plan[result.failed]?.path;
    return undone({ ...result, code: "unverified", reason: OWN }, plan);
  }

  #find({ id, cgroup }: ContainerRef) {
    const { path = "", parent = "", pid = 0 } = cgroup ?? {};
    const found = findCgroup(this.hierarchy, { id, pid, cgroupsPath: path, cgroupParent: parent });
    if (found.kind === "found" && found.path === this.#own) {
      return { kind: "unverified" as const, reason: OWN };
    }
    return found.kind === "vanished" ? this.#gone(found) : found;
  }

  /** Where the whole tree is gone, nothing is known of any container. */
  #gone<T extends { readonly kind: "vanished" }>(vanished: T): T | Extract<Reading, { kind: "unverified" }> {
    const { root } = this.hierarchy;
    const directory = CgroupDirectory.open(root, "");
    if (directory instanceof CgroupDirectory) {
      using it = directory;
      if (typeof it.read("cgroup.procs") === "string") return vanished;
    }
    return { kind: "unverified", reason: `there is no cgroup tree in ${root} any more` };
  }
}

function undone(
  { failed, code, reason, stuck }: CpusetPlanUndone,
  plan: readonly (CpusetWrite & { at: number })[],
): WriteResult {
  const at = plan[failed]?.at ?? 0;
  if (code === "unverified" && stuck.length === 0) return { kind: "unverified", which: [at], reason };
  const isStuck = (path: string) =>
    stuck.some((each) => each.path === path || each.path.startsWith(`${path}/`));
  const which = plan.filter(({ path }) => isStuck(path)).map((each) => each.at);
  return { kind: "undone", failed: at, code, reason, stuck: which };
}
