/**
 * Who may run where, judged from the manifests and the cgroup tree alone: the demo's own opinion, which asks the
 * agent nothing.
 */
import { CpuSet } from "../../src/cpu/cpu_set.ts";
import { demandsOf } from "../../tests/kit/runtime/manifest.ts";
import { type ContainerRecord, nameOf } from "../../tests/kit/runtime/node_state.ts";
import { qosClass } from "../../tests/kit/runtime/resources.ts";

/** A running container: what it was promised and what it has. */
export interface Placed {
  name: string;
  promise:
    | { kind: "pinned"; cpus: CpuSet }
    | { kind: "exclusive"; count: number }
    | { kind: "shared"; forbidden: CpuSet };
  cpus: CpuSet;
}

/** The container with its CPUs, as the cgroup tree has them. */
export function placed(container: Readonly<ContainerRecord>, cpus: CpuSet): Placed {
  return { name: nameOf(container), promise: promiseOf(container), cpus };
}

/** What is wrong with this node, one sentence for each fault. */
export function faults(containers: readonly Placed[], online: CpuSet): string[] {
  const claims = containers.filter(({ promise }) => promise.kind !== "shared");
  const claimed = CpuSet.unionOf(claims.map(({ cpus }) => cpus));
  return containers.flatMap((container) => {
    const { name, promise, cpus } = container;
    switch (promise.kind) {
      case "pinned":
        return cpus.equals(promise.cpus) ? [] : [`${name} asked for CPUs ${promise.cpus} and has ${cpus}`];
      case "exclusive":
        return [
          ...(cpus.size === promise.count ? [] : [`${name} asked for ${promise.count} CPUs and has ${cpus}`]),
          ...claims.filter((other) => other !== container && other.cpus.intersects(cpus))
            .map((other) => `${name} and ${other.name} meet on CPUs ${cpus.intersection(other.cpus)}`),
        ];
      case "shared": {
        const due = online.difference(claimed).difference(promise.forbidden);
        return cpus.equals(due) ? [] : [`${name} shares what is left, CPUs ${due}, and has ${cpus}`];
      }
    }
  });
}

function promiseOf({ pod, spec }: Readonly<ContainerRecord>): Placed["promise"] {
  const { annotations } = pod.spec;
  const pinned = annotations["weka.io/cores-ids"];
  if (pinned !== undefined) return { kind: "pinned", cpus: listed(pinned) };
  const whole = spec.limits.cpu !== undefined && spec.limits.cpu > 0 && spec.limits.cpu % 1000 === 0;
  if (whole && qosClass(demandsOf(pod.spec)) === "Guaranteed") {
    return { kind: "exclusive", count: (spec.limits.cpu ?? 0) / 1000 };
  }
  return { kind: "shared", forbidden: listed(annotations["weka.io/forbid-core-ids"] ?? "") };
}

/** The samples' annotations are good ones. */
function listed(text: string): CpuSet {
  const set = CpuSet.parse(text);
  if (set instanceof CpuSet) return set;
  throw new Error(`a sample's annotation is no CPU list: ${set.problem}`);
}
