/**
 * In which order a container's cgroup and those below it (systemd or Docker in a pod make some) are written. In
 * cgroup v1 a set must lie within its parent's at every moment, else the kernel answers EACCES for the child or EBUSY
 * for the parent. In v2 the kernel narrows what is below by itself, and only the container's own cgroup is written.
 */
import type { CpuSet } from "../cpu/cpu_set.ts";

/** A cgroup with its CPUs (those in force, where it inherits), and the cgroups below it. */
export interface CpusetNode {
  readonly path: string;
  readonly cpus: CpuSet;
  readonly children: readonly CpusetNode[];
  /** It doesn't get more CPUs with the cgroup above it: it is written by itself. */
  readonly isKept?: boolean;
}

/** One write of one `cpuset.cpus`. Made in reverse, with before and after exchanged, the steps roll back. */
export interface CpusetStep {
  readonly path: string;
  readonly before: CpuSet;
  readonly after: CpuSet;
}

/**
 * The writes after which `node` has exactly `target`; none where it has it already. Below it, a cgroup that had all
 * of its parent's CPUs has all of them again; one that had a part keeps what remains of that part, or gets all where
 * nothing does. First the inner cgroups are widened by what those below move to, parents first; then each gets its
 * target, children first.
 */
export function stepsTo(node: CpusetNode, target: CpuSet): CpusetStep[] {
  return node.cpus.equals(target) ? [] : [...widening(node, target), ...narrowing(node, target)];
}

function widening({ path, cpus: before, children }: CpusetNode, target: CpuSet): CpusetStep[] {
  if (children.length === 0) return [];
  const after = before.union(target);
  const below = children.flatMap((child) => widening(child, targetOf(child, before, target)));
  return after === before ? below : [{ path, before, after }, ...below];
}

function narrowing({ path, cpus, children }: CpusetNode, target: CpuSet): CpusetStep[] {
  const below = children.flatMap((child) => narrowing(child, targetOf(child, cpus, target)));
  const before = children.length === 0 ? cpus : cpus.union(target);
  return before.equals(target) ? below : [...below, { path, before, after: target }];
}

function targetOf(child: CpusetNode, parent: CpuSet, parentTarget: CpuSet): CpuSet {
  if (child.cpus.equals(parent) && !child.isKept) return parentTarget;
  const left = child.cpus.intersection(parentTarget);
  return left.isEmpty ? parentTarget : left;
}
