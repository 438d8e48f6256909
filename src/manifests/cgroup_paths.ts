import type { QosClass } from "./resources.ts";

/** How kubelet and the runtime name cgroups: plain folders, or systemd's slices and scopes. */
export type CgroupDriver = "cgroupfs" | "systemd";

/** A container's place: what the OCI spec (and so NRI) calls it, and its folder below the cgroup root. */
export interface ContainerCgroup {
  cgroupsPath: string;
  directory: string;
}

/** The pod's cgroup, as kubelet hands it to the runtime. A Guaranteed pod has no level for its class. */
export function podCgroup(qos: QosClass, uid: string, driver: CgroupDriver): string {
  const level = qos === "Guaranteed" ? "" : qos.toLowerCase();
  if (driver === "cgroupfs") return ["/kubepods", level, `pod${uid}`].filter(Boolean).join("/");
  const pod = ["kubepods", level, `pod${uid.replaceAll("-", "_")}`].filter(Boolean).join("-");
  return ["/kubepods.slice", level && `kubepods-${level}.slice`, `${pod}.slice`].filter(Boolean).join("/");
}

/** The cgroups of the classes that have one, which kubelet makes when it starts. */
export function classCgroups(driver: CgroupDriver): string[] {
  return (["Burstable", "BestEffort"] as const).map((qos) => {
    const pod = podCgroup(qos, "", driver);
    return pod.slice(0, pod.lastIndexOf("/"));
  });
}

/** Where containerd puts a container of that pod. */
export function containerCgroup(parent: string, id: string): ContainerCgroup {
  if (!parent.endsWith(".slice")) return { cgroupsPath: `${parent}/${id}`, directory: `${parent}/${id}` };
  const slice = parent.slice(parent.lastIndexOf("/") + 1);
  return { cgroupsPath: `${slice}:cri-containerd:${id}`, directory: `${parent}/cri-containerd-${id}.scope` };
}
