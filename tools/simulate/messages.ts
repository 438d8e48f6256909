/**
 * Records as NRI's messages. The bytes of pods and containers are remembered, and the messages around them put
 * together from these: a message in a message is its length and its bytes, and encoding them anew for each call
 * would be most of a simulation's work.
 */
import { create, type MessageInitShape, toBinary } from "@bufbuild/protobuf";
import {
  type Container as NriContainer,
  ContainerSchema,
  ContainerState,
  Event,
  type LinuxResourcesSchema,
  LinuxResourcesSchema as ResourcesSchema,
  type PodSandbox,
  PodSandboxSchema,
} from "../../src/nri/gen/nri_pb.ts";
import { figures, type Resources } from "./pods.ts";
import type { Container, Pod } from "./records.ts";

/** `0.6`: events by StateChange, no `created_at`. `0.12`: a call for every event. */
export type Nri = "0.6" | "0.12";

const pods = new WeakMap<Pod, PodSandbox>();
const podBytes = new WeakMap<PodSandbox, Uint8Array>();
const containers = new WeakMap<Container, { key: string; bytes: Uint8Array }>();

export function podMessage(pod: Pod): PodSandbox {
  const known = pods.get(pod);
  const pid = pod.stopped ? 0 : 1;
  if (known?.pid === pid) return known;
  const { number, spec: { namespace, annotations, limit, handler = "" }, cgroup } = pod;
  const message = create(PodSandboxSchema, {
    id: sandboxId(pod),
    name: `p${number}`,
    uid: `u${number}`,
    namespace,
    annotations,
    pid,
    runtimeHandler: handler,
    linux: {
      cgroupParent: cgroup,
      ...(limit === undefined ? {} : { podResources: resourcesMessage(figures(limit * 1000, true)) }),
    },
  });
  pods.set(pod, message);
  return message;
}

export function sandboxId({ number }: Pod): string {
  return `s${number}`;
}

export function containerMessage(container: Container, nri: Nri): NriContainer {
  const { id, pod, spec, made, record } = container;
  return create(ContainerSchema, {
    id,
    podSandboxId: sandboxId(pod),
    name: spec.name,
    state: stateOf(container),
    createdAt: nri === "0.6" ? 0n : 1_700_000_000_000_000_000n + BigInt(made),
    linux: { resources: resourcesMessage(record), cgroupsPath: container.cgroup },
  });
}

export function resourcesMessage(resources: Resources): MessageInitShape<typeof LinuxResourcesSchema> {
  const { shares, quota, period, memory, cpus = "", mems = "" } = resources;
  return {
    cpu: {
      ...(shares === undefined ? {} : { shares: { value: BigInt(shares) } }),
      ...(quota === undefined ? {} : { quota: { value: BigInt(quota) } }),
      ...(period === undefined ? {} : { period: { value: BigInt(period) } }),
      cpus,
      mems,
    },
    ...(memory === undefined ? {} : { memory: { limit: { value: BigInt(memory) } } }),
  };
}

/** Create, Stop, Remove, Start and Post…: all have the pod first and the container second. */
export function aboutContainer(container: Container, nri: Nri): Uint8Array {
  return joined(field(1, bytesOfPod(container.pod)), field(2, bytesOfContainer(container, nri)));
}

/** UpdateContainerRequest. */
export function aboutUpdate(container: Container, asked: Resources, nri: Nri): Uint8Array {
  return joined(aboutContainer(container, nri), field(3, bytesOfResources(asked)));
}

function bytesOfResources(resources: Resources): Uint8Array {
  return toBinary(ResourcesSchema, create(ResourcesSchema, resourcesMessage(resources)));
}

/** SynchronizeRequest. */
export function aboutAll(
  pods: readonly Pod[],
  containers: readonly Container[],
  nri: Nri,
  more: boolean,
): Uint8Array {
  return joined(
    ...pods.map((pod) => field(1, bytesOfPod(pod))),
    ...containers.map((container) => field(2, bytesOfContainer(container, nri))),
    more ? Uint8Array.of(0x18, 1) : new Uint8Array(),
  );
}

const OWN_CALLS = new Map<Event, string>([
  [Event.RUN_POD_SANDBOX, "RunPodSandbox"],
  [Event.STOP_POD_SANDBOX, "StopPodSandbox"],
  [Event.UPDATE_POD_SANDBOX, "UpdatePodSandbox"],
  [Event.START_CONTAINER, "StartContainer"],
  [Event.POST_START_CONTAINER, "PostStartContainer"],
  [Event.POST_UPDATE_CONTAINER, "PostUpdateContainer"],
  [Event.REMOVE_CONTAINER, "RemoveContainer"],
]);

/** An event without an answer to speak of, in the form of that version. `news`: what a pod may use as a whole. */
export function notice(
  event: Event,
  subject: Container | Pod,
  nri: Nri,
  news?: Resources,
): { readonly method: string; readonly payload: Uint8Array } {
  const about = "pod" in subject ? aboutContainer(subject, nri) : field(1, bytesOfPod(subject));
  if (nri === "0.12") {
    const payload = news === undefined ? about : joined(about, field(3, bytesOfResources(news)));
    return { method: OWN_CALLS.get(event) ?? "", payload };
  }
  // StateChangeEvent has the event first, and pod and container one field later.
  const shifted = "pod" in subject
    ? joined(field(2, bytesOfPod(subject.pod)), field(3, bytesOfContainer(subject, nri)))
    : field(2, bytesOfPod(subject));
  return { method: "StateChange", payload: joined(Uint8Array.of(0x08, event), shifted) };
}

function stateOf({ life, isForgotten }: Container): ContainerState {
  if (life === "running" || isForgotten) return ContainerState.CONTAINER_RUNNING;
  return life === "exited" ? ContainerState.CONTAINER_STOPPED : ContainerState.CONTAINER_CREATED;
}

function bytesOfPod(pod: Pod): Uint8Array {
  const message = podMessage(pod);
  let bytes = podBytes.get(message);
  if (bytes === undefined) {
    bytes = toBinary(PodSandboxSchema, message);
    podBytes.set(message, bytes);
  }
  return bytes;
}

function bytesOfContainer(container: Container, nri: Nri): Uint8Array {
  const { shares, quota, period, memory, cpus, mems } = container.record;
  const key = `${stateOf(container)} ${shares} ${quota} ${period} ${memory} ${cpus} ${mems}`;
  let known = containers.get(container);
  if (known?.key !== key) {
    known = { key, bytes: toBinary(ContainerSchema, containerMessage(container, nri)) };
    containers.set(container, known);
  }
  return known.bytes;
}

/** A field whose value is bytes: its tag, its length, its bytes. */
function field(number: number, bytes: Uint8Array): Uint8Array {
  const length: number[] = [];
  for (let left = bytes.length;; left >>>= 7) {
    if (left < 0x80) {
      length.push(left);
      break;
    }
    length.push((left & 0x7f) | 0x80);
  }
  const whole = new Uint8Array(1 + length.length + bytes.length);
  whole[0] = (number << 3) | 2;
  whole.set(length, 1);
  whole.set(bytes, 1 + length.length);
  return whole;
}

function joined(...parts: readonly Uint8Array[]): Uint8Array {
  const whole = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}
