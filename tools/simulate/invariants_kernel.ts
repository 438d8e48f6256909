/**
 * What must hold where the agent writes the kernel itself: then what the runtime loses, fails or brings back exempts
 * nothing. What may differ for a moment, and what has to end that: windows.ts.
 */
import { CpuSet } from "../../src/cpu/cpu_set.ts";
import { type Container, hasStarted } from "./records.ts";
import { classesAreKnown, classesMatchLedger, fencesAreKept } from "./invariants_fences.ts";
import { narrowedIsTrue } from "./invariants_masks.ts";
import { heldBy, withinClass } from "./consistency.ts";
import { mayShareCpus, type Placed, sharesInPod } from "./view.ts";
import type { World } from "./world.ts";

type Check = (world: World) => string | undefined;

export const KERNEL_INVARIANTS: readonly (readonly [string, Check])[] = [
  ["no other container is on CPUs of a container with a grant in the kernel", ownCpusAreKept],
  ["no class that is fenced has CPUs of a container with a grant that is exclusive", fencesAreKept],
  [
    "while no agent runs, no container of a fenced class that starts runs on an exclusive CPU",
    (world) => world.attendance.problem(world),
  ],
  ["a container that is confirmed to have CPUs of its own has all of them in force", grantsAreInForce],
  ["the agent has the kernel's set of each container right", kernelIsKnown],
  ["the agent has the kernel's set of each class right", classesAreKnown],
  ["no container is unverified that could be read and written", fallbackIsJustified],
  ["a container is said to be narrowed only where its first process is", narrowedIsTrue],
  ["once nothing is pending, the kernel has what the ledger has", kernelMatchesLedger],
];

/** Those that run, or may begin to at any moment, with where they do. */
function started({ inCharge, runtime, kernel }: World): { placed: Placed; runs: CpuSet }[] {
  return [...inCharge?.placed.values() ?? []].flatMap((placed) => {
    const container = runtime.containers.get(placed.id);
    const runs = kernel.effective(placed.id);
    return container === undefined || !hasStarted(container) || runs === undefined ? [] : [{ placed, runs }];
  });
}

export function ownCpusAreKept(world: World): string | undefined {
  if (world.inCharge === undefined || world.isTopologyStale) return undefined;
  const all = started(world);
  for (const { placed: owner } of all) {
    // CPUs freed by another's end are applied in the tick that is due now, after they are vacated.
    const promised = world.windows.promised(owner.id, owner.grant);
    if (promised.isEmpty) continue;
    for (const { placed: other, runs } of all) {
      if (other === owner || mayShareCpus(owner, other) || !runs.intersects(promised)) continue;
      // It shared these CPUs with others of its pod, and couldn't be made to leave them so far, or does with the tick that is due.
      const isLeaving = sharesInPod(owner) && other.podUid === owner.podUid &&
        (other.hasWriteFailure || world.isTickDue);
      if (isLeaving || isExempt(world, other)) continue;
      return `${other.id} runs on ${runs}, ${owner.id} has ${owner.grant}`;
    }
  }
  return undefined;
}

/** Also where another program keeps CPUs from all containers. */
export function grantsAreInForce(world: World): string | undefined {
  if (world.inCharge === undefined || world.isTopologyStale || world.isTickDue) return undefined;
  const lacking = started(world).find(({ placed: { id, grant, kernel, hasWriteFailure }, runs }) => {
    const isConfirmed = kernel instanceof CpuSet && kernel.equals(grant) && !hasWriteFailure;
    return isConfirmed && !world.mayDiffer(id) && !grant.isSubsetOf(runs);
  });
  return lacking && `${lacking.placed.id} has ${lacking.placed.grant} and runs on ${lacking.runs}`;
}

/** Another program has changed it, or the agent can't reach it and falls back to runtime updates. */
function isExempt(world: World, { id, kernel, hasWriteFailure }: Placed): boolean {
  const { exemptions } = world;
  // It has begun to run unseen, and can't be made to leave by now.
  const isStuck = hasWriteFailure ||
    world.inCharge?.groups.get(world.kernel.classOf(id) ?? "")?.hasWriteFailure;
  if (isStuck && exemptions.cause(id) === "unseen") return true;
  // It can't be reached now; or the runtime is asked for an update of it, and hasn't made it yet.
  if (kernel === undefined && (world.isRequested(id) || world.isHidden(id))) return true;
  return world.mayDiffer(id) || (kernel === undefined && exemptions.has(id));
}

