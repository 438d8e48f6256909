/**
 * What pods as a whole may use by now: the runtime reports it once, by UpdatePodSandbox, and goes on listing what the pod was
 * created with (containerd up to 2.4). So it is noted on standby too, and by an agent that was released.
 */
import { create } from "@bufbuild/protobuf";
import {
  type Container,
  LinuxPodSandboxSchema,
  type LinuxResources,
  type PodSandbox,
} from "../nri/gen/nri_pb.ts";
import { mergeResources, withRequestOfLimit } from "../nri/merge_resources.ts";
import type { Call } from "../nri/methods.ts";
import { type Figures, figuresOf, isWhole, wholeCpus, wholeLimit } from "../nri/whole_cpus.ts";

/** By the sandbox's id: kubelet stops a sandbox once more before it removes it, when its pod may have another one. */
export type PodResources = ReadonlyMap<string, LinuxResources>;

/** More pods than a node has; of more the oldest news is forgotten. */
const MAX_PODS = 1024;

/** How many CPUs a pod as a whole may use from now on; undefined where that isn't said, or is less than one. */
export function newLimit(news: LinuxResources | undefined): number | undefined {
  return wholeLimit(figuresOf(news?.cpu)) || undefined;
}

/** With the news of a pod, and without one that has ended. */
export function withPodNews(all: PodResources, call: Call): PodResources {
  const news = call.kind === "UpdatePodSandbox" && newLimit(call.resources) ? call.resources : undefined;
  const isOver = call.kind === "StopPodSandbox" && all.has(call.pod.id);
  if (!("pod" in call) || (news === undefined && !isOver)) return all;
  const others = [...all].filter(([id]) => id !== call.pod.id);
  return new Map([...others, ...(news === undefined ? [] : [[call.pod.id, news] as const])].slice(-MAX_PODS));
}

/** The pod with what it may use by now. */
export function currentPod(all: PodResources, pod: PodSandbox): PodSandbox {
  const podResources = all.get(pod.id);
  if (podResources === undefined) return pod;
  return { ...pod, linux: { ...(pod.linux ?? create(LinuxPodSandboxSchema)), podResources } };
}

/**
 * A listed container with its pod's figures of now, where it has those that the pod was created with: kubelet gives it the pod's, and
 * need not have them changed. Where the containers' own figures are the pod's together, it has its own.
 *
 * @param listed its pod as the runtime lists it
 * @param now the same with what it may use by now
 * @param all the listed containers of the pod
 */
export function withPodFigures(
  container: Container,
  listed: PodSandbox,
  now: PodSandbox,
  all: readonly Container[],
): Container {
  if (now === listed) return container;
  const before = figuresOf(listed.linux?.podResources?.cpu);
  const after = figuresOf(now.linux?.podResources?.cpu);
  const isOfPod = isWhole(before) && isWhole(after) &&
    milliCpus(figuresIn(container)) === milliCpus(before) &&
    all.reduce((sum, each) => sum + milliCpus(figuresIn(each)), 0n) !== milliCpus(after);
  return isOfPod ? withRequestOfLimit(mergeResources(container, now.linux?.podResources)) : container;
}

function figuresIn({ linux }: Container): Figures {
  return figuresOf(linux?.resources?.cpu);
}

/** Thousandths of a CPU that a limit allows, by the request where the quota is switched off; 0: none. */
function milliCpus(figures: Figures): bigint {
  const { quota, period } = figures;
  if (quota > 0n && period > 0n) return quota * 1000n / period;
  const count = wholeCpus(figures);
  return typeof count === "bigint" ? count * 1000n : 0n;
}
