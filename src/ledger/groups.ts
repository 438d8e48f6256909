/**
 * Groups: cgroups above containers, whose sets the kernel imposes on all that is below them. A group is an assignment
 * like any other: what is read, written, rolled back, retried and compared is the same.
 */
import { CpuSet } from "../cpu/cpu_set.ts";
import type { Assignment } from "./assignment.ts";
import type { ContainerRef, GroupClaim } from "./claim.ts";
import { confirm, created } from "./delivery.ts";
import type { DeliveryFailure } from "./failure.ts";
import type { Ledger } from "./ledger.ts";
import { perLedger } from "./per_ledger.ts";

/** The group at that path below the hierarchy's root. */
export function groupRef(path: string): ContainerRef {
  const name = path.slice(path.lastIndexOf("/") + 1);
  const cgroup = { path, parent: "", pid: 0 };
  return { id: path, name, pod: "", namespace: "", podUid: "", sandboxId: "", cgroup, isGroup: true };
}

/** A group whose processes may run on `cpus`, by a reading. */
export function groupOn(container: ContainerRef, cpus: CpuSet, keeps: GroupClaim["keeps"]): Assignment {
  const claim = { kind: "group", keeps } as const;
  return confirm({ container, claim, grant: CpuSet.empty, ...created("cgroup") }, cpus, "running");
}

export function isGroup({ claim }: Assignment): boolean {
  return claim.kind === "group";
}

/** Whether a group is a fence: kept off exclusive CPUs, for all that is in it. */
export function isFence({ claim }: Assignment): boolean {
  return claim.kind === "group" && claim.keeps === "unexclusive";
}

/** By group: the ids of those whose own sets lie within it. */
export const membersWithin = perLedger((ledger) => {
  const members = new Map<string, Set<string>>();
  for (const { container: { id }, fence } of ledger.those("within")) {
    if (fence !== undefined) members.set(fence, (members.get(fence) ?? new Set()).add(id));
  }
  return members;
});

/** Of a group that has lost what it keeps: since when, and when that is tried again. Its loss has been logged. */
export function lossOf({ claim }: Assignment): DeliveryFailure | undefined {
  return claim.kind === "group" ? claim.lost : undefined;
}

/** A group that has lost what it keeps, or keeps it again. */
export function withLoss(group: Assignment, lost: DeliveryFailure | undefined): Assignment {
  const { claim } = group;
  if (claim.kind !== "group") return group;
  const { lost: _, ...kept } = claim;
  return { ...group, claim: lost === undefined ? kept : { ...kept, lost } };
}

/** A group whose set lasts, or doesn't, for that reason. */
export function withWeakness(group: Assignment, weakness: string | undefined): Assignment {
  const { claim } = group;
  if (claim.kind !== "group" || claim.weakness === weakness) return group;
  const { weakness: _, ...strong } = claim;
  return { ...group, claim: weakness === undefined ? strong : { ...strong, weakness } };
}

/**
 * The ledger without a fence that can't be kept: what is in it is kept off exclusive CPUs by its own sets, and once they are
 * written the group may have all CPUs again. With fewer than the shared pool has, some in it would run on pinned ones.
 */
export function withoutFence(ledger: Ledger, id: string): Ledger {
  const { claim } = ledger.assignments.get(id) ?? {};
  if (claim?.kind === "group" && claim.keeps === "found") return ledger;
  const lost = claim?.kind === "group" && claim.lost !== undefined ? { lost: claim.lost } : {};
  const next = ledger.update(
    id,
    (group) => ({ ...group, claim: { kind: "group", keeps: "online", ...lost } }),
  );
  // In cgroup v1 each set stays within the group's.
  return next.assignments.values().filter(({ fence, isWithin }) => fence === id && !isWithin).reduce(
    (next, { fence: _, ...unfenced }) => next.with(unfenced),
    next,
  );
}

/** The CPUs that a container should be running on, by its own set and its fence. */
export function shouldRunOn(ledger: Ledger, assignment: Assignment): CpuSet {
  return behindFence(ledger, assignment, (each) => ledger.desired(each));
}

/** Every online CPU on which a container's processes may be running, by its own set and its fence. */
export function runsOn(ledger: Ledger, assignment: Assignment): CpuSet {
  return behindFence(ledger, assignment, (each) => ledger.mayRunOn(each));
}

/** In cgroup v2 a set that has nothing in common with the one around it leaves all of that. */
function behindFence(ledger: Ledger, assignment: Assignment, setOf: (each: Assignment) => CpuSet): CpuSet {
  const own = setOf(assignment);
  const fence = assignment.fence === undefined ? undefined : ledger.assignments.get(assignment.fence);
  if (fence === undefined || own.isEmpty) return own;
  const around = setOf(fence);
  const both = own.intersection(around);
  return both.isEmpty ? around : both;
}
