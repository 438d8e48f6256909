import { cgroupAround, slicePath } from "../cgroup_names.ts";
import type { CgroupHints } from "../ledger/claim.ts";
import type { Container, PodSandbox } from "./gen/nri_pb.ts";

/**
 * Whether the pod's QoS class is Guaranteed. NRI has no field for it; it only shows in the pod's cgroup parent, because
 * kubelet puts pods of the other classes below a group `burstable` or `besteffort`, in its system partition
 * (`kubepods/system`, Kubernetes 1.37) too. Outside kubelet's tree (a bare CRI client) a memory limit of the container
 * stands in for it.
 */
export function isGuaranteed(pod: PodSandbox, container: Container): boolean {
  const above = abovePod(podCgroupOf(pod.linux?.cgroupParent ?? "", container.linux?.cgroupsPath ?? ""));
  if (above !== undefined) return !above.some(isClass);
  return (container.linux?.resources?.memory?.limit?.value ?? 0n) > 0n;
}

/** The cgroup of a pod: as the runtime reports it, else what is around its container, as a path or by the name of its slice. */
function podCgroupOf(parent: string, path: string): string {
  return parent === "" ? cgroupAround(path) : parent;
}

/**
 * The names of the groups between the last `kubepods` in a path and the pod, whose own begins with `pod`; undefined
 * outside of kubelet's tree. With the cgroupfs driver each part of the path is a name: `/node/kubepods/burstable/pod1`.
 * With systemd's it is a slice, which spells out all the names above it:
 * `/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod1.slice`; there kubelet has replaced the dashes
 * that were part of a name.
 */
function abovePod(cgroup: string): readonly string[] | undefined {
  const names = cgroup.split("/").filter((part) => part !== "").flatMap((part) =>
    part.endsWith(SLICE) ? part.slice(0, -SLICE.length).split("-") : [part]
  );
  const at = names.lastIndexOf(KUBEPODS);
  if (at < 0) return undefined;
  const below = names.slice(at + 1);
  const pod = below.findIndex((name) => name.startsWith("pod"));
  return pod < 0 ? below : below.slice(0, pod);
}

/** The cgroups of the QoS classes beside which, or in which, a container is, by their paths. */
export interface QosClasses {
  readonly all: readonly string[];
  /** The one that it is in; absent: its pod is Guaranteed. */
  readonly own?: string;
}

type Place = Pick<CgroupHints, "parent" | "path">;

/** What follows from places, which never change: it is asked for several times of each container of a list. */
const known = new WeakMap<Place, { readonly classes: QosClasses | undefined }>();

/**
 * The cgroups of Burstable and BestEffort pods in the same tree of kubelet's as a container, those of its system partition
 * among them, which may not be there; undefined outside of such a tree. See kubelet's
 * pkg/kubelet/cm/qos_container_manager_linux.go.
 */
export function qosClassesOf(place: Place): QosClasses | undefined {
  const found = known.get(place) ?? { classes: classesAround(place) };
  known.set(place, found);
  return found.classes;
}

function classesAround({ parent, path }: Place): QosClasses | undefined {
  const cgroup = podCgroupOf(parent, path);
  const above = abovePod(cgroup);
  const pathOf = pathsBelowKubepods(cgroup);
  if (above === undefined || pathOf === undefined) return undefined;
  const at = above.findIndex(isClass);
  const partition = at < 0 ? above : above.slice(0, at);
  const all = [[], [SYSTEM], partition].flatMap((tree) =>
    CLASSES.flatMap((name) => pathOf([...tree, name]) ?? [])
  );
  const own = at < 0 ? undefined : pathOf(above.slice(0, at + 1));
  // A slice with an odd name has no path.
  if (all.length === 0) return undefined;
  return { all: [...new Set(all)], ...(own === undefined ? {} : { own }) };
}

/** Whether the cgroup of a QoS class is that of kubelet's system partition. */
export function isInSystemPartition(path: string): boolean {
  return abovePod(path)?.[0] === SYSTEM;
}

const SLICE = ".slice";
const KUBEPODS = "kubepods";
/** The partition of pods that belong to the node's own system. */
const SYSTEM = "system";
const CLASSES: readonly string[] = ["burstable", "besteffort"];

function isClass(name: string): boolean {
  return CLASSES.includes(name);
}

/** How a cgroup below the `kubepods` of this one is written, by the names below; undefined where there is none above it. */
function pathsBelowKubepods(
  cgroup: string,
): ((below: readonly string[]) => string | undefined) | undefined {
  const names = cgroup.split("/").filter((name) => name !== "");
  const last = names.at(-1) ?? "";
  const isSlice = last.endsWith(SLICE);
  const parts = isSlice ? last.slice(0, -SLICE.length).split("-") : names;
  const kubepods = parts.slice(0, parts.lastIndexOf(KUBEPODS) + 1);
  if (kubepods.length === 0) return undefined;
  return (below) => {
    const path = [...kubepods, ...below];
    return isSlice ? slicePath(`${path.join("-")}${SLICE}`) : `/${path.join("/")}`;
  };
}
