/** What must hold of pods with resources of their own: by what the runtime has told the agent that decides, and what it lists. */
import type { Placement } from "../../src/cpu/placement.ts";
import type { Instance } from "./instance.ts";
import { figuresOfPod } from "./pod_figures.ts";
import type { Pod } from "./records.ts";
import { sharesInPod } from "./view.ts";
import type { World } from "./world.ts";

/**
 * Of a pod whose containers' own limits nobody has changed; where the agent was told its last one, or the pod was created with
 * that. Where it has less, a container with its figures is degraded, unless all that are left have others,
 * or it is to be whole cores, of which it keeps as many as it can.
 */
export function podsAreWithinLimits({ inCharge, owner, runtime }: World): string | undefined {
  for (const [pod, all] of Map.groupBy(inCharge?.placed.values() ?? [], ({ podUid }) => podUid)) {
    const [first, ...others] = all.filter(sharesInPod);
    const other = others.find(({ grant }) => !grant.equals(first?.grant ?? grant));
    if (other !== undefined) return `${pod}: ${first?.id} has ${first?.grant}, ${other.id} ${other.grant}`;
    const known = runtime.containers.get(first?.id ?? "")?.pod;
    const limit = known && knownLimit(owner, known);
    if (first === undefined || limit === undefined) continue;
    const held = inCharge?.held.filter(({ podUid }) => podUid === pod) ?? [];
    const own = [...all, ...held].filter((each) => each.claim.kind === "exclusive" && !sharesInPod(each));
    const used = own.reduce((sum, { grant }) => sum + grant.size, first.grant.size);
    if (used > limit) return `${pod} has ${used} CPUs, its limit is ${limit}`;
    const owners = all.filter(sharesInPod).flatMap(({ claim }) => claim.kind === "exclusive" ? [claim] : []);
    const isWhole = owners.length > 0 && owners.every(({ placement }) => !isByCores(placement)) &&
      all.every(({ degraded }) => degraded === undefined);
    if (isWhole && used < limit) return `${pod} has only ${used} CPUs, its limit is ${limit}`;
  }
  return undefined;
}

function isByCores(placement: Placement): boolean {
  return placement !== "packed" && placement !== "spread";
}

/** The limit of a pod, where the agent can know it. */
function knownLimit(owner: Instance | undefined, pod: Pod): number | undefined {
  const told = owner?.newsOf.get(pod)?.quota ?? figuresOfPod(pod.spec)?.quota;
  return !pod.isDisputed && told === figuresOfPod(pod)?.quota ? pod.limit : undefined;
}
