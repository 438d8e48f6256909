/** Which containers a pod has. */
import type { ContainerRef } from "./claim.ts";
import type { IdMap } from "./id_map.ts";

/** Pod uid to the ids of its containers. */
export type PodIndex = IdMap<readonly string[]>;

type Member = Pick<ContainerRef, "id" | "podUid">;

/** The index with a container, no longer in the pod of `before`; the same where it has it. */
export function inPod(pods: PodIndex, { id, podUid }: Member, before?: Member): PodIndex {
  const others = before === undefined || before.podUid === podUid ? pods : outOfPod(pods, before);
  const known = others.get(podUid) ?? [];
  return known.includes(id) ? others : others.set(podUid, [...known, id]);
}

/** The index with containers of which it has none. */
export function allInPods(pods: PodIndex, containers: readonly Member[]): PodIndex {
  const members = Map.groupBy(containers, ({ podUid }) => podUid);
  return pods.setAll(
    [...members].map(([podUid, all]) => [podUid, [...pods.get(podUid) ?? [], ...all.map(({ id }) => id)]]),
  );
}

/** The index without it. */
export function outOfPod(pods: PodIndex, { id, podUid }: Member): PodIndex {
  const left = (pods.get(podUid) ?? []).filter((other) => other !== id);
  return left.length === 0 ? pods.delete(podUid) : pods.set(podUid, left);
}
