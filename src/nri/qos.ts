import type { Container, PodSandbox } from "./gen/nri_pb.ts";

/**
 * Whether the pod's QoS class is Guaranteed. NRI has no field for it; it only shows in the pod's cgroup parent, because
 * kubelet puts pods of the other classes below a group `burstable` or `besteffort`. Outside kubelet's tree (a bare
 * CRI client) a memory limit of the container stands in for it.
 */
export function isGuaranteed(pod: PodSandbox, container: Container): boolean {
  const below = belowKubepods(pod.linux?.cgroupParent ?? "");
  if (below !== undefined) return below !== "burstable" && below !== "besteffort";
  return (container.linux?.resources?.memory?.limit?.value ?? 0n) > 0n;
}

/**
 * The name of the group right below the last `kubepods` in a path, empty for `kubepods` itself; undefined outside
 * of kubelet's tree. With the cgroupfs driver each part of the path is a name: `/node/kubepods/burstable/pod1`. With
 * systemd's it is a slice, which spells out all the names above it:
 * `/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod1.slice`; there kubelet has replaced the dashes
 * that were part of a name.
 */
function belowKubepods(cgroupParent: string): string | undefined {
  const names = cgroupParent.split("/").flatMap((part) =>
    part.endsWith(".slice") ? part.slice(0, -".slice".length).split("-") : [part]
  );
  const at = names.lastIndexOf("kubepods");
  return at < 0 ? undefined : names[at + 1] ?? "";
}
