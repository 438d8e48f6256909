/**
 * What pods as a whole may use by now: the runtime reports it once, by UpdatePodSandbox, and goes on listing what the pod was
 * created with (containerd up to 2.4).
 */
import { create } from "@bufbuild/protobuf";
import { LinuxPodSandboxSchema, type LinuxResources, type PodSandbox } from "../nri/gen/nri_pb.ts";

/** By the pod's uid. */
export type PodResources = ReadonlyMap<string, LinuxResources>;

/** More pods than a node has; of more the oldest news is forgotten. */
const MAX_PODS = 1024;

/** With the news of one more pod. */
export function withPodResources(all: PodResources, { uid }: PodSandbox, news: LinuxResources): PodResources {
  const others = [...all].filter(([each]) => each !== uid);
  return new Map([...others, [uid, news] as const].slice(-MAX_PODS));
}

/** Without a pod, which has ended. */
export function withoutPod(all: PodResources, { uid }: PodSandbox): PodResources {
  return all.has(uid) ? new Map([...all].filter(([each]) => each !== uid)) : all;
}

/** The pod with what it may use by now. */
export function currentPod(all: PodResources, pod: PodSandbox): PodSandbox {
  const podResources = all.get(pod.uid);
  if (podResources === undefined) return pod;
  return { ...pod, linux: { ...(pod.linux ?? create(LinuxPodSandboxSchema)), podResources } };
}
