/**
 * The calls of NRI's plugin service: from method name and bytes to one {@link Call}, whichever form
 * the runtime uses. Before NRI 0.12 most events come as StateChange, after it as calls of their own
 * (RemoveContainer, …); code behind this file sees no difference.
 */
import { type DescMessage, fromBinary, type MessageShape } from "@bufbuild/protobuf";
import { ProtocolError } from "../wire/errors.ts";
import {
  type ConfigureRequest,
  ConfigureRequestSchema,
  type Container,
  ContainerRequestSchema,
  CreateContainerRequestSchema,
  EmptySchema,
  Event,
  type LinuxResources,
  PodRequestSchema,
  type PodSandbox,
  StateChangeEventSchema,
  StopContainerRequestSchema,
  type SynchronizeRequest,
  SynchronizeRequestSchema,
  UpdateContainerRequestSchema,
  UpdatePodSandboxRequestSchema,
  ValidateContainerAdjustmentRequestSchema,
} from "./gen/nri_pb.ts";

export const PLUGIN_SERVICE = "nri.pkg.api.v1alpha1.Plugin";
export const RUNTIME_SERVICE = "nri.pkg.api.v1alpha1.Runtime";

/** A container event with what it is about. */
export interface Subject {
  readonly pod: PodSandbox;
  readonly container: Container;
}

type ContainerCall =
  | "CreateContainer"
  | "StartContainer"
  | "PostStartContainer"
  | "PostUpdateContainer"
  | "StopContainer"
  | "RemoveContainer";

type PodCall = "RunPodSandbox" | "StopPodSandbox";

/** One call of the runtime. */
export type Call =
  | { readonly kind: "Configure"; readonly request: ConfigureRequest }
  | { readonly kind: "Synchronize"; readonly request: SynchronizeRequest; readonly bytes: number }
  | { readonly kind: "Shutdown" }
  | ({ readonly kind: ContainerCall } & Subject)
  | ({ readonly kind: "UpdateContainer"; readonly resources: LinuxResources | undefined } & Subject)
  | { readonly kind: PodCall; readonly pod: PodSandbox }
  | {
    readonly kind: "UpdatePodSandbox";
    readonly pod: PodSandbox;
    readonly resources: LinuxResources | undefined;
  }
  /** Anything else that needs no more than an empty answer. */
  | { readonly kind: "Notification"; readonly event: Event };

/** Events that are asked for: only what is used, since a runtime refuses a mask with a bit it doesn't know. */
export function subscribedOf({ nriVersion }: Pick<ConfigureRequest, "nriVersion">): readonly Event[] {
  // NRI has that event since 0.10; what doesn't report its version may be older.
  const [, major = "0", minor = "0"] = /^v?(\d{1,6})\.(\d{1,6})/.exec(nriVersion) ?? [];
  return Number(major) > 0 || Number(minor) >= 10 ? [...SUBSCRIBED, Event.UPDATE_POD_SANDBOX] : SUBSCRIBED;
}

const SUBSCRIBED: readonly Event[] = [
  Event.RUN_POD_SANDBOX,
  Event.STOP_POD_SANDBOX,
  Event.CREATE_CONTAINER,
  Event.START_CONTAINER,
  Event.POST_START_CONTAINER,
  Event.POST_UPDATE_CONTAINER,
  Event.UPDATE_CONTAINER,
  Event.STOP_CONTAINER,
  Event.REMOVE_CONTAINER,
];

/** NRI's event mask: bit (number − 1) for each event. */
export function eventMask(events: readonly Event[]): number {
  return events.reduce((mask, event) => mask | (1 << (event - 1)), 0);
}

type Decode = (payload: Uint8Array) => Call;

