/** What is left for those without CPUs of their own, by who has claimed what; see ledger.ts. */
import { CpuSet } from "../cpu/cpu_set.ts";
import type { Topology } from "../cpu/topology.ts";
import { type Assignment, isBehindFence } from "./assignment.ts";
import type { ClaimedCpus } from "./claimed_cpus.ts";
import type { GroupClaim } from "./claim.ts";
import { keptIsolated, withoutIsolated } from "./isolated.ts";
import type { Policy } from "./policy.ts";

interface Sums {
  readonly topology: Topology;
  readonly policy: Policy;
  readonly pools: ClaimedCpus;
}

/** The CPUs of a pool, and those that a container in it may have in its own set where a fence does the rest. */
interface Pool {
  readonly cpus: CpuSet;
  readonly fenced: CpuSet;
}

export class SharedPools {
  readonly shared: Pool;
  /** For the system's own containers. */
  readonly system: Pool;
  readonly #fence: CpuSet;
  readonly #reserved: CpuSet;
  readonly #online: CpuSet;
  /** A set without some forbidden CPUs, by those; as a pool may stay the same for weeks, only as long as they are used. */
  readonly #allowed: WeakMap<CpuSet, WeakMap<CpuSet, CpuSet>>;

  constructor({ topology, policy, pools: { exclusive, pinned, claimed } }: Sums) {
    const { online } = topology;
    const { strictReserved, systemReserved } = policy;
    const isolated = keptIsolated({ topology, policy });
    const pool = (reserved: CpuSet): Pool => ({
      cpus: withoutIsolated(online.difference(claimed).difference(reserved), isolated),
      fenced: withoutIsolated(online.difference(pinned).difference(reserved), isolated),
    });
    this.system = pool(CpuSet.empty);
    this.shared = strictReserved ? pool(systemReserved) : this.system;
    this.#fence = online.difference(exclusive);
    const reserved = this.system.cpus.intersection(systemReserved);
    this.#reserved = reserved.isEmpty ? this.system.cpus : reserved;
    this.#online = online;
    this.#allowed = new WeakMap();
  }

  /**
   * The CPUs that a container's own set should name, or a group's: its grant, else the shared pool without its forbidden
   * CPUs, else (when those leave nothing) the whole pool: isolation of the claims comes first. Behind a fence the set
   * need not be without exclusive CPUs, so that it stays the same when those change; where some are forbidden it is, since
   * what is left of them otherwise might have nothing in common with the fence.
   */
  desired(assignment: Assignment): CpuSet {
    const { grant, claim, mayRunOn } = assignment;
    if (!grant.isEmpty) return grant;
    if (claim.kind === "group") return this.#ofGroup(claim, mayRunOn);
    const pool = claim.kind === "shared" && claim.system ? this.system : this.shared;
    if (claim.kind === "pinned" || claim.forbidden.isEmpty) {
      return isBehindFence(assignment) ? pool.fenced : pool.cpus;
    }
    return this.#without(pool.cpus, claim.forbidden);
  }

  #ofGroup({ keeps }: GroupClaim, mayRunOn: CpuSet): CpuSet {
    switch (keeps) {
      case "unexclusive":
        return this.#fence;
      case "reserved":
        return this.#reserved;
      case "pool":
        return this.system.cpus;
      case "online":
        return this.#online;
      case "found":
        return mayRunOn;
    }
  }

  #without(pool: CpuSet, forbidden: CpuSet): CpuSet {
    const known = this.#allowed.get(pool) ?? new WeakMap<CpuSet, CpuSet>();
    this.#allowed.set(pool, known);
    const before = known.get(forbidden);
    if (before !== undefined) return before;
    const left = pool.difference(forbidden);
    const result = left.isEmpty ? pool : left;
    known.set(forbidden, result);
    return result;
  }
}
