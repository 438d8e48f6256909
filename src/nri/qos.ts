import { cgroupAround, slicePath } from "../cgroup_names.ts";
import type { CgroupHints } from "../ledger/claim.ts";
import type { Container, PodSandbox } from "./gen/nri_pb.ts";

/**
 * Whether the pod's QoS class is Guaranteed. NRI has no field for it; it only shows in the pod's cgroup parent, because
 * kubelet puts pods of the other classes below a group `burstable` or `besteffort`. Outside kubelet's tree (a bare
 * CRI client) a memory limit of the container stands in for it.
 */
export function isGuaranteed(pod: PodSandbox, container: Container): boolean {
  const below = belowKubepods(podCgroupOf(pod.linux?.cgroupParent ?? "", container.linux?.cgroupsPath ?? ""));
  if (below !== undefined) return below !== "burstable" && below !== "besteffort";
  return (container.linux?.resources?.memory?.limit?.value ?? 0n) > 0n;
}

/** The cgroup of a pod: as the runtime reports it, else what is around its container, as a path or by the name of its slice. */
function podCgroupOf(parent: string, path: string): string {
  return parent === "" ? cgroupAround(path) : parent;
}

/**
 * The name of the group right below the last `kubepods` in a path, empty for `kubepods` itself; undefined outside
 * of kubelet's tree. With the cgroupfs driver each part of the path is a name: `/node/kubepods/burstable/pod1`. With
 * systemd's it is a slice, which spells out all the names above it:
 * `/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod1.slice`; there kubelet has replaced the dashes
 * that were part of a name.
 */
function belowKubepods(cgroup: string): string | undefined {
  const names = cgroup.split("/").flatMap((part) =>
    part.endsWith(SLICE) ? part.slice(0, -SLICE.length).split("-") : [part]
  );
  const at = names.lastIndexOf("kubepods");
  return at < 0 ? undefined : names[at + 1] ?? "";
}

/** The cgroups of the QoS classes beside which, or in which, a container is, by their paths. */
export interface QosClasses {
  readonly all: readonly string[];
  /** The one that it is in; absent: its pod is Guaranteed. */
  readonly own?: string;
}

/**
 * The cgroups of Burstable and BestEffort pods in the same tree of kubelet's as a container; undefined outside of such a
 * tree. See kubelet's pkg/kubelet/cm/qos_container_manager_linux.go.
 */
export function qosClassesOf({ parent, path }: Pick<CgroupHints, "parent" | "path">): QosClasses | undefined {
  const cgroup = podCgroupOf(parent, path);
  const below = belowKubepods(cgroup);
  const all = below === undefined ? [] : classPaths(cgroup);
  if (all.length === 0) return undefined;
  const own = all[NAMES.indexOf(below ?? "")];
  return own === undefined ? { all } : { all, own };
}

const SLICE = ".slice";
const NAMES = ["burstable", "besteffort"];

function classPaths(cgroup: string): string[] {
  const names = cgroup.split("/").filter((name) => name !== "");
  const last = names.at(-1) ?? "";
  if (last.endsWith(SLICE)) {
    const parts = last.slice(0, -SLICE.length).split("-");
    const kubepods = parts.slice(0, parts.lastIndexOf("kubepods") + 1);
    return kubepods.length === 0
      ? []
      : NAMES.flatMap((name) => slicePath([...kubepods, `${name}${SLICE}`].join("-")) ?? []);
  }
  const kubepods = names.slice(0, names.lastIndexOf("kubepods") + 1);
  return kubepods.length === 0 ? [] : NAMES.map((name) => `/${[...kubepods, name].join("/")}`);
}
