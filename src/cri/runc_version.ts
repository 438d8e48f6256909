/**
 * The version of a node's runc, from containerd's introspection API (2.0 and newer): it asks its shim, which asks runc. Loading
 * this module loads grpc-js.
 */
import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import { grpcClient } from "../platform/grpc_client.ts";
import { at, parseJson } from "../platform/json_at.ts";
import {
  Introspection,
  RuncOptionsSchema,
  RuntimeInfoSchema,
  RuntimeRequestSchema,
} from "./gen/introspection_pb.ts";

/** The plugin that starts shims, and the shim of runc (containerd, plugins/types.go). */
const PLUGIN = { type: "io.containerd.runtime.v2", id: "task" };
const SHIM = "io.containerd.runc.v2";

/** Of runc's `features` (opencontainers/runc, types/features). */
const ANNOTATION = "org.opencontainers.runc.version";

/**
 * Undefined where the runtime doesn't say it: it is another one or an older containerd, or another program in runc's place.
 * @param socket containerd's
 * @param binary the program that stands for runc; empty: that on containerd's PATH
 */
export async function runcVersion(socket: string, binary: string): Promise<string | undefined> {
  const client = grpcClient(socket, Introspection.method, (message) => new Error(message));
  try {
    const options = packed(
      "containerd.runc.v1.Options",
      toBinary(RuncOptionsSchema, create(RuncOptionsSchema, { binaryName: binary })),
    );
    const request = create(RuntimeRequestSchema, {
      runtimePath: SHIM,
      ...(binary === "" ? {} : { options }),
    });
    const asked = packed("containerd.types.RuntimeRequest", toBinary(RuntimeRequestSchema, request));
    const { extra } = await client.call("pluginInfo", { ...PLUGIN, options: asked });
    const { features } = fromBinary(RuntimeInfoSchema, extra?.value ?? new Uint8Array());
    const version = at(parseJson(new TextDecoder().decode(features?.value)), "annotations", ANNOTATION);
    return typeof version === "string" ? version : undefined;
  } catch {
    return undefined;
  } finally {
    client.close();
  }
}

function packed(
  typeUrl: string,
  value: Uint8Array,
): { readonly typeUrl: string; readonly value: Uint8Array } {
  return { typeUrl, value };
}
