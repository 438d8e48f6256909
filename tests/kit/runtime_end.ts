/**
 * A runtime's end of the wire, without a transport: calls become bytes, bytes become answers. Every fake runtime of
 * the tests stands on it, those with a socket too.
 */
import assert from "node:assert/strict";
import {
  create,
  type DescMessage,
  fromBinary,
  type MessageInitShape,
  type MessageShape,
  toBinary,
} from "@bufbuild/protobuf";
import {
  ConfigureRequestSchema,
  ConfigureResponseSchema,
  ContainerRequestSchema,
  type ContainerUpdate,
  CreateContainerRequestSchema,
  CreateContainerResponseSchema,
  EmptySchema,
  PodRequestSchema,
  RegisterPluginRequestSchema,
  StateChangeEventSchema,
  StopContainerRequestSchema,
  StopContainerResponseSchema,
  SynchronizeRequestSchema,
  SynchronizeResponseSchema,
  UpdateContainerRequestSchema,
  UpdateContainerResponseSchema,
  UpdatePodSandboxRequestSchema,
} from "../../src/nri/gen/nri_pb.ts";
import { PLUGIN_SERVICE } from "../../src/nri/methods.ts";
import { Session } from "../../src/wire/session.ts";

/** NRI's calls of a plugin: each with its request and its response. */
const CALLS = {
  Configure: [ConfigureRequestSchema, ConfigureResponseSchema],
  Synchronize: [SynchronizeRequestSchema, SynchronizeResponseSchema],
  CreateContainer: [CreateContainerRequestSchema, CreateContainerResponseSchema],
  UpdateContainer: [UpdateContainerRequestSchema, UpdateContainerResponseSchema],
  StopContainer: [StopContainerRequestSchema, StopContainerResponseSchema],
  StateChange: [StateChangeEventSchema, EmptySchema],
  RunPodSandbox: [PodRequestSchema, EmptySchema],
  UpdatePodSandbox: [UpdatePodSandboxRequestSchema, EmptySchema],
  PostUpdatePodSandbox: [PodRequestSchema, EmptySchema],
  StopPodSandbox: [PodRequestSchema, EmptySchema],
  RemovePodSandbox: [PodRequestSchema, EmptySchema],
  PostCreateContainer: [ContainerRequestSchema, EmptySchema],
  StartContainer: [ContainerRequestSchema, EmptySchema],
  PostStartContainer: [ContainerRequestSchema, EmptySchema],
  PostUpdateContainer: [ContainerRequestSchema, EmptySchema],
  RemoveContainer: [ContainerRequestSchema, EmptySchema],
  ValidateContainerAdjustment: [EmptySchema, EmptySchema],
  Shutdown: [EmptySchema, EmptySchema],
} as const satisfies Record<string, readonly [DescMessage, DescMessage]>;

export type Method = keyof typeof CALLS;
export type Request<M extends Method> = MessageInitShape<(typeof CALLS)[M][0]>;
export type Response<M extends Method> = MessageShape<(typeof CALLS)[M][1]>;

/** The bytes of a call's request. */
export function encode<M extends Method>(method: M, request: Request<M>): Uint8Array {
  const schema: DescMessage = CALLS[method][0];
  return toBinary(schema, create(schema, request as MessageInitShape<DescMessage>));
}

/** A call's response from its bytes; throws when they are none. */
export function decode<M extends Method>(method: M, payload: Uint8Array): Response<M> {
  return fromBinary(CALLS[method][1] as DescMessage, payload) as Response<M>;
}

export class RuntimeEnd extends Session {
  constructor() {
    super("runtime");
  }

  /** Takes the plugin's registration, which has to be the next message: who it is, and the bytes that accept it. */
  accept(event = this.next()): { name: string; index: string; bytes: Uint8Array } {
    assert(event?.kind === "called" && event.method === "RegisterPlugin", "the plugin doesn't register");
    const { pluginName: name, pluginIdx: index } = fromBinary(RegisterPluginRequestSchema, event.payload);
    return { name, index, bytes: this.answer(event.stream, new Uint8Array()) };
  }

  /** The bytes of a call of the plugin. */
  request<M extends Method>(method: M, request: Request<M>): Uint8Array {
    return this.call(PLUGIN_SERVICE, method, encode(method, request)).bytes;
  }
}

/** Updates as `id=cpus`. */
export function texts(updates: readonly ContainerUpdate[]): string[] {
  return updates.map((u) => `${u.containerId}=${u.linux?.resources?.cpu?.cpus}`);
}
