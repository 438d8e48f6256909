// Records ↔ NRI's messages, in the form of the NRI version that the runtime plays.

import { create } from "@bufbuild/protobuf";
import {
  type Container,
  ContainerSchema,
  ContainerState,
  Event,
  type LinuxResources,
  type PodSandbox,
  PodSandboxSchema,
} from "../../../src/nri/gen/nri_pb.ts";
import { encode, type Method } from "../runtime_end.ts";
import type { ContainerRecord, PodRecord } from "./node_state.ts";
import { resourcesMessage } from "../../../src/manifests/messages.ts";
import type { Resources } from "../../../src/manifests/resources.ts";

/** `0.6`: events by StateChange, no `created_at`. `0.12`: a call for every event. */
export type NriVersion = "0.6" | "0.12";

/** The highest event that each version knows. */
const LAST_EVENT: Record<NriVersion, Event> = {
  "0.6": Event.REMOVE_CONTAINER,
  "0.12": Event.VALIDATE_CONTAINER_ADJUSTMENT,
};

/** Events that have no answer to speak of, and the name of their own call. */
const NOTICES = new Map<Event, Method>([
  [Event.RUN_POD_SANDBOX, "RunPodSandbox"],
  [Event.STOP_POD_SANDBOX, "StopPodSandbox"],
  [Event.REMOVE_POD_SANDBOX, "RemovePodSandbox"],
  [Event.POST_CREATE_CONTAINER, "PostCreateContainer"],
  [Event.START_CONTAINER, "StartContainer"],
  [Event.POST_START_CONTAINER, "PostStartContainer"],
  [Event.POST_UPDATE_CONTAINER, "PostUpdateContainer"],
  [Event.REMOVE_CONTAINER, "RemoveContainer"],
]);

const STATES: Record<ContainerRecord["state"], ContainerState> = {
  created: ContainerState.CONTAINER_CREATED,
  starting: ContainerState.CONTAINER_CREATED,
  running: ContainerState.CONTAINER_RUNNING,
  exited: ContainerState.CONTAINER_STOPPED,
};

/** The mask of all events that this version knows. */
export function knownEvents(version: NriVersion): number {
  return 2 ** LAST_EVENT[version] - 1;
}

/** Whether an event mask has this event. */
export function subscribed(mask: number, event: Event): boolean {
  return (mask & (1 << (event - 1))) !== 0;
}

/** The call that reports an event: StateChange, or its own. */
export function notice(
  version: NriVersion,
  event: Event,
  pod: PodRecord,
  container?: ContainerRecord,
): { name: Method; method: Method; payload: Uint8Array } {
  const name = NOTICES.get(event);
  if (name === undefined) throw new Error(`${Event[event]} is not an event that is only reported`);
  const about = {
    pod: podMessage(pod),
    ...(container ? { container: containerMessage(container, version) } : {}),
  };
  const method = version === "0.6" ? "StateChange" : name;
  const payload = version === "0.6" ? encode("StateChange", { event, ...about }) : encode(name, about);
  return { name, method, payload };
}

export function podMessage({ id, uid, spec, cgroupParent, resources }: PodRecord): PodSandbox {
  const { name, namespace, annotations } = spec;
  return create(PodSandboxSchema, {
    id,
    name,
    uid,
    namespace,
    annotations,
    linux: { cgroupParent, podResources: resourcesMessage(resources) },
  });
}

export function containerMessage(container: ContainerRecord, version: NriVersion): Container {
  const { id, pod, spec, cgroup, state } = container;
  return create(ContainerSchema, {
    id,
    podSandboxId: pod.id,
    name: spec.name,
    state: STATES[state],
    linux: { cgroupsPath: cgroup.cgroupsPath, resources: resourcesMessage(container.resources) },
    pid: state === "running" ? container.pid : 0,
    createdAt: version === "0.6" ? 0n : container.createdAt,
  });
}

/** The fields that a message gives; zero and empty ones are "not given". */
export function resourcesOf(message: LinuxResources | undefined): Resources {
  const { cpu, memory } = message ?? {};
  const given = {
    shares: Number(cpu?.shares?.value ?? 0n),
    quota: Number(cpu?.quota?.value ?? 0n),
    period: Number(cpu?.period?.value ?? 0n),
    memory: Number(memory?.limit?.value ?? 0n),
    cpus: cpu?.cpus ?? "",
    mems: cpu?.mems ?? "",
  };
  return Object.fromEntries(Object.entries(given).filter(([, value]) => value !== 0 && value !== ""));
}
