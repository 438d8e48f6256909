/**
 * What a simulated container claims, by a second reading of the rules that shares nothing with the agent's: pods are
 * drawn from a few shapes, so it can be a short one.
 */
import { CpuSet } from "../../src/cpu/cpu_set.ts";
import type { Placement } from "../../src/cpu/placement.ts";
import { PLACEMENTS } from "../../src/cpu/placement.ts";
import type { Settings } from "../../src/agent/state.ts";
import type { PodSpec, Resources } from "./pods.ts";

export type Expected =
  | { readonly kind: "pinned"; readonly cpus: CpuSet }
  | {
    readonly kind: "exclusive";
    readonly count: number;
    readonly forbidden: CpuSet;
    readonly movable: boolean;
    readonly placement: Placement;
  }
  | { readonly kind: "shared"; readonly forbidden: CpuSet; readonly system: boolean }
  /** Refused, whatever is free. */
  | { readonly kind: "invalid" }
  | { readonly kind: "unmanaged" };

export function expectedOf(pod: PodSpec, name: string, resources: Resources, settings: Settings): Expected {
  const { rules } = settings;
  const annotation = (key: string) => pod.annotations[`${key}/container.${name}`] ?? pod.annotations[key];
  if (annotation("weka.io/cpuset") === "unmanaged" && listed(rules.unmanagedNamespaces, pod.namespace)) {
    return { kind: "unmanaged" };
  }
  const pinned = annotation("weka.io/cores-ids");
  if (pinned !== undefined) {
    const cpus = CpuSet.parse(pinned);
    return cpus instanceof CpuSet && !cpus.isEmpty && listed(rules.pinnedNamespaces, pod.namespace)
      ? { kind: "pinned", cpus }
      : { kind: "invalid" };
  }
  const list = CpuSet.parse(annotation("weka.io/forbid-core-ids") ?? "");
  const forbidden = list instanceof CpuSet ? list : CpuSet.empty;
  const { shares = 0, quota = 0, period = 0 } = resources;
  const count = quota / period;
  const whole = pod.qos === "guaranteed" && Number.isInteger(count) && count >= 1;
  if (whole && shares === Math.min(count * 1024, 262_144)) {
    const asked = annotation("weka.io/placement");
    const placement = PLACEMENTS.find((each) => each === asked) ?? rules.placement;
    return {
      kind: "exclusive",
      count,
      forbidden,
      movable: annotation("weka.io/movable") !== "false",
      placement,
    };
  }
  return { kind: "shared", forbidden, system: listed(rules.reservedNamespaces, pod.namespace) };
}

/**
 * How many CPUs of its own a container asks for once an update was agreed to, and how many before that (0: none). Its pod
 * stays Guaranteed, so only a quota tells; what else is sent beside it is looked at where that alone doesn't.
 */
export function countAfter(pod: PodSpec, record: Resources, update: Resources, before: number): number {
  const { quota = 0 } = update;
  if (pod.qos !== "guaranteed" || quota === 0) return before;
  if (quota < 0) {
    const asked = (update.shares ?? 0) / 1024;
    return asked === 0 ? before : Number.isInteger(asked) && asked < 256 ? asked : 0;
  }
  const count = quota / (update.period || record.period || Infinity);
  if (count === 0) return before;
  if (!Number.isInteger(count)) return 0;
  const matches = (update.shares || record.shares) === Math.min(count * 1024, 262_144);
  return before > 0 || matches ? count : 0;
}

function listed(namespaces: readonly string[], namespace: string): boolean {
  return namespaces.includes("*") || namespaces.includes(namespace);
}
