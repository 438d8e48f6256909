/**
 * The calls of the Container Runtime Interface. Loading this module loads grpc-js ({@link grpcClient}): it is
 * imported when it is needed, and not before.
 */
import { status } from "@grpc/grpc-js";
import { RuntimeService } from "./gen/cri_pb.ts";
import { type GrpcClient, grpcClient } from "../platform/grpc_client.ts";

/** The calls of a runtime. One that fails rejects with a {@link CriError}. */
export type CriClient = GrpcClient<typeof RuntimeService.method>;

/** A call that failed: the sentence names it. `notFound`: the container or pod doesn't exist any more. */
export class CriError extends Error {
  override readonly name = "CriError";
  constructor(message: string, readonly notFound: boolean) {
    super(message);
  }
}

/** A client on the socket at `path`. It connects at its first call, and is of no use after the runtime's restart. */
export function openClient(path: string): CriClient {
  return grpcClient(
    path,
    RuntimeService.method,
    (message, code) => new CriError(message, code === status.NOT_FOUND),
  );
}
