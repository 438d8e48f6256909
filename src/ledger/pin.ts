/** Making room for a pinned claim: the CPUs are named, so all that is to decide is who has to leave them. */
import type { PinnedClaim } from "./claim.ts";
import type { Ledger } from "./ledger.ts";
import { displace, type Moved } from "./move.ts";
import { numbers, type Obstacle, obstacle } from "./refusal.ts";

/** The ledger in which the claim's CPUs are free of exclusive owners, or why that can't be. */
export function makeRoom(ledger: Ledger, { cpus }: PinnedClaim): Moved | Obstacle {
  const missing = cpus.difference(ledger.topology.online);
  if (!missing.isEmpty) {
    const plural = missing.size === 1 ? "CPU" : "CPUs";
    const online = `not online on this node (online: ${ledger.topology.online})`;
    return obstacle(`weka.io/cores-ids names ${plural} ${missing}, ${online}`, "invalid");
  }
  const moved = displace(ledger, cpus);
  if (typeof moved === "string") {
    return obstacle(`needs CPUs ${cpus}, but of these ${moved} (${numbers(ledger)})`);
  }
  const left = moved.next.sharedPool.difference(cpus).size;
  if (left < ledger.policy.minShared && left < ledger.sharedPool.size) {
    return obstacle(`needs CPUs ${cpus}, which would leave ${left} for the shared pool (${numbers(ledger)})`);
  }
  return moved;
}
