/** What must hold of claims after the ends of their containers: they are their pods', as long as these live. */
import { CpuSet } from "../../src/cpu/cpu_set.ts";
import type { SimEvent } from "./events.ts";
import { expectation } from "./invariants.ts";
import { type Container, type Pod, uidOf } from "./records.ts";
import { type Placed, sharesInPod, type View } from "./view.ts";
import type { World } from "./world.ts";

/** With these the agent finds out anew what there is, or what the machine has. */
const REBUILDING: readonly SimEvent["kind"][] = [
  "sync",
  "join",
  "listed",
  "promote",
  "scanned",
  "ground",
  "restartAgent",
  "restartRuntime",
  // One that has ended may have been taken in from an old list, beside the one after it.
  "counted",
  // All that is played on the way is looked at by itself.
  "quiet",
];

/** In an event pods that live have lost CPUs that they had exclusively, and that no pinned container has got. */
export function lostProblem(world: World, before: View | undefined, event: SimEvent): string | undefined {
  const { inCharge, runtime } = world;
  if (before === undefined || inCharge === undefined || before === inCharge) return undefined;
  const isAnew = REBUILDING.includes(event.kind) || !before.online.equals(inCharge.online);
  if (isAnew || pinnedIn(before) !== pinnedIn(inCharge)) return undefined;
  for (const pod of runtime.pods.values()) {
    if (pod.stopped || isAbout(world, event, pod) || isDegraded(before, pod)) continue;
    if (
      isDisputed(before, pod) || limitsOf(before, pod) !== limitsOf(inCharge, pod) ||
      hasMoved(before, inCharge, pod)
    ) continue;
    const lost = exclusiveOf(before, pod).difference(exclusiveOf(inCharge, pod))
      .difference(unreportedIn(world, before, event, pod))
      .difference(doubledIn(before, inCharge, pod))
      .difference(succeededIn(world, before, inCharge, pod));
    if (!lost.isEmpty) return `the claims of a living pod are its own: p${pod.number} has lost ${lost}`;
  }
  return undefined;
}

/** Pinned containers, and their CPUs: others are moved for them, and go back where one comes to nothing. */
function pinnedIn({ placed, pinned }: View): string {
  const ids = [...placed.values()].flatMap(({ id, claim }) => claim.kind === "pinned" ? [id] : []);
  return `${pinned} ${ids.sort().join(" ")}`;
}

/**
 * In an event a container with CPUs of its own has ended and left processes behind, or they were known, and they are followed
 * no more. What is succeeded before its end is reported isn't looked at.
 */
export function forgottenLeftover(
  world: World,
  before: View | undefined,
  event: SimEvent,
): string | undefined {
  const { inCharge, runtime, scenario, tree, kernel } = world;
  if (before === undefined || inCharge === undefined || before === inCharge || scenario.mode !== "kernel") {
    return undefined;
  }
  if ((REBUILDING.includes(event.kind) && event.kind !== "counted") || tree.isGone) return undefined;
  const ended = [...before.placed.values()].filter(({ grant, kernel }) =>
    !grant.isEmpty && kernel instanceof CpuSet
  );
  const lost = [...ended, ...before.leftovers].find(({ id, podUid }) => {
    const isKnown = inCharge.placed.has(id) || inCharge.leftovers.some((each) => each.id === id);
    const isSucceeded = (event.kind === "create" && podUid === `u${event.pod}`) ||
      ((event.kind === "posted" || event.kind === "start") &&
        podUid === uidOf(runtime.containers.get(event.id)?.pod ?? { number: -1 }));
    return !isKnown && !isSucceeded && runtime.isLeft(id) && kernel.written(id) !== undefined &&
      !tree.unreadable.has(id);
  });
  return lost &&
    `what an ended container leaves behind is followed until it has ended: that of ${lost.id} isn't`;
}

/** What containers had that have ended, unreported: when their cgroups show it, nothing is held for a pod that may have ended. */
function unreportedIn({ runtime }: World, { placed }: View, event: SimEvent, pod: Pod): CpuSet {
  // Time may pass in any event, also in one by which the end of another is reported.
  const told = "id" in event ? event.id : undefined;
  const ended = [...placed.values()].filter(({ id, podUid }) =>
    id !== told && podUid === uidOf(pod) && (runtime.containers.get(id)?.life ?? "exited") === "exited"
  );
  return CpuSet.unionOf(ended.map(({ grant }) => grant));
}

/** What one of two containers of a name had, of which the other one goes on, or has ended and is held for: that has the claim. */
function doubledIn(before: View, after: View, pod: Pod): CpuSet {
  const nameOf = (id: string) => before.placed.get(id)?.name;
  const isOther = (id: string, other: string) =>
    other !== id && nameOf(other) !== undefined && nameOf(other) === nameOf(id);
  const own = [...before.placed.values()].filter(({ podUid }) => podUid === uidOf(pod));
  const keepsClaim = ({ id, name, grant }: Placed) =>
    after.placed.has(id) ||
    after.held.some((each) =>
      each.podUid === uidOf(pod) && each.name === name && !grant.isEmpty && each.grant.equals(grant)
    );
  const doubled = own.filter((each) =>
    !keepsClaim(each) && own.some((other) => isOther(each.id, other.id) && keepsClaim(other))
  );
  // What one has left behind isn't held beside another of its name that has CPUs of its own.
  const left = before.held.filter(({ isLeft, name, podUid }) =>
    isLeft && podUid === uidOf(pod) &&
    [...after.placed.values()].some((each) =>
      each.podUid === podUid && each.name === name && !each.grant.isEmpty
    )
  );
  return CpuSet.unionOf([...doubled, ...left].map(({ grant }) => grant));
}

