/**
 * The calls of the Container Runtime Interface, over gRPC on a unix socket. Loading this module loads grpc-js,
 * which takes tens of milliseconds and some megabytes: it is imported when it is needed, and not before.
 */
import { Buffer } from "node:buffer";
import { create, fromBinary, type MessageInitShape, type MessageShape, toBinary } from "@bufbuild/protobuf";
import { Client, credentials, Metadata, type ServiceError, status } from "@grpc/grpc-js";
import { RuntimeService } from "./gen/cri_pb.ts";

type Calls = typeof RuntimeService.method;

/** What is asked of a runtime. */
export interface CriClient {
  /** @throws {CriError} when the runtime refuses, can't be reached, or gives no answer in time */
  call<Name extends keyof Calls>(
    name: Name,
    request: MessageInitShape<Calls[Name]["input"]>,
  ): Promise<MessageShape<Calls[Name]["output"]>>;
  /** Idempotent. */
  close(): void;
}

/** A call that failed: the sentence names it. `notFound` says that what it was about isn't there any more. */
export class CriError extends Error {
  override readonly name = "CriError";
  constructor(message: string, readonly notFound: boolean) {
    super(message);
  }
}

/** Every call is a look into the runtime's memory, or one write to a cgroup. NRI, too, gives a plugin 2 s. */
const DEADLINE = 2000;

const OPTIONS = {
  // What kubelet accepts of a runtime, and the most that containerd sends unless told otherwise. A list of a
  // thousand containers has 2 MB; grpc-js' own limit is 4.
  "grpc.max_receive_message_length": 16 << 20,
  // Not shared with an earlier client: on Deno 2.6 grpc-js doesn't notice that a restarted runtime broke it.
  "grpc.use_local_subchannel_pool": 1,
};

// One error of Deno 2.6's node:http2 reaches nobody and would end the program: that of a peer which closes before
// the first byte is sent. The call that it breaks ends at its deadline. Nothing else here uses HTTP/2.
addEventListener("unhandledrejection", (event) => {
  if (event.reason instanceof Error && event.reason.stack?.includes("node:http2")) event.preventDefault();
});

/** A client on the socket at `path`. It connects at its first call, and is of no use after the runtime's restart. */
export function openClient(path: string): CriClient {
  const client = new Client(`unix:${path}`, credentials.createInsecure(), OPTIONS);
  return {
    call: (name, request) => unary(client, RuntimeService.method[name], request),
    close: () => client.close(),
  };
}

function unary<M extends Calls[keyof Calls]>(
  client: Client,
  method: M,
  request: MessageInitShape<M["input"]>,
): Promise<MessageShape<M["output"]>> {
  const { promise, resolve, reject } = Promise.withResolvers<MessageShape<M["output"]>>();
  client.makeUnaryRequest(
    `/${method.parent.typeName}/${method.name}`,
    (bytes: Uint8Array) => Buffer.from(bytes),
    (bytes: Uint8Array) => fromBinary<M["output"]>(method.output, bytes),
    toBinary(method.input, create<M["input"]>(method.input, request)),
    new Metadata(),
    { deadline: Date.now() + DEADLINE },
    (error: ServiceError | null, answer?: MessageShape<M["output"]>) => {
      if (answer !== undefined) resolve(answer);
      else reject(new CriError(`${method.name} ${explain(error)}`, error?.code === status.NOT_FOUND));
    },
  );
  return promise;
}

function explain(error: ServiceError | null): string {
  if (error?.code === status.DEADLINE_EXCEEDED) return `was not answered within ${DEADLINE / 1000} s`;
  // Without grpc-js' time stamps: a sentence that comes again has to be seen as the same one.
  const details = error?.details.replace(/ \(\d{4}-\d\d-[^)]*Z\)$/, "");
  return `failed: ${details ?? "neither an answer nor an error came"}`;
}
