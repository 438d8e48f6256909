/** What must hold of containers whose threads have masks of their own, as far as the agent has seen them. */
import { CpuSet } from "../../src/cpu/cpu_set.ts";
import type { Instance } from "./instance.ts";
import { sharesInPod, type View } from "./view.ts";
import type { World } from "./world.ts";

/** Moves that no plan has made: CPUs went or came back, its pod lacks some, or it had less than it claims. */
function isForced(before: View, after: View, id: string): boolean {
  const was = before.placed.get(id);
  const claims = [...after.placed.values()].filter((each) =>
    each.id === id || (each.podUid === was?.podUid && sharesInPod(each))
  ).map(({ claim }) => claim);
  const isLimited = claims.some((claim) =>
    claim.kind === "exclusive" && claim.limit !== undefined &&
    was?.grant.isSubsetOf(claim.limit.cpus) === false
  );
  return !before.online.equals(after.online) || isLimited || was?.degraded !== undefined;
}

/** `before`: the agent's view before a step; what it has seen in that step doesn't count yet. */
export function movedProblem(
  { runtime, inCharge }: World,
  { pinsItself }: Instance,
  before: View,
): string | undefined {
  for (const id of pinsItself) {
    // What it knew no more it has to see anew.
    if (inCharge?.placed.has(id) === false) pinsItself.delete(id);
    const [was, is] = [before.placed.get(id), inCharge?.placed.get(id)];
    const annotations = runtime.containers.get(id)?.pod.spec.annotations ?? {};
    if (was?.claim.kind !== "exclusive" || is === undefined || inCharge === undefined) continue;
    const isResized = was.grant.size !== is.grant.size;
    if (annotations["weka.io/movable"] === "true" || isResized || isForced(before, inCharge, id)) continue;
    if (!was.grant.equals(is.grant)) {
      return `${id} pins its own threads, and is moved from ${was.grant} to ${is.grant}`;
    }
  }
  return undefined;
}

export function narrowedIsTrue({ inCharge, kernel }: World): string | undefined {
  for (const { id, affinity } of inCharge?.placed.values() ?? []) {
    const isThere = kernel.written(id) !== undefined;
    if (affinity === "narrowed" && isThere && !kernel.masks.isInherited(id)) return id;
  }
  return undefined;
}

/** Whether a look at a container's threads shows now that it pins them. */
export function seenToPin({ kernel }: World, id: string): boolean {
  return kernel.masks.pinsItself(id, kernel.effective(id) ?? CpuSet.empty);
}
