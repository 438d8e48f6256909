// The runtime's side of a conversation about containers, in which every answer's time is taken.

import assert from "node:assert/strict";
import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import {
  CreateContainerRequestSchema,
  CreateContainerResponseSchema,
  StopContainerRequestSchema,
  StopContainerResponseSchema,
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
  readonly #ask: Ask;
  readonly #living = new Map<string, Subject>();

  constructor(ask: Ask) {
    this.#ask = ask;
  }

  async create(wanted: Named): Promise<Created> {
    const subject = subjectOf(wanted);
    const request = create(CreateContainerRequestSchema, { ...subject });
    const { payload, took } = await this.#ask(
      "CreateContainer",
      toBinary(CreateContainerRequestSchema, request),
    );
    this.#living.set(wanted.name, subject);
    const { adjust, update } = fromBinary(CreateContainerResponseSchema, payload);
    return { took, updates: update.length, cpus: adjust?.linux?.resources?.cpu?.cpus ?? "" };
  }

  /**
   * A container ends before it has started: what was moved for it goes back. Its end is sent again until all is as before,
   * since CPUs that one container leaves are given to others in a later reply.
   */
  async stop(name: string): Promise<void> {
    const subject = this.#living.get(name);
    assert(subject !== undefined, `${name} is not there`);
    this.#living.delete(name);
    const request = create(StopContainerRequestSchema, { ...subject });
    for (let tries = 0; tries < MAX_STOPS; tries++) {
      const { payload } = await this.#ask("StopContainer", toBinary(StopContainerRequestSchema, request));
      if (fromBinary(StopContainerResponseSchema, payload).update.length === 0) return;
    }
    throw new Error(`containers are still being updated ${MAX_STOPS} replies after the end of ${name}`);
  }
}
