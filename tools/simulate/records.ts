/** What the runtime remembers of pods and containers: the record, as opposed to what the kernel has. */
import type { ContainerSpec, PodSpec, Resources } from "./pods.ts";

export interface Pod {
  readonly number: number;
  readonly spec: PodSpec;
  stopped: boolean;
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
  /** Where it is in the cgroup tree, in the words of who names cgroups. */
  readonly cgroup: string;
  record: Resources;
  life: Life;
  /** PostStartContainer was told. */
  posted: boolean;
  /** It was sent an update before it had told that it runs, and none since: nobody can know what came of that. */
  isUncertain: boolean;
  /** NRI's StopContainer went out: it does so once. */
  stopTold: boolean;
  /** This run of the runtime has created or started it; containerd 1.7.24 tells no end of others. */
  mentioned: boolean;
  /** Its creation or start failed: kubelet may try again under another id. */
  failed: boolean;
  /** Updates that the plugins have agreed to and that aren't applied yet, oldest first. */
  readonly agreed: Agreed[];
  /** Updates that were applied and of which the plugins weren't told yet (PostUpdateContainer). */
  unreported: number;
}

/** An update between the plugins' answer and its being applied. */
export interface Agreed {
  /** The container had told that it runs when they agreed. */
  readonly firm: boolean;
  readonly resources: Resources;
  /** The agent's `apply` that waits for it, if one does. */
  readonly sequence?: { busy: boolean };
}

export function isAlive({ life }: Container): boolean {
  return life !== "exited";
}

/** Listed by the CRI and by Synchronize. */
export function isListed({ life }: Container): boolean {
  return life !== "exited" && life !== "asked";
}

export function hasCgroup({ life }: Container): boolean {
  return life === "starting" || life === "cleared" || life === "running";
}

/** Some of its own program runs, or may begin to in this moment. */
export function hasStarted({ life }: Container): boolean {
  return life === "cleared" || life === "running";
}

export function keyOf(pod: Pod, name: string): string {
  return `${pod.number}/${name}`;
}
