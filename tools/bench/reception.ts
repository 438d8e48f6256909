// The runtime's socket, reduced to what is needed to take a plugin in: who it is and which containers there are. What
// the embedded runtime does besides (records, a cgroup tree) would be measured with the agent.

import { create, toBinary } from "@bufbuild/protobuf";
import { ConfigureRequestSchema, SynchronizeRequestSchema } from "../../src/nri/gen/nri_pb.ts";
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
}

/** Far beyond anything measured, ms. */
const PATIENCE_MS = 20_000;

const CONFIGURE = toBinary(
  ConfigureRequestSchema,
  create(ConfigureRequestSchema, { runtimeName: "benchmark", runtimeVersion: "v0", nriVersion: "0.12.0" }),
);

/** A Synchronize of everything in one message. */
export function synchronizeWith(subjects: readonly Subject[]): Uint8Array {
  const request = create(SynchronizeRequestSchema, {
    pods: subjects.map(({ pod }) => pod),
    containers: subjects.map(({ container }) => container),
  });
  return toBinary(SynchronizeRequestSchema, request);
}

export class Reception {
  readonly #listener: Deno.Listener;

  constructor(readonly path: string) {
    this.#listener = Deno.listen({ transport: "unix", path });
  }

  /** Takes the next plugin that connects in, and synchronizes it. */
  async welcome(synchronize: Uint8Array): Promise<Guest> {
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
    await link.call("Synchronize", synchronize, PATIENCE_MS);
    return { ask: askOver(link), registeredAt, synchronizedAt: performance.now() };
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
