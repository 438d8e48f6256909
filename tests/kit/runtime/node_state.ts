// What the runtime remembers of its pods and containers: the record, as opposed to the cgroup tree.

import { createHash } from "node:crypto";
import {
  type CgroupDriver,
  type ContainerCgroup,
  containerCgroup,
  podCgroup,
} from "../../../src/manifests/cgroup_paths.ts";
import { type ContainerSpec, demandsOf, type PodSpec } from "../../../src/manifests/manifest.ts";
import {
  containerResources,
  podResources,
  qosClass,
  type Resources,
} from "../../../src/manifests/resources.ts";

export interface PodRecord {
  readonly id: string;
  readonly uid: string;
  readonly spec: PodSpec;
  readonly cgroupParent: string;
  readonly resources: Resources;
  stopped: boolean;
}

export interface ContainerRecord {
  readonly id: string;
  readonly pod: PodRecord;
  readonly spec: ContainerSpec;
  /** How often a container of this name was created in this pod before. */
  readonly attempt: number;
  readonly cgroup: ContainerCgroup;
  readonly pid: number;
  /** Nanoseconds since 1970. */
  readonly createdAt: bigint;
  /** What the runtime would write with the next update. */
  resources: Resources;
  /** `starting`: the cgroup is there, the process isn't. */
  state: "created" | "starting" | "running" | "exited";
  /** NRI's StopContainer went out: it does so once. */
  stopTold: boolean;
}

/** How kubelet and the runtime are set up on this node. */
export interface NodeSetup {
  cgroupDriver: CgroupDriver;
  /** kubelet's `--cpu-cfs-quota`. */
  cfsQuota: boolean;
}

const EPOCH = 1_767_225_600n;
const FIRST_PID = 1000;

/**
 * Pods and containers by id. Ids, uids, pids and times come from names and counters: two runs of the same play
 * give the same ones, and a pod that comes again under its old name has another uid.
 */
export class NodeState {
  readonly pods = new Map<string, PodRecord>();
  readonly containers = new Map<string, ContainerRecord>();
  readonly #setup: NodeSetup;
  readonly #incarnations = new Map<string, number>();
  #made = 0;

  constructor(setup: NodeSetup) {
    this.#setup = setup;
  }

  /** A new pod's record; it isn't kept yet. */
  newPod(spec: PodSpec): PodRecord {
    const incarnation = this.#count(`${spec.namespace}/${spec.name}`);
    const digest = hexDigest(`${spec.namespace}/${spec.name}/${incarnation}`);
    const uid = [8, 12, 16, 20, 32].map((end, i, ends) => digest.slice(ends[i - 1] ?? 0, end)).join("-");
    const demands = demandsOf(spec);
    return {
      id: hexDigest(`sandbox of ${uid}`),
      uid,
      spec,
      cgroupParent: podCgroup(qosClass(demands), uid, this.#setup.cgroupDriver),
      resources: podResources(demands, this.#setup.cfsQuota),
      stopped: false,
    };
  }

  /** A new container's record; it isn't kept yet. */
  newContainer(pod: PodRecord, spec: ContainerSpec): ContainerRecord {
    const attempt = this.#count(`${pod.uid}/${spec.name}`);
    const id = hexDigest(`${pod.uid}/${spec.name}/${attempt}`);
    this.#made++;
    return {
      id,
      pod,
      spec,
      attempt,
      cgroup: containerCgroup(pod.cgroupParent, id),
      pid: FIRST_PID + this.#made,
      createdAt: (EPOCH + BigInt(this.#made)) * 1_000_000_000n,
      resources: containerResources(spec, demandsOf(pod.spec), this.#setup.cfsQuota),
      state: "created",
      stopTold: false,
    };
  }

  containersOf(pod: PodRecord): ContainerRecord[] {
    return [...this.containers.values()].filter((each) => each.pod === pod);
  }

  #count(name: string): number {
    const before = this.#incarnations.get(name) ?? 0;
    this.#incarnations.set(name, before + 1);
    return before;
  }
}

/** How people name it: `pod/container`, with the namespace where that isn't `default`. */
export function nameOf({ pod, spec }: ContainerRecord): string {
  return `${podName(pod)}/${spec.name}`;
}

export function podName({ spec }: PodRecord): string {
  return spec.namespace === "default" ? spec.name : `${spec.namespace}/${spec.name}`;
}

function hexDigest(text: string): string {
  return createHash("sha256").update(text).digest("hex");
}
