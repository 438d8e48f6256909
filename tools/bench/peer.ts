// The runtime's side of a conversation about containers, in which every answer's time is taken.

import assert from "node:assert/strict";
import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import {
  ContainerRequestSchema,
  type ContainerUpdate,
  CreateContainerRequestSchema,
  CreateContainerResponseSchema,
  type LinuxResources,
  PodRequestSchema,
  StopContainerRequestSchema,
  StopContainerResponseSchema,
  UpdateContainerRequestSchema,
  UpdateContainerResponseSchema,
} from "../../src/nri/gen/nri_pb.ts";
import { type Named, type Subject, subjectOf } from "./subjects.ts";

/** Calls the agent: its answer, and how long it took, in ms. */
export type Ask = (
  method: string,
  payload: Uint8Array,
) => Promise<{ readonly payload: Uint8Array; readonly took: number }>;

/** What came of a creation. */
export interface Created {
  readonly took: number;
  /** How many other containers had to follow. */
  readonly updates: number;
  /** The CPUs that the new one is given; empty where it has none. */
  readonly cpus: string;
}

const MAX_STOPS = 10;

/** Containers on an agent's node, known by their pods' names. */
export class Peer {
  #ask: Ask;
  readonly #living = new Map<string, Subject>();

  #requests = 0;

  /** @param apply does with the updates in an answer what a runtime does */
  constructor(ask: Ask, private readonly apply: (updates: readonly ContainerUpdate[]) => void = () => {}) {
    this.#ask = ask;
  }

  /** How many it has answered. */
  get requests(): number {
    return this.#requests;
  }

  /** It is another process from now on. */
  meet(ask: Ask): void {
    this.#ask = ask;
  }

  async create(wanted: Named): Promise<Created> {
    const subject = subjectOf(wanted);
    const request = create(CreateContainerRequestSchema, { ...subject });
    const { payload, took } = await this.#request(
      "CreateContainer",
      toBinary(CreateContainerRequestSchema, request),
    );
    this.#living.set(wanted.name, subject);
    const { adjust, update } = fromBinary(CreateContainerResponseSchema, payload);
    this.apply(update);
    return { took, updates: update.length, cpus: adjust?.linux?.resources?.cpu?.cpus ?? "" };
  }

  /** ms until the answer to its start. */
  async start(name: string): Promise<number> {
    const request = create(ContainerRequestSchema, { ...this.#subject(name) });
    return (await this.#request("StartContainer", toBinary(ContainerRequestSchema, request))).took;
  }

  /** ms until the answer to an update of its resources. */
  async update(name: string, resources: LinuxResources): Promise<number> {
    const subject = this.#subject(name);
    const request = create(UpdateContainerRequestSchema, { ...subject, linuxResources: resources });
    const { payload, took } = await this.#request(
      "UpdateContainer",
      toBinary(UpdateContainerRequestSchema, request),
    );
    this.apply(fromBinary(UpdateContainerResponseSchema, payload).update);
    return took;
  }

  /**
   * A container ends, and its pod with it, which keeps its CPUs until then: ms of the two answers. The end is sent again
   * until all is as before, since CPUs that one container leaves are given to others in a later reply.
   */
  async end(name: string): Promise<{ readonly stop: number; readonly stopPod: number }> {
    const { pod } = this.#subject(name);
    const { took: stop } = await this.#stopOnce(name);
    const request = toBinary(PodRequestSchema, create(PodRequestSchema, { pod }));
    const { took: stopPod } = await this.#request("StopPodSandbox", request);
    for (let tries = 0; tries < MAX_STOPS; tries++) {
      if ((await this.#stopOnce(name)).updates > 0) continue;
      this.#living.delete(name);
      return { stop, stopPod };
    }
    throw new Error(`containers are still being updated ${MAX_STOPS} replies after the end of ${name}`);
  }

  async #stopOnce(name: string): Promise<{ readonly took: number; readonly updates: number }> {
    const request = create(StopContainerRequestSchema, { ...this.#subject(name) });
    const { payload, took } = await this.#request(
      "StopContainer",
      toBinary(StopContainerRequestSchema, request),
    );
    const { update } = fromBinary(StopContainerResponseSchema, payload);
    this.apply(update);
    return { took, updates: update.length };
  }

  async #request(method: string, payload: Uint8Array): ReturnType<Ask> {
    this.#requests++;
    return await this.#ask(method, payload);
  }

  #subject(name: string): Subject {
    const subject = this.#living.get(name);
    assert(subject !== undefined, `${name} is not there`);
    return subject;
  }
}
