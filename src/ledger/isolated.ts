/**
 * CPUs that the kernel balances no load over (`isolcpus=`), where the node keeps them for claims (`isolatedCpus: exclusive`):
 * they are out of the shared pool, and an exclusive claim has only such CPUs, or none.
 */
import { CpuSet } from "../cpu/cpu_set.ts";
import type { Topology } from "../cpu/topology.ts";
import type { Policy } from "./policy.ts";

interface Node {
  readonly topology: Topology;
  readonly policy: Policy;
}

/** Online CPUs that are kept for claims; none where the node keeps none, or has no others. */
export function keptIsolated({ topology: { online, isolated }, policy }: Node): CpuSet {
  if (policy.isolatedCpus !== "exclusive" || online.isSubsetOf(isolated)) return CpuSet.empty;
  return online.intersection(isolated);
}

/** A pool without the isolated CPUs; all of it where it has no others. */
export function withoutIsolated(pool: CpuSet, isolated: CpuSet): CpuSet {
  const others = pool.difference(isolated);
  return others.isEmpty ? pool : others;
}

/**
 * What `choose` finds among CPUs of one kind: isolated ones first, unless the claim's `home` has others, so that it stays
 * on such.
 */
export function ofOneKind(
  node: Node,
  free: CpuSet,
  home: CpuSet,
  choose: (cpus: CpuSet) => CpuSet | undefined,
): CpuSet | undefined {
  const isolated = keptIsolated(node);
  if (isolated.isEmpty) return choose(free);
  const [isolatedOnes, others] = kindsOf(free, isolated);
  return home.isEmpty || home.intersects(isolated)
    ? choose(isolatedOnes) ?? choose(others)
    : choose(others) ?? choose(isolatedOnes);
}

function kindsOf(cpus: CpuSet, isolated: CpuSet): readonly [isolated: CpuSet, others: CpuSet] {
  return [cpus.intersection(isolated), cpus.difference(isolated)];
}

/** Those of `free` that are of the kind of which there are more. */
export function largestKind(node: Node, free: CpuSet): CpuSet {
  const [isolated, others] = kindsOf(free, keptIsolated(node));
  return isolated.size > others.size ? isolated : others;
}

/** Those of `free` that are of the kind of `own`; all where `own` has both. */
export function sameKind(node: Node, own: CpuSet, free: CpuSet): CpuSet {
  const isolated = keptIsolated(node);
  if (own.isSubsetOf(isolated)) return free.intersection(isolated);
  return own.intersects(isolated) ? free : free.difference(isolated);
}

/** Whether a set is of one kind. */
export function isOfOneKind(node: Node, cpus: CpuSet): boolean {
  const isolated = keptIsolated(node);
  return cpus.isSubsetOf(isolated) || !cpus.intersects(isolated);
}

/** Why the shared pool has isolated CPUs that the node should keep for claims, one sentence; undefined where it has none. */
export function isolationProblem(
  { topology, policy, sharedPool }: Node & { sharedPool: CpuSet },
): string | undefined {
  const { online, isolated } = topology;
  if (policy.isolatedCpus !== "exclusive" || !sharedPool.intersects(isolated)) return undefined;
  return online.isSubsetOf(isolated)
    ? `all online CPUs (${online}) are isolated, so isolatedCpus: exclusive has no effect; leave some out of isolcpus`
    : `no other CPU is left for it than isolated ones (${sharedPool}); free some that aren't isolated`;
}