export function kernelIsKnown(world: World): string | undefined {
  const { inCharge, runtime } = world;
  if (inCharge === undefined || world.isTopologyStale) return undefined;
  for (const { id, kernel, fence, hasWriteFailure } of inCharge.placed.values()) {
    const isForgotten = runtime.containers.get(id)?.isForgotten === true;
    if (kernel === undefined || kernel === "at-start" || isForgotten) continue;
    if (world.mayDiffer(id) || runtime.isLeft(id)) continue;
    const { cpus, effective } = world.read(id) ?? {};
    if (world.kernel.written(id) === undefined || cpus === undefined) {
      continue;
    }
    const really = world.means(effective ?? cpus);
    // Behind a class that is none of the agent's fences it knows the container's own set alone.
    const own = fence === undefined ? world.means(cpus) : really;
    const known = world.means(kernel);
    // One that has nothing in common with its pod's cgroup counts as all CPUs.
    const isVoid = world.kernel.limit(id) !== undefined && world.isVoid(id);
    // So does one that had nothing in common with its class when its write failed, until the next try.
    if ((isVoid || hasWriteFailure) && really.isSubsetOf(known)) continue;
    if (!known.equals(really) && !known.equals(own)) return `${id}: ${kernel}, really ${really}`;
    if (runtime.containers.get(id) === undefined) return `${id} is gone`;
  }
  return undefined;
}

export function fallbackIsJustified(world: World): string | undefined {
  const { inCharge, runtime, unverified, exemptions } = world;
  for (const { id, kernel } of inCharge?.placed.values() ?? []) {
    const container = runtime.containers.get(id);
    if (kernel !== undefined || container?.life !== "running" || !container.posted) continue;
    if (!unverified.has(id) && !world.mayDiffer(id) && !exemptions.has(id)) return id;
  }
  return undefined;
}

/** One that depends on a container with runtime updates may get those too. */
export function noteUnverified(world: World): void {
  const { inCharge, unverified, kernel: { all } } = world;
  const left = [...inCharge?.placed.values() ?? []].filter(({ kernel }) => kernel === undefined);
  for (const { id } of left) if (world.isHidden(id)) unverified.add(id);
  // One whose end isn't reported yet can't be read either.
  if (!left.some(({ id }) => unverified.has(id) || !all.has(id))) return;
  for (const { id } of left) unverified.add(id);
}

/** But for known write failures, and for CPUs that have to be vacated first. */
export function kernelMatchesLedger(world: World): string | undefined {
  const { inCharge } = world;
  if (inCharge === undefined || world.isTopologyStale || world.isTickDue) return undefined;
  // One whose exit isn't reported seems still to have CPUs to vacate.
  const isHolder = (id: string) => {
    const { kernel, hasWriteFailure } = inCharge.placed.get(id) ?? {};
    const isClass = inCharge.groups.has(id);
    return hasWriteFailure === true || inCharge.groups.get(id)?.hasWriteFailure === true ||
      world.runtime.isLeft(id) || (!isClass && kernel === undefined) ||
      (world.kernel.written(id) === undefined && kernel !== "at-start");
  };
  const held = heldBy(inCharge, isHolder);
  const isHeld = (id: string) =>
    isHolder(id) || inCharge.groups.get(world.kernel.classOf(id) ?? "")?.hasWriteFailure === true;
  const all = started(world).filter(({ placed }) => !isHeld(placed.id));
  const wrong = all.find(({ placed, runs }) =>
    placed.kernel !== "at-start" && !world.mayDiffer(placed.id) && !placed.desired.isEmpty &&
    !placed.desired.intersects(held) && !runs.equals(withinClass(world, placed))
  );
  if (wrong !== undefined) {
    return `${wrong.placed.id} runs on ${wrong.runs} instead of ${wrong.placed.desired}`;
  }
  // A class grows once what is in it can't follow onto what another has to leave.
  const hasHolder = [...inCharge.placed.keys(), ...inCharge.groups.keys()].some(isHolder);
  return hasHolder ? undefined : classesMatchLedger(world, inCharge);
}

/** What is wrong with letting a container start that has CPUs of its own, which the agent could have seen. */
export function startProblem(world: World, { id }: Container): string | undefined {
  const { inCharge, kernel, runtime } = world;
  const own = inCharge?.placed.get(id);
  if (world.scenario.mode === "blind" || inCharge === undefined || own === undefined) return undefined;
  if (own.grant.isEmpty || world.isTopologyStale || world.isHidden(id)) return undefined;
  const runs = kernel.effective(id);
  // Its class couldn't be read or written, and has less.
  const path = kernel.classOf(id);
  if (path !== undefined && world.windows.has(path) && inCharge.groups.get(path)?.isFence === false) {
    return undefined;
  }
  if (!runs?.equals(own.grant)) return `${id} may start on ${runs} instead of ${own.grant}`;
  for (const other of inCharge.placed.values()) {
    const container = runtime.containers.get(other.id);
    // In the cgroup of one that is forgotten nobody lives.
    const isLiving = container?.posted === true && !container.isForgotten;
    if (other === own || mayShareCpus(own, other) || !isLiving || world.isHidden(other.id)) continue;
    // That it runs wasn't reported, or that it has run, ended and left processes behind.
    if (
      (other.starting || world.observer.before?.placed.get(other.id)?.starting) &&
      (world.exemptions.cause(other.id) === "gap" || runtime.isLeft(other.id))
    ) continue;
    const theirs = kernel.effective(other.id);
    if (world.scenario.mode === "kernel" && isExempt(world, other)) continue;
    if (theirs?.intersects(own.grant)) return `${id} may start on ${runs}, where ${other.id} is`;
  }
  return undefined;
}