/** What was held under the name of one that the agent has come to know by now, or another of that had: it has what it claims. */
function succeededIn({ runtime }: World, before: View, after: View, pod: Pod): CpuSet {
  const nameOf = (id: string) => runtime.containers.get(id)?.spec.name;
  const isNew = (name: string | undefined) =>
    [...after.placed].some(([id, { podUid }]) =>
      podUid === uidOf(pod) && !before.placed.has(id) && name !== undefined && nameOf(id) === name
    );
  const own = [...before.held, ...before.placed.values()].filter(({ name, podUid }) =>
    podUid === uidOf(pod) && isNew(name)
  );
  return CpuSet.unionOf(own.map(({ grant }) => grant));
}

/** A container of the pod is created or resized, which may give CPUs up. */
function isAbout({ runtime }: World, event: SimEvent, pod: Pod): boolean {
  if (event.kind === "create" || event.kind === "podUpdate") return event.pod === pod.number;
  return event.kind === "update" && runtime.containers.get(event.id)?.pod === pod;
}

/** Where what its containers share has to be whole cores, and can't be all that others leave of its limit, it has as many elsewhere. */
function hasMoved(before: View, after: View, pod: Pod): boolean {
  const isByCores = [...after.placed.values()].some((each) =>
    each.podUid === uidOf(pod) && sharesInPod(each) && each.claim.kind === "exclusive" &&
    !["packed", "spread"].includes(each.claim.placement)
  );
  return isByCores && exclusiveOf(after, pod).size >= exclusiveOf(before, pod).size;
}

/** Who has less than it claims may get all of it elsewhere. */
function isDegraded({ placed }: View, pod: Pod): boolean {
  return [...placed.values()].some(({ podUid, degraded }) => podUid === uidOf(pod) && degraded !== undefined);
}

/** An old list has brought back a container with the pod's figures of before a resize: how much the pod may have isn't known. */
function isDisputed({ placed }: View, pod: Pod): boolean {
  const owners = [...placed.values()].filter((each) => each.podUid === uidOf(pod) && sharesInPod(each));
  return new Set(owners.flatMap(({ claim }) => claim.kind === "exclusive" ? claim.count : [])).size > 1;
}

/** What the pod's cgroup, and those above it, leave it by all that is known: once they leave it less, others have to do. */
function limitsOf({ placed }: View, pod: Pod): string {
  return [...placed.values()].flatMap(({ id, podUid, claim }) =>
    podUid === uidOf(pod) && claim.kind !== "shared" && claim.limit !== undefined
      ? [`${id} ${claim.limit.cpus}`]
      : []
  ).join(" ");
}

/** What its containers have exclusively, and what is held so for it. */
function exclusiveOf({ placed, held }: View, pod: Pod): CpuSet {
  const own = [...placed.values(), ...held].filter(({ podUid, claim }) =>
    podUid === uidOf(pod) && claim.kind === "exclusive"
  );
  return CpuSet.unionOf(own.map(({ grant }) => grant));
}

/**
 * CPUs that are claimed, and still free for a container: what is held for its own pod, and what ended containers of that had
 * by all that can be read; for a pinned one all that is held exclusively.
 */
export function freedFor(
  { inCharge, runtime, settings, tree, scenario }: World,
  container: Container,
  found: "held" | "ended" = "ended",
): CpuSet {
  const { kind } = expectation(container, settings);
  if (inCharge === undefined || kind === "shared") return CpuSet.empty;
  const isPinned = kind === "pinned";
  const uid = uidOf(container.pod);
  const held = inCharge.held.filter(({ podUid, claim, isLeft }) =>
    claim.kind === "exclusive" && !isLeft && (isPinned || podUid === uid)
  );
  const ended = [...inCharge.placed.values()].filter(({ id, podUid, claim, kernel }) =>
    podUid === uid && claim.kind === "exclusive" && kernel instanceof CpuSet &&
    runtime.containers.get(id)?.life === "exited" && !tree.unreadable.has(id) && !runtime.lingering.has(id) &&
    container.pod.spec.handler === undefined
  );
  const isSeen = found === "ended" && scenario.mode === "kernel" && !tree.isGone;
  return CpuSet.unionOf([...held, ...isSeen ? ended : []].map(({ grant }) => grant));
}

/** At rest: claims are held for pods that live, and for containers that don't. */
export function heldForNobody({ inCharge, runtime }: World): string | undefined {
  const left = inCharge?.leftovers[0];
  if (left !== undefined) return `${left.id} has ended, and is taken for having left processes behind`;
  for (const { name, podUid, grant } of inCharge?.held ?? []) {
    const pod = [...runtime.pods.values()].find((pod) => uidOf(pod) === podUid);
    if (pod === undefined || pod.stopped) return `${grant} is held for ${podUid}, which has ended`;
    const living = runtime.living(pod, name);
    if (living !== undefined && inCharge?.placed.has(living.id)) {
      return `${grant} is held for ${name} of ${podUid}, which lives`;
    }
  }
  return undefined;
}
