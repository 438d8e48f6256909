/** The runtime's other interface: what it lists, and what one can see in its cgroup tree. */
import type { CpuSet } from "../../src/cpu/cpu_set.ts";
import { type Confined, likelyClaims } from "../../src/cgroup/likely_claims.ts";
import type { Listing, Living } from "../../src/agent/early.ts";
import { containerMessage, podMessage, sandboxId } from "./messages.ts";
import { hasCgroup, isAlive, isListed } from "./records.ts";
import type { Runtime } from "./runtime.ts";

/**
 * What `list` brings: pods and containers by their present records, which is what `info.runtimeSpec` shows; of pods that live
 * also those that have stopped.
 */
export function adoptable({ pods, containers, nri }: Runtime): Listing {
  const listed = [...containers.values()].filter((each) =>
    isListed(each) || (!isAlive(each) && !each.failed && !each.pod.stopped)
  );
  return {
    pods: [...pods.values()].filter((pod) => listed.some((each) => each.pod === pod)).map(podMessage),
    containers: listed.map((each) => containerMessage(each, nri)),
  };
}

/** What `count` brings: the ids of all that live. */
export function counted({ containers, pods }: Runtime): Living {
  return {
    containers: new Set([...containers.values()].filter(isListed).map(({ id }) => id)),
    sandboxes: new Set([...pods.values()].filter(({ stopped }) => !stopped).map(sandboxId)),
  };
}

/** What `scan` brings: CPUs that seem to be taken, by where containers are confined to. */
export function scanned({ containers, kernel }: Runtime): CpuSet {
  const confined: Confined[] = [];
  for (const container of containers.values()) {
    const cpus = hasCgroup(container) ? kernel.effective(container.id) : undefined;
    if (cpus === undefined || cpus.equals(kernel.usable)) continue;
    const { pod } = container;
    confined.push({ cpus, pod: `${pod.number}`, guaranteed: pod.spec.qos === "guaranteed" });
  }
  return likelyClaims(confined, kernel.usable);
}
