/** Huge pages are reserved on NUMA nodes: a container that is bound to memory nodes without them can't have any. */
import { CpuSet } from "../cpu/cpu_set.ts";
import type { Assignment } from "./assignment.ts";
import type { Ledger } from "./ledger.ts";
import { memoryNear } from "./memory_nodes.ts";

/** What a container may use of one size. */
export interface AskedHugePages {
  readonly pageKiB: number;
  readonly askedKiB: number;
}

/** The same, with what the nodes with memory have free. */
export interface HugePages extends AskedHugePages {
  /** KiB, by NUMA node. */
  readonly freeKiB: ReadonlyMap<number, number>;
}

/** The CPUs whose own memory nodes have enough of all sizes. */
export function cpusWithHugePages({ topology, policy }: Ledger, pages: readonly HugePages[]): CpuSet {
  const nodes = topology.nodes.filter(({ cpus }) => {
    const near = memoryNear(topology, policy.exclusiveMems, cpus);
    return pages.every((each) => freeOn(each, near) >= each.askedKiB);
  });
  return CpuSet.unionOf(nodes.map(({ cpus }) => cpus));
}

/** For each size of which a placed container's memory nodes have too few: how many, and which node has enough. */
export function hugePageWarnings(
  { topology, policy }: Ledger,
  { claim, grant }: Assignment,
  pages: readonly HugePages[],
): string[] {
  const policyOf = claim.kind === "pinned" ? policy.pinnedMems : policy.exclusiveMems;
  if (grant.isEmpty || policyOf === "off") return [];
  const near = memoryNear(topology, policyOf, grant);
  return pages.filter((each) => freeOn(each, near) < each.askedKiB).map((each) => {
    const { pageKiB, askedKiB, freeKiB } = each;
    const others = CpuSet.from(
      [...freeKiB].filter(([node, free]) => !near.has(node) && free >= askedKiB).map(([node]) => node),
    );
    const elsewhere = others.isEmpty
      ? "no other node has enough"
      : `${nodeText(others)} ${others.size === 1 ? "has" : "have"} enough`;
    return `may use ${askedKiB / 1024} MiB in huge pages of ${pageKiB} kB, but ${
      freeOn(each, near) / 1024
    } MiB ` +
      `are free on the memory of its CPUs (${nodeText(near)}); ${elsewhere}`;
  });
}

function freeOn({ freeKiB }: HugePages, nodes: CpuSet): number {
  return [...nodes].reduce((sum, node) => sum + (freeKiB.get(node) ?? 0), 0);
}

function nodeText(nodes: CpuSet): string {
  return `NUMA ${nodes.size === 1 ? "node" : "nodes"} ${nodes}`;
}
