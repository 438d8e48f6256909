/**
 * What can happen on a simulated node: values, drawn before they are played, that mean the same when they are played
 * again. An event whose subject isn't there (any more) does nothing, so any part of a list can be dropped.
 */
import type { PodSpec, Resources } from "./pods.ts";

/** What becomes of an update instead of its being applied. */
export type Effect =
  /** Neither record nor kernel changes, and only the runtime's log knows. */
  | "fail"
  /** The record changes, the kernel doesn't. */
  | "lose";

/** What happens to one container, and has no parameters. */
export type ContainerKind =
  /** The runtime notes a container whose creation the plugins have agreed to. */
  | "note"
  /** The creation fails after the plugins have agreed. */
  | "abort"
  /** Stop and Remove of a creation that has failed are sent. */
  | "undo"
  /** runc creates the cgroup. */
  | "runc"
  /** It can't; containerd reports nothing. */
  | "runcFails"
  /** StartContainer. */
  | "start"
  | "run"
  /** PostStartContainer. */
  | "posted"
  /** The process ends by itself, or is killed; no event yet. */
  | "exit"
  /** The process ends, and the runtime goes on listing the container as running; its cgroup goes, or stays empty. */
  | "forget"
  | "desert"
  /** When it ends some of its processes will live on in its cgroup; these end too. */
  | "linger"
  | "reap"
  /** StopContainer of a container that has exited. */
  | "stopTold"
  /** kubelet stops it: exit and stopTold. */
  | "stop"
  | "remove"
  /** The oldest update that the plugins have agreed to is applied. */
  | "applied"
  /** PostUpdateContainer. */
  | "updated"
  /** What holds CPUs below its cgroup lets them go. */
  | "release"
  /** The agent can't read its cgroup, or a class', for a while; it can again. */
  | "hide"
  | "show";

export interface ContainerEvent {
  readonly kind: ContainerKind;
  readonly id: string;
}

/** What happens to agent and connection. */
export type AgentEvent =
  /** The connection breaks inside the next call, or inside its answer, after so many bytes. */
  | { readonly kind: "cut"; readonly side: "call" | "answer"; readonly at: number }
  | { readonly kind: "drop" }
  /** The agent connects and registers, and the runtime configures it. */
  | { readonly kind: "connect" }
  /** Synchronize, in so many parts. */
  | { readonly kind: "sync"; readonly parts: number }
  /** From now on the plugin gets events (NRI 0.6 has a gap between these two). */
  | { readonly kind: "join" }
  | { readonly kind: "restartAgent" }
  | { readonly kind: "restartRuntime" }
  /** The active agent ends, and the standby takes over. */
  | { readonly kind: "promote" }
  /** By hand: the active agent gives all CPUs to everything and places nothing; it does again. */
  | { readonly kind: "released" | "resumed" }
  /** The CRI takes its list; the agent gets it; the same for the ids that live; the scan's result. */
  | { readonly kind: "list" | "listed" | "count" | "counted" | "scanned" }
  /** The next tick that an agent has asked for. */
  | { readonly kind: "wake" }
  /** The agent's host notices which CPUs there are now. */
  | { readonly kind: "ground" };

/** What happens in the cgroup tree that the agent hasn't caused. */
export type TreeEvent =
  /** Another program writes a container's cpuset; a class', as systemd does with an older value of its property. */
  | { readonly kind: "tamper" | "classTampered"; readonly id: string; readonly cpus: string }
  /** Something below a container's cgroup, or a class', holds these CPUs, as far as it has them. */
  | { readonly kind: "hold"; readonly id: string; readonly cpus: string }
  /** A container's program pins one of its threads to these CPUs; empty: it does so no more. */
  | { readonly kind: "pin"; readonly id: string; readonly cpus: string }
  | { readonly kind: "hotplug"; readonly cpu: number; readonly on: boolean }
  /** Another program gives kubepods this set, or takes these CPUs for a partition beside it; the empty set ends that. */
  | { readonly kind: "narrowed" | "partitioned"; readonly cpus: string }
  /** The same with the cgroup of a container's pod. */
  | { readonly kind: "podNarrowed"; readonly id: string; readonly cpus: string }
  /** The next plan of the agent's finds no more time after so many containers. */
  | { readonly kind: "late"; readonly after: number }
  /** The next container that would be put back keeps what was written. */
  | { readonly kind: "keeps" }
  /** Right after the next write another program writes the same cgroup. */
  | { readonly kind: "overwrite"; readonly cpus: string }
  /** The agent can't read the whole tree for a while; it can again. */
  | { readonly kind: "treeGone" | "treeBack" };

export type SimEvent =
  | AgentEvent
  | TreeEvent
  | { readonly kind: "pod"; readonly pod: number; readonly spec: PodSpec }
  | { readonly kind: "create"; readonly pod: number; readonly slot: number; readonly id: string }
  | ContainerEvent
  | { readonly kind: "stopPod" | "removePod"; readonly pod: number }
  /** kubelet or another client asks for other resources; the plugins are asked. */
  | { readonly kind: "update"; readonly id: string; readonly resources: Resources }
  /** kubelet has resized a pod as a whole, to so many CPUs. */
  | { readonly kind: "podUpdate"; readonly pod: number; readonly limit: number }
  /** The next update but `after` goes wrong. */
  | { readonly kind: "fault"; readonly after: number; readonly effect: Effect }
  /** The next container of an `apply`: the CRI is asked for the update, or can't be reached. */
  | { readonly kind: "apply"; readonly sequence: number; readonly reachable: boolean }
  | { readonly kind: "tick"; readonly ms: number }
  /** The node is brought to rest: nothing goes wrong any more until all that is under way has ended. */
  | { readonly kind: "quiet" };

export type Kind = SimEvent["kind"];
