/** What kubelet makes of the resources of a pod's own (KEP-2837), and of a resize of these. */
import { type ContainerSpec, figures, type Resources } from "./pods.ts";
import type { Pod } from "./records.ts";

/** The figures of a pod as a whole by now; undefined where it has none. */
export function figuresOfPod({ limit }: { readonly limit?: number | undefined }): Resources | undefined {
  return limit === undefined ? undefined : figures(limit * 1000, true);
}

/** A container without figures of its own is created with what its pod's are by now. */
export function withFiguresOfPod(pod: Pick<Pod, "limit" | "spec">, spec: ContainerSpec): ContainerSpec {
  const drawn = figuresOfPod(pod.spec);
  const isOfPod = drawn !== undefined && spec.resources.quota === drawn.quota;
  return isOfPod ? { ...spec, resources: figuresOfPod(pod) ?? spec.resources } : spec;
}

/**
 * The resources that the runtime is told of one after the other when a pod is resized, in CPUs: kubelet tells limit and request
 * apart, beside what the other is in the pod's cgroup then. The limit grows first, and shrinks last (doPodResizeAction).
 */
export function newsOf(before: number, after: number): Resources[] {
  const [was, is] = [figures(before * 1000, true), figures(after * 1000, true)];
  const half = after > before ? { ...is, shares: was.shares ?? 0 } : { ...was, shares: is.shares ?? 0 };
  return [half, is];
}
