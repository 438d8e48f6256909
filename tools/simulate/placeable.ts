import { CpuSet } from "../../src/cpu/cpu_set.ts";
import type { Claim } from "../../src/ledger/claim.ts";
import type { Expected } from "./claim_oracle.ts";
import type { Scenario } from "./scenario.ts";
import { setOf } from "./cpus.ts";
import type { View } from "./view.ts";

/**
 * Whether a claim could be served for certain, by the simplest count there is; false also where that takes a closer
 * look (moves, placements that want whole cores). `freed`: what its predecessor holds; `contested`: CPUs that
 * couldn't be taken from a container.
 */
export function surelyFits(
  expected: Expected | Claim,
  view: View,
  { systemReserved, strictReserved, minShared }: Scenario,
  freed = CpuSet.empty,
  contested = CpuSet.empty,
): boolean {
  // The cgroup of its pod may have too little.
  if ("limit" in expected && expected.limit !== undefined) return false;
  const reserved = setOf(systemReserved);
  const claimed = view.claimed.difference(freed);
  const pool = view.online.difference(claimed).difference(strictReserved ? reserved : CpuSet.empty);
  switch (expected.kind) {
    case "exclusive": {
      const free = pool.difference(reserved).difference(expected.forbidden).difference(contested).size;
      const easy = expected.placement === "packed" || expected.placement === "spread";
      return easy && expected.count <= Math.min(free, pool.size - minShared);
    }
    case "pinned": {
      const pinned = [...view.placed.values()].filter(({ claim }) => claim.kind === "pinned");
      const owned = claimed.difference(CpuSet.unionOf(pinned.map(({ grant }) => grant)));
      if (expected.cpus.intersects(contested)) return false;
      const left = pool.difference(expected.cpus).size;
      return !owned.intersects(expected.cpus) && expected.cpus.isSubsetOf(view.online) && left >= minShared;
    }
    case "shared":
      return !(expected.system ? view.online.difference(claimed) : pool).isSubsetOf(expected.forbidden);
    case "invalid":
      return false;
    case "unmanaged":
      return true;
  }
}
