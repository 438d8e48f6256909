import { numbers } from "./machine.ts";

/** A pod with one container, as kubelet would ask the CRI for it. */
export interface Pod {
  readonly annotations: Readonly<Record<string, string>>;
  /** Decides the pod's cgroup parent, by which a runtime's plugin can tell the class. */
  readonly qos: "guaranteed" | "burstable" | "besteffort";
  /** CPUs requested, and the limit of them (0: none). */
  readonly request: number;
  readonly limit: number;
  /** In place of the image's own. */
  readonly command?: readonly string[];
  /** What its RuntimeClass names; absent: the default runtime. */
  readonly handler?: string;
  /** MiB in huge pages of 2 MiB. */
  readonly hugePages?: number;
}

/** Which CPUs a pod asks for, in whatever way. */
export type Wish =
  | { readonly kind: "shared" }
  | { readonly kind: "pinned"; readonly cpus: readonly number[] }
  | { readonly kind: "exclusive"; readonly count: number };

/** What is owed to the pod if there is room. */
export function wishOf({ annotations, qos, request, limit }: Pod): Wish {
  const list = annotations["weka.io/cores-ids"];
  if (list !== undefined) return { kind: "pinned", cpus: numbers(list) };
  const whole = qos === "guaranteed" && limit === request && limit >= 1 && Number.isInteger(limit);
  return whole ? { kind: "exclusive", count: limit } : { kind: "shared" };
}

/** Best effort: asks for no CPU. */
export function shared(annotations: Pod["annotations"] = {}): Pod {
  return { annotations, qos: "besteffort", request: 0, limit: 0 };
}

/** Burstable, pinned by annotation to the CPU list `list`. */
export function pinned(list: string): Pod {
  return { annotations: { "weka.io/cores-ids": list }, qos: "burstable", request: 0.1, limit: 0 };
}

/** Guaranteed with a whole number of CPUs, so exclusive. */
export function exclusive(cpus: number, annotations: Pod["annotations"] = {}): Pod {
  return { annotations, qos: "guaranteed", request: cpus, limit: cpus };
}

/** What kubelet makes of CPU request and limit: at least 2 shares; a quota in a period of 100 ms. */
export function resources({ request, limit, hugePages = 0 }: Pod) {
  return {
    cpuShares: BigInt(Math.max(2, Math.trunc(request * 1024))),
    cpuPeriod: 100_000n,
    cpuQuota: BigInt(limit * 100_000),
    memoryLimitInBytes: limit > 0 ? 64n << 20n : 0n,
    hugepageLimits: hugePages > 0 ? [{ pageSize: "2MB", limit: BigInt(hugePages) << 20n }] : [],
  };
}

/** The pod's cgroup under `root`, as kubelet's cgroupfs driver places it. */
export function cgroupParent(root: string, { qos }: Pod, uid: string): string {
  return qos === "guaranteed" ? `${root}/kubepods/pod${uid}` : `${root}/kubepods/${qos}/pod${uid}`;
}

/** The same as its systemd driver does: a slice's name has its parents' in it, so that their own dashes must go. */
export function sliceParent(root: string, { qos }: Pod, uid: string): string {
  const own = [root.slice(1), "kubepods", ...(qos === "guaranteed" ? [] : [qos]), `pod${uid}`];
  const names = own.filter((name) => name !== "").map((name) => name.replaceAll("-", "_"));
  return names.map((_, index) => `/${names.slice(0, index + 1).join("-")}.slice`).join("");
}
