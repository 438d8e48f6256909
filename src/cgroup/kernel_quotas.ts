/** The kernel's CFS quotas: {@link QuotaPort} on the cgroup tree. */
import type { ContainerRef, CpuQuota } from "../ledger/claim.ts";
import { findCgroup, rootWith } from "./hierarchy.ts";
import { type CgroupFiles, filesBelow, pathFromKubepods } from "./partition.ts";
import { isPod } from "./paths.ts";
import type { QuotaPort, QuotaResult } from "./port.ts";
import type { CpusetHierarchy } from "./read.ts";
import { pressureIn, setQuota, throttledIn } from "./quota.ts";

export class KernelQuotas implements QuotaPort {
  readonly #files: CgroupFiles;

  private constructor(private readonly hierarchy: CpusetHierarchy, root: string) {
    this.#files = filesBelow(root);
  }

  /** Undefined where the cpu controller isn't mounted beside the cpusets (v1). */
  static beside(hierarchy: CpusetHierarchy): KernelQuotas | undefined {
    const root = rootWith("cpu", hierarchy);
    return root === undefined ? undefined : new KernelQuotas(hierarchy, root);
  }

  ofContainer(container: ContainerRef, limit: CpuQuota | undefined): QuotaResult {
    const found = this.#find(container);
    return typeof found === "string" ? this.#set(found, limit) : found;
  }

  ofPod(container: ContainerRef, limit: CpuQuota | undefined): QuotaResult {
    const found = this.#find(container);
    if (typeof found !== "string") return found;
    // Only kubelet's cgroup of a pod is ever written.
    const pod = pathFromKubepods(found).at(-2);
    return pod === undefined || !isPod(pod.slice(pod.lastIndexOf("/") + 1))
      ? { kind: "done", isNew: false }
      : this.#set(pod, limit);
  }

  throttled(container: ContainerRef): number | undefined {
    const found = this.#find(container);
    return typeof found === "string" ? throttledIn(this.#files, found) : undefined;
  }

  pressure(container: ContainerRef): number | undefined {
    const found = this.#find(container);
    return typeof found === "string" ? pressureIn(this.#files, found) : undefined;
  }

  #set(path: string, limit: CpuQuota | undefined): QuotaResult {
    return setQuota(this.#files, this.hierarchy.version, path, limit);
  }

  /** Its cgroup has the same path in all hierarchies of v1. */
  #find(container: ContainerRef): string | QuotaResult {
    const found = findCgroup(this.hierarchy, container);
    if (found.kind === "found") return found.path;
    return found.kind === "absent"
      ? { kind: "done", isNew: false }
      : { kind: "failed", reason: found.reason };
  }
}
