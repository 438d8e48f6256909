// The runtime's socket, reduced to what is needed to take a plugin in: who it is and which containers there are. What
// the embedded runtime does besides (records, a cgroup tree) would be measured with the agent.

import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import {
  ConfigureRequestSchema,
  type ContainerUpdate,
  SynchronizeRequestSchema,
  SynchronizeResponseSchema,
} from "../../src/nri/gen/nri_pb.ts";
import { PluginLink, Refused } from "../../tests/kit/runtime/plugin_link.ts";
import type { Ask } from "./peer.ts";
import type { Subject } from "./subjects.ts";

/** A plugin that was taken in; times as of `performance.now()`. */
export interface Guest {
  readonly ask: Ask;
  /** Its RegisterPlugin came. */
  readonly registeredAt: number;
  /** Its answer to Synchronize came. */
  readonly synchronizedAt: number;
  /** What that answer changes. */
  readonly updates: readonly ContainerUpdate[];
}

/** Far beyond anything measured, ms. */
const PATIENCE_MS = 20_000;

const CONFIGURE = toBinary(
  ConfigureRequestSchema,
  create(ConfigureRequestSchema, { runtimeName: "benchmark", runtimeVersion: "v0", nriVersion: "0.12.0" }),
);

/** Containers of one message: more than twice as many don't fit into what ttrpc allows, 4 MiB. */
const PART = 500;

/** A Synchronize of everything, in as many messages as it takes. */
export function synchronizeWith(subjects: readonly Subject[]): Uint8Array[] {
  const starts = Array.from({ length: Math.max(1, Math.ceil(subjects.length / PART)) }, (_, at) => at * PART);
  return starts.map((start) => {
    const part = subjects.slice(start, start + PART);
    const request = create(SynchronizeRequestSchema, {
      pods: part.map(({ pod }) => pod),
      containers: part.map(({ container }) => container),
      more: start + PART < subjects.length,
    });
    return toBinary(SynchronizeRequestSchema, request);
  });
}

export class Reception {
  readonly #listener: Deno.Listener;

  constructor(readonly path: string) {
    this.#listener = Deno.listen({ transport: "unix", path });
  }

  /** Takes the next plugin that connects in, and synchronizes it. */
  async welcome(synchronize: readonly Uint8Array[]): Promise<Guest> {
    const conn = await this.#listener.accept();
    const registered = Promise.withResolvers<number>();
    const link = new PluginLink(conn, {
      serve: (method) => {
        if (method !== "RegisterPlugin") throw new Refused(`the benchmark's runtime has no ${method}`);
        registered.resolve(performance.now());
        return new Uint8Array();
      },
    });
    link.ended.then(({ reason }) => registered.reject(new Error(`the agent didn't register: ${reason}`)));
    const registeredAt = await registered.promise;
    await link.call("Configure", CONFIGURE, PATIENCE_MS);
    const answers: Uint8Array[] = [];
    for (const part of synchronize) answers.push(await link.call("Synchronize", part, PATIENCE_MS));
    const synchronizedAt = performance.now();
    const updates = answers.flatMap((answer) => fromBinary(SynchronizeResponseSchema, answer).update);
    return { ask: askOver(link), registeredAt, synchronizedAt, updates };
  }

  close(): void {
    this.#listener.close();
  }
}

/** The time is the whole round trip: through this process, the kernel and the agent, and back. */
function askOver(link: PluginLink): Ask {
  return async (method, request) => {
    const began = performance.now();
    const payload = await link.call(method, request, PATIENCE_MS);
    return { payload, took: performance.now() - began };
  };
}