const METHODS: Readonly<Record<string, Decode>> = {
  Configure: (payload) => ({ kind: "Configure", request: decode(ConfigureRequestSchema, payload) }),
  Synchronize: (payload) => ({
    kind: "Synchronize",
    request: decode(SynchronizeRequestSchema, payload),
    bytes: payload.length,
  }),
  Shutdown: (payload) => (decode(EmptySchema, payload), { kind: "Shutdown" }),
  CreateContainer: (payload) => about("CreateContainer", decode(CreateContainerRequestSchema, payload)),
  UpdateContainer: (payload) => {
    const request = decode(UpdateContainerRequestSchema, payload);
    return {
      ...subjectOf("UpdateContainer", request),
      kind: "UpdateContainer",
      resources: request.linuxResources,
    };
  },
  StopContainer: (payload) => about("StopContainer", decode(StopContainerRequestSchema, payload)),
  StateChange: stateChange,
  RemoveContainer: (payload) => about("RemoveContainer", decode(ContainerRequestSchema, payload)),
  RunPodSandbox: (payload) => aboutPod("RunPodSandbox", decode(PodRequestSchema, payload)),
  UpdatePodSandbox: (payload) => {
    const { pod, linuxResources } = decode(UpdatePodSandboxRequestSchema, payload);
    return { ...aboutPod("UpdatePodSandbox", { pod }), kind: "UpdatePodSandbox", resources: linuxResources };
  },
  PostUpdatePodSandbox: notification(Event.POST_UPDATE_POD_SANDBOX, PodRequestSchema),
  StopPodSandbox: (payload) => aboutPod("StopPodSandbox", decode(PodRequestSchema, payload)),
  RemovePodSandbox: notification(Event.REMOVE_POD_SANDBOX, PodRequestSchema),
  PostCreateContainer: notification(Event.POST_CREATE_CONTAINER, ContainerRequestSchema),
  StartContainer: (payload) => about("StartContainer", decode(ContainerRequestSchema, payload)),
  PostStartContainer: (payload) => about("PostStartContainer", decode(ContainerRequestSchema, payload)),
  PostUpdateContainer: (payload) => about("PostUpdateContainer", decode(ContainerRequestSchema, payload)),
  ValidateContainerAdjustment: notification(
    Event.VALIDATE_CONTAINER_ADJUSTMENT,
    ValidateContainerAdjustmentRequestSchema,
  ),
};

/**
 * The call, or undefined for a service or method that this plugin doesn't have.
 * @throws {ProtocolError} when the payload isn't the message that the method takes.
 */
export function decodeCall(service: string, method: string, payload: Uint8Array): Call | undefined {
  const known = service === PLUGIN_SERVICE && Object.hasOwn(METHODS, method);
  return known ? METHODS[method]?.(payload) : undefined;
}

function stateChange(payload: Uint8Array): Call {
  const request = decode(StateChangeEventSchema, payload);
  switch (request.event) {
    case Event.RUN_POD_SANDBOX:
      return aboutPod("RunPodSandbox", request);
    case Event.STOP_POD_SANDBOX:
      return aboutPod("StopPodSandbox", request);
    case Event.START_CONTAINER:
      return about("StartContainer", request);
    case Event.POST_START_CONTAINER:
      return about("PostStartContainer", request);
    case Event.POST_UPDATE_CONTAINER:
      return about("PostUpdateContainer", request);
    case Event.REMOVE_CONTAINER:
      return about("RemoveContainer", request);
    default:
      return { kind: "Notification", event: request.event };
  }
}

interface OfPod<K> {
  readonly kind: K;
  readonly pod: PodSandbox;
}

function aboutPod<K extends string>(
  kind: K,
  { pod }: { readonly pod?: PodSandbox | undefined },
): OfPod<K> {
  if (pod === undefined) throw new ProtocolError("malformed", `${kind} names no pod`);
  return { kind, pod };
}

function notification(event: Event, schema: DescMessage): Decode {
  return (payload) => (decode(schema, payload), { kind: "Notification", event });
}

interface Named {
  readonly pod?: PodSandbox | undefined;
  readonly container?: Container | undefined;
}

function about(kind: ContainerCall, request: Named): Call {
  return { kind, ...subjectOf(kind, request) };
}

function subjectOf(kind: string, { pod, container }: Named): Subject {
  if (pod === undefined || container === undefined || container.id === "") {
    throw new ProtocolError("malformed", `${kind} names no pod, no container or no container id`);
  }
  return { pod, container };
}

function decode<M extends DescMessage>(schema: M, payload: Uint8Array): MessageShape<M> {
  try {
    return fromBinary(schema, payload, { readUnknownFields: false });
  } catch (cause) {
    throw new ProtocolError("malformed", `the payload is not a ${schema.typeName}`, { cause });
  }
}
