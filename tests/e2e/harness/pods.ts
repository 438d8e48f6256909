/** The pods of the tests, as manifests. */
import { CORES_IDS, FORBID_CORE_IDS } from "./wish.ts";

/** A pod to be created; the rest of it is {@link manifest}'s. */
export interface PodWish {
  readonly annotations?: Readonly<Record<string, string>>;
  readonly containers: readonly ContainerWish[];
  readonly initContainers?: readonly ContainerWish[];
  readonly restartPolicy?: string;
  /** More of the pod's specification. */
  readonly more?: Readonly<Record<string, unknown>>;
}

export interface ContainerWish {
  readonly name?: string;
  readonly requests?: Readonly<Record<string, string>>;
  readonly limits?: Readonly<Record<string, string>>;
  readonly command?: readonly string[];
  readonly more?: Readonly<Record<string, unknown>>;
}

const MEMORY = "16Mi";
/** Ends at once on SIGTERM: a process that is PID 1 ignores signals that it has no handler for. */
const SLEEP = ["sh", "-c", "trap 'exit 0' TERM INT; while :; do sleep 86400 & wait; done"];

/** Whole CPUs for itself. */
export function exclusive(count: number, annotations: Readonly<Record<string, string>> = {}): PodWish {
  return { annotations, containers: [guaranteed(`${count}`)] };
}

/** A container whose pod is Guaranteed if all are such. */
export function guaranteed(cpu: string, name = "main"): ContainerWish {
  return { name, requests: { cpu, memory: MEMORY }, limits: { cpu, memory: MEMORY } };
}

/** It asks for a hundredth of a CPU: the scheduler isn't what is tested. */
export function pinned(cpus: string, annotations: Readonly<Record<string, string>> = {}): PodWish {
  return { annotations: { [CORES_IDS]: cpus, ...annotations }, containers: [small()] };
}

export function shared(annotations: Readonly<Record<string, string>> = {}): PodWish {
  return { annotations, containers: [small()] };
}

export function forbidding(cpus: string): Readonly<Record<string, string>> {
  return { [FORBID_CORE_IDS]: cpus };
}

/** Of the BestEffort class. */
export function bestEffort(): PodWish {
  return { containers: [{}] };
}

export function small(name = "main"): ContainerWish {
  return { name, requests: { cpu: "10m", memory: MEMORY } };
}

/** Where the tests' pods go, and of which image. */
export interface Place {
  readonly namespace: string;
  readonly node: string;
  readonly image: string;
  /** `Never`: the image is on the node. */
  readonly pullPolicy: string;
}

/** Labels each pod of the tests. */
export const LABEL = "weka-cpuset-e2e";

export function manifest(name: string, pod: PodWish, place: Place) {
  return {
    apiVersion: "v1",
    kind: "Pod",
    metadata: {
      name,
      namespace: place.namespace,
      labels: { [LABEL]: "true" },
      annotations: pod.annotations ?? {},
    },
    spec: podSpec(pod, place),
  };
}

/** Also of the templates of Jobs and DaemonSets. */
export function podSpec(pod: PodWish, { node, image, pullPolicy }: Place) {
  const container = (
    { name = "main", requests = {}, limits = {}, command = SLEEP, more = {} }: ContainerWish,
  ) => ({
    name,
    image,
    imagePullPolicy: pullPolicy,
    command,
    resources: { requests, limits },
    ...more,
  });
  return {
    hostNetwork: true,
    enableServiceLinks: false,
    automountServiceAccountToken: false,
    terminationGracePeriodSeconds: 2,
    nodeSelector: { "kubernetes.io/hostname": node },
    ...pod.restartPolicy === undefined ? {} : { restartPolicy: pod.restartPolicy },
    containers: pod.containers.map(container),
    ...pod.initContainers === undefined ? {} : { initContainers: pod.initContainers.map(container) },
    ...pod.more,
  };
}
