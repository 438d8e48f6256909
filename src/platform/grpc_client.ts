/**
 * Calls over gRPC on a unix socket, each with a deadline. Loading this module loads grpc-js, which takes tens of
 * milliseconds and some megabytes: it is imported only when it is needed.
 */
import { Buffer } from "node:buffer";
import {
  create,
  type DescMethodUnary,
  fromBinary,
  type MessageInitShape,
  type MessageShape,
  toBinary,
} from "@bufbuild/protobuf";
import { Client, credentials, Metadata, type ServiceError, status } from "@grpc/grpc-js";

/** The calls of a service, by name, as the generated code has them. */
type Methods = Readonly<Record<string, DescMethodUnary>>;

/** Calls the methods of one service. */
export interface GrpcClient<M extends Methods> {
  /** Rejects when the peer refuses, can't be reached, or does not answer in time. */
  call<Name extends keyof M>(
    name: Name,
    request: MessageInitShape<M[Name]["input"]>,
  ): Promise<MessageShape<M[Name]["output"]>>;
  /** Idempotent. */
  close(): void;
}

/** The error of a call that failed. The sentence names the call; `code` is one of gRPC's, if the peer gave one. */
type ErrorOf = (message: string, code: number | undefined) => Error;

/** Every call reads the peer's memory, or writes one cgroup. NRI's limit for plugins is 2 s too. */
const DEADLINE_MS = 2000;

const OPTIONS = {
  // What kubelet accepts from a runtime, and the most that containerd sends by default. A list of a
  // thousand containers has 2 MB; grpc-js' own limit is 4.
  "grpc.max_receive_message_length": 16 << 20,
  // Not shared with an earlier client: on Deno 2.6 grpc-js doesn't notice that a restarted peer broke it.
  "grpc.use_local_subchannel_pool": 1,
};

// One error of Deno 2.6's node:http2 has no handler and would end the program: that of a peer which closes before
// the first byte is sent. The call that it breaks ends at its deadline. Nothing else here uses HTTP/2.
addEventListener("unhandledrejection", (event) => {
  if (event.reason instanceof Error && event.reason.stack?.includes("node:http2")) event.preventDefault();
});

/** A client on the socket at `path`. It connects at its first call, and is of no use after the peer's restart. */
export function grpcClient<M extends Methods>(path: string, methods: M, failed: ErrorOf): GrpcClient<M> {
  const client = new Client(`unix:${path}`, credentials.createInsecure(), OPTIONS);
  return {
    call: (name, request) => unary(client, methods[name], request, failed),
    close: () => client.close(),
  };
}

function unary<M extends DescMethodUnary>(
  client: Client,
  method: M,
  request: MessageInitShape<M["input"]>,
  failed: ErrorOf,
): Promise<MessageShape<M["output"]>> {
  const { promise, resolve, reject } = Promise.withResolvers<MessageShape<M["output"]>>();
  client.makeUnaryRequest(
    `/${method.parent.typeName}/${method.name}`,
    (bytes: Uint8Array) => Buffer.from(bytes),
    (bytes: Uint8Array) => fromBinary<M["output"]>(method.output, bytes),
    toBinary(method.input, create<M["input"]>(method.input, request)),
    new Metadata(),
    { deadline: Date.now() + DEADLINE_MS },
    (error: ServiceError | null, answer?: MessageShape<M["output"]>) => {
      if (answer !== undefined) resolve(answer);
      else reject(failed(`${method.name} ${explain(error)}`, error?.code));
    },
  );
  return promise;
}

function explain(error: ServiceError | null): string {
  if (error?.code === status.DEADLINE_EXCEEDED) return `was not answered within ${DEADLINE_MS / 1000} s`;
  // Without grpc-js' time stamps, so that a repeated sentence is recognised as the same one.
  const details = error?.details.replace(/ \(\d{4}-\d\d-[^)]*Z\)$/, "");
  return `failed: ${details ?? "neither an answer nor an error arrived"}`;
}
