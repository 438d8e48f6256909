/** What the runtime remembers of pods and containers: the record, as opposed to what the kernel has. */
import type { ContainerSpec, PodSpec, Resources } from "./pods.ts";

export interface Pod {
  readonly number: number;
  readonly spec: PodSpec;
  /** The path of its cgroup. */
  readonly cgroup: string;
  /** What it may use as a whole by now, in CPUs; its spec has what its sandbox was created with, which is what is listed. */
  limit: number | undefined;
  /** Since then some container's own limit was updated to another: what that says of the pod's isn't known. */
  isDisputed: boolean;
  stopped: boolean;
}

/** Its uid, as kubelet gives it. */
export function uidOf({ number }: Pick<Pod, "number">): string {
  return `u${number}`;
}

/**
 *     asked     the plugins were asked, the runtime hasn't noted it yet: lists and updates don't know it
 *     created   noted
 *     starting  its cgroup is there, its process isn't: an update changes the record alone
 *     cleared   the plugins have let it start; an update still changes the record alone
 *     running
 *     exited    its cgroup is gone
 */
export type Life = "asked" | "created" | "starting" | "cleared" | "running" | "exited";

export interface Container {
  readonly id: string;
  readonly pod: Pod;
  readonly spec: ContainerSpec;
  /** Its place in the order of creations. */
  readonly made: number;
  /** Its cgroup, in the driver's notation. */
  readonly cgroup: string;
  record: Resources;
  life: Life;
  /** PostStartContainer was sent. */
  posted: boolean;
  /** It was sent an update before PostStartContainer, and none since: the agent can't know what came of that. */
  isUncertain: boolean;
  /** It has exited, and the runtime goes on listing it as running. */
  isForgotten: boolean;
  /** StopContainer was sent: that happens once. */
  stopTold: boolean;
  /** This run of the runtime has created or started it; containerd 1.7.24 reports no ends of others. */
  mentioned: boolean;
  /** Its creation or start failed: kubelet may try again under another id. */
  failed: boolean;
  /** Updates that the plugins have agreed to and that aren't applied yet, oldest first. */
  readonly agreed: Agreed[];
  /** Updates that were applied, without PostUpdateContainer so far. */
  unreported: number;
}

/** An update between the plugins' answer and its being applied. */
export interface Agreed {
  /** PostStartContainer had been sent when they agreed. */
  readonly firm: boolean;
  readonly resources: Resources;
  /** The agent's `apply` that waits for it, if one does. */
  readonly sequence?: { busy: boolean };
}

export function isAlive({ life }: Container): boolean {
  return life !== "exited";
}

/** Listed by the CRI and by Synchronize. */
export function isListed({ life, isForgotten }: Container): boolean {
  return (life !== "exited" || isForgotten) && life !== "asked";
}

export function hasCgroup({ life }: Container): boolean {
  return life === "starting" || life === "cleared" || life === "running";
}

/** It runs, and its processes are in its own cgroup. */
export function isInItsCgroup({ life, pod }: Container): boolean {
  return life === "running" && pod.spec.handler === undefined;
}

/** Some of its own program runs, or may begin to in this moment. */
export function hasStarted({ life }: Container): boolean {
  return life === "cleared" || life === "running";
}

export function keyOf(pod: Pod, name: string): string {
  return `${pod.number}/${name}`;
}
