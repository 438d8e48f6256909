import { Buffer } from "node:buffer";
import type { DescMethod, Message, MessageInitShape, MessageShape } from "@bufbuild/protobuf";
import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import { Client, credentials, Metadata, type ServiceError } from "@grpc/grpc-js";
import { RuntimeService } from "../../../src/cri/gen/cri_pb.ts";
import { hereMs } from "./slowness.ts";
import "../../../src/platform/grpc_client.ts"; // takes the error of HTTP/2 that nobody handles where the runtime is killed

type Calls = typeof RuntimeService.method;

/** The runtime's calls, as in `proto/cri.proto`, one function each. A call that fails throws a {@link CriError}. */
export type Cri = {
  readonly [Name in keyof Calls]: (
    request: MessageInitShape<Calls[Name]["input"]>,
  ) => Promise<MessageShape<Calls[Name]["output"]>>;
};

/** What is asked of the image service. */
export interface Images {
  /** Whether pods can be made of the image called `name`; a moment after its import they can. */
  hasImage(name: string): Promise<boolean>;
}

/** The runtime refused a call, or can't be reached: `message` is its own text, `code` the gRPC status. */
export class CriError extends Error {
  override readonly name = "CriError";
  constructor(readonly call: string, readonly code: number, message: string) {
    super(message);
  }
}

// Far longer than the 2 s that NRI gives a plugin: only a runtime that hangs comes near it.
const DEADLINE_MS = 90_000;

// A runtime that is starting is asked again and again: grpc-js' own first pause of a second would only make it slower.
const RECONNECT_MS = { "grpc.initial_reconnect_backoff_ms": 20, "grpc.max_reconnect_backoff_ms": 100 };

/**
 * A client of the CRI on the unix socket `path`. It connects at the first call; disposing closes it. After a restart of
 * the runtime a new client is needed: on Deno 2.6 grpc-js doesn't see that the old connection broke.
 */
export function connectCri(path: string): Cri & Images & Disposable {
  const client = new Client(`unix:${path}`, credentials.createInsecure(), RECONNECT_MS);
  const calls = RuntimeService.methods.map((method) => [
    method.localName,
    (request: MessageInitShape<typeof method.input>) => unary(client, method, request),
  ]);
  return {
    ...Object.fromEntries(calls) as Cri,
    hasImage: (name) => hasImage(client, name),
    [Symbol.dispose]: () => client.close(),
  };
}

/** One name in one answer is all that is wanted of the image service, so its messages are not decoded. */
function hasImage(client: Client, name: string): Promise<boolean> {
  const { promise, resolve, reject } = Promise.withResolvers<boolean>();
  client.makeUnaryRequest(
    "/runtime.v1.ImageService/ListImages",
    () => Buffer.alloc(0),
    (bytes: Buffer) => bytes.includes(name),
    {},
    new Metadata(),
    { deadline: Date.now() + hereMs(DEADLINE_MS) },
    (error: ServiceError | null, found?: boolean) =>
      error === null
        ? resolve(found === true)
        : reject(new CriError("ListImages", error.code, error.details)),
  );
  return promise;
}

function unary(
  client: Client,
  method: DescMethod,
  request: MessageInitShape<DescMethod["input"]>,
): Promise<Message> {
  const { promise, resolve, reject } = Promise.withResolvers<Message>();
  client.makeUnaryRequest(
    `/${method.parent.typeName}/${method.name}`,
    (message: Message) => Buffer.from(toBinary(method.input, message)),
    (bytes: Uint8Array): Message => fromBinary(method.output, bytes),
    create(method.input, request),
    new Metadata(),
    { deadline: Date.now() + hereMs(DEADLINE_MS) },
    (error: ServiceError | null, response?: Message) => {
      if (response !== undefined) resolve(response);
      else {reject(
          new CriError(method.name, error?.code ?? -1, error?.details ?? "neither an answer nor an error"),
        );}
    },
  );
  return promise;
}
