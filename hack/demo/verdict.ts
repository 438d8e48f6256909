/** Checks the cgroup tree against the manifests, independently of the agent. */
import { CpuSet } from "../../src/cpu/cpu_set.ts";
import { demandsOf } from "../../src/manifests/manifest.ts";
import { type ContainerRecord, nameOf } from "../../tests/kit/runtime/node_state.ts";
import { qosClass } from "../../src/manifests/resources.ts";

/** A running container: the expected and the actual CPUs. */
export interface Placed {
  name: string;
  promise:
    | { kind: "pinned"; cpus: CpuSet }
    | { kind: "exclusive"; count: number }
    | { kind: "shared"; forbidden: CpuSet };
  cpus: CpuSet;
}

/** The container with its CPUs in the cgroup tree. */
export function placed(container: Readonly<ContainerRecord>, cpus: CpuSet): Placed {
  return { name: nameOf(container), promise: promiseOf(container), cpus };
}

/** The node's faults, one sentence each. */
export function faults(containers: readonly Placed[], online: CpuSet): string[] {
  const claims = containers.filter(({ promise }) => promise.kind !== "shared");
  const claimed = CpuSet.unionOf(claims.map(({ cpus }) => cpus));
  return containers.flatMap((container) => {
    const { name, promise, cpus } = container;
    switch (promise.kind) {
      case "pinned":
        return cpus.equals(promise.cpus) ? [] : [`${name} claims CPUs ${promise.cpus} but runs on ${cpus}`];
      case "exclusive":
        return [
          ...(cpus.size === promise.count
            ? []
            : [`${name} claims ${promise.count} CPUs but runs on ${cpus}`]),
          ...claims.filter((other) => other !== container && other.cpus.intersects(cpus))
            .map((other) => `${name} and ${other.name} overlap on CPUs ${cpus.intersection(other.cpus)}`),
        ];
      case "shared": {
        const due = online.difference(claimed).difference(promise.forbidden);
        return cpus.equals(due)
          ? []
          : [`${name} should run on the shared pool, CPUs ${due}, but runs on ${cpus}`];
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
  throw new Error(`a sample's annotation is not a CPU list: ${set.problem}`);
}
