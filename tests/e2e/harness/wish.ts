/** What containers may expect of the node, by their pods' own words; written without the agent's code, which it judges. */
import { numbers } from "../../system/node/machine.ts";
import type { KubeContainer, KubePod, KubeResources } from "./kube.ts";

export type Wish =
  | { readonly kind: "pinned"; readonly cpus: readonly number[] }
  | { readonly kind: "exclusive"; readonly count: number; readonly forbidden: readonly number[] }
  | { readonly kind: "shared"; readonly forbidden: readonly number[] };

export const CORES_IDS = "weka.io/cores-ids";
export const FORBID_CORE_IDS = "weka.io/forbid-core-ids";

/** By the pod's annotations and the container's resources. */
export function wishOf(pod: KubePod, container: KubeContainer): Wish {
  const isGuaranteed = pod.status.qosClass === "Guaranteed";
  return wishFrom(pod.metadata.annotations ?? {}, isGuaranteed ? wholeCpus(container.resources) : 0);
}

/** @param count whole CPUs that a container of a Guaranteed pod has as its limit; 0: none */
export function wishFrom(annotations: Readonly<Record<string, string>>, count: number): Wish {
  const cpus = numbersIn(annotations[CORES_IDS]);
  if (cpus.length > 0) return { kind: "pinned", cpus };
  const forbidden = numbersIn(annotations[FORBID_CORE_IDS]);
  return count > 0 ? { kind: "exclusive", count, forbidden } : { kind: "shared", forbidden };
}

function wholeCpus(resources: KubeResources = {}): number {
  const limit = quantity(resources.limits?.["cpu"]);
  const request = quantity(resources.requests?.["cpu"] ?? resources.limits?.["cpu"]);
  return limit === request && Number.isInteger(limit) ? limit : 0;
}

/** CPUs, as Kubernetes writes them: `1500m` are 1.5. */
export function quantity(text = "0"): number {
  return text.endsWith("m") ? Number(text.slice(0, -1)) / 1000 : Number(text);
}

/** An invalid list counts as none: the agent refuses it, or ignores it. */
function numbersIn(list = ""): number[] {
  const all = list.split(",").map((item) => item.trim());
  return all.every((item) => /^\d+(-\d+)?$/.test(item)) ? numbers(all.join(",")) : [];
}
