// How a plugin is taken in: what it must report of itself, and what it is sent before it takes part.

import { fromBinary } from "@bufbuild/protobuf";
import {
  type Container,
  type ContainerUpdate,
  type PodSandbox,
  RegisterPluginRequestSchema,
} from "../../../src/nri/gen/nri_pb.ts";
import { decode, encode } from "../runtime_end.ts";
import { knownEvents, type NriVersion } from "./nri_messages.ts";
import { type PluginLink, Refused } from "./plugin_link.ts";

export interface HandshakeOptions {
  nri: NriVersion;
  registrationTimeoutMs: number;
  requestTimeoutMs: number;
  /** Pods, and containers, in one Synchronize message; all in one if it isn't given. */
  syncSplit?: number;
}

/** The name, `NN-name`, that a RegisterPlugin request gives; throws {@link Refused} for one that can't be. */
export function registeredName(payload: Uint8Array): string {
  const { pluginName, pluginIdx } = fromBinary(RegisterPluginRequestSchema, payload);
  if (pluginName === "") throw new Refused("a plugin needs a name");
  if (/^\d\d$/.test(pluginIdx)) return `${pluginIdx}-${pluginName}`;
  throw new Refused(`"${pluginIdx}" is no plugin index; write two digits, such as 99`);
}

/** Configure; the mask of the events that the plugin wants. One that this version of NRI lacks is an error. */
export async function configure(link: PluginLink, options: HandshakeOptions): Promise<number> {
  const { nri, registrationTimeoutMs, requestTimeoutMs } = options;
  const payload = encode("Configure", {
    runtimeName: "embedded",
    runtimeVersion: nri,
    registrationTimeout: BigInt(registrationTimeoutMs),
    requestTimeout: BigInt(requestTimeoutMs),
    nriVersion: nri === "0.6" ? "" : nri,
  });
  const { events } = decode("Configure", await link.call("Configure", payload, requestTimeoutMs));
  const unknown = (events & ~knownEvents(nri)) >>> 0;
  if (unknown !== 0) {
    throw new Error(`it asked for events that NRI ${nri} does not know: 0x${unknown.toString(16)}`);
  }
  return events === 0 ? knownEvents(nri) : events;
}

/** Synchronize, in as many messages as `syncSplit` makes of it; the updates that the plugin wants. */
export async function synchronize(
  link: PluginLink,
  { pods, containers }: { pods: PodSandbox[]; containers: Container[] },
  { syncSplit = Infinity, requestTimeoutMs }: HandshakeOptions,
): Promise<ContainerUpdate[]> {
  for (let from = 0;; from += syncSplit) {
    const more = Math.max(pods.length, containers.length) > from + syncSplit;
    const payload = encode("Synchronize", {
      pods: pods.slice(from, from + syncSplit),
      containers: containers.slice(from, from + syncSplit),
      more,
    });
    const reply = decode("Synchronize", await link.call("Synchronize", payload, requestTimeoutMs));
    if (!more) return reply.update;
    if (reply.update.length > 0 || !reply.more) {
      throw new Error("it does not handle a Synchronize in several messages");
    }
  }
}
