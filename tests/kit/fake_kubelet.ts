/**
 * A kubelet's PodResources API on a real socket: as much of HTTP/2 (RFC 9113) as a gRPC client notices. The servers of
 * Deno 2.6 (node:http2, and grpc-js' own on top of it) don't end their answers as gRPC demands it.
 */
import { Buffer } from "node:buffer";
import { create, type MessageInitShape, toBinary } from "@bufbuild/protobuf";
import { status } from "@grpc/grpc-js";
import { PodResourcesLister } from "../../src/peers/gen/podresources_pb.ts";

type Calls = typeof PodResourcesLister.method;
type Output<Name extends keyof Calls> = MessageInitShape<Calls[Name]["output"]>;

/** An answer, an error by gRPC's code, bytes that are no message, or none at all. */
type Answer<T> = T | { code: number; details?: string } | { garbage: Uint8Array } | "hangs";

export interface Script {
  getAllocatableResources?: Answer<Output<"getAllocatableResources">>;
  list?: Answer<Output<"list">>;
}

/** Containers as `List` reports them, each with a side-car that has no CPUs of its own. */
export function listOf(...containers: [pod: string, name: string, cpus: number[]][]): Output<"list"> {
  return {
    podResources: containers.map(([pod, name, cpus]) => ({
      namespace: "ns",
      name: pod,
      containers: [{ name: "side-car" }, { name, cpuIds: cpus.map(BigInt) }],
    })),
  };
}

/** An answer that says which CPUs could be given exclusively. */
export function allocatable(...cpus: number[]): Output<"getAllocatableResources"> {
  return { cpuIds: cpus.map(BigInt) };
}

const PREFACE = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
const [DATA, HEADERS, SETTINGS, PING] = [0, 1, 4, 6];
const ACK = 1;
const END_STREAM = 1;
const END_HEADERS = 4;
const MAX_FRAME = 16384;

/** The calls in the order in which each connection makes them: their names come compressed (RFC 7541). */
const ORDER = ["getAllocatableResources", "list"] as const;

export class FakeKubelet {
  /** The calls that came, in order. */
  readonly asked: string[] = [];
  readonly #listener: Deno.UnixListener;
  readonly #serving: Promise<void>;

  constructor(path: string, private script: Script) {
    this.#listener = Deno.listen({ transport: "unix", path });
    this.#serving = this.#serve();
  }

  /** From now on it answers so. */
  answers(script: Script): void {
    this.script = script;
  }

  /** Resolves when every client has gone. */
  async stop(): Promise<void> {
    this.#listener.close();
    await this.#serving;
  }

  async #serve(): Promise<void> {
    const conversations: Promise<void>[] = [];
    for await (const connection of this.#listener) conversations.push(this.#converse(connection));
    await Promise.all(conversations);
  }

  async #converse(connection: Deno.UnixConn): Promise<void> {
    let calls = 0;
    await connection.write(frame(SETTINGS, 0, 0)).catch(() => {});
    for await (const { type, flags, stream, payload } of framesFrom(connection)) {
      const isAck = (flags & ACK) !== 0;
      if ((type === SETTINGS || type === PING) && !isAck) {
        await connection.write(frame(type, ACK, 0, type === PING ? payload : undefined));
      }
      if ((type === DATA || type === HEADERS) && (flags & END_STREAM) !== 0) {
        for (const bytes of this.#answer(ORDER[calls++ % ORDER.length] ?? "list", stream)) {
          await connection.write(bytes);
        }
      }
    }
    connection.close();
  }

  #answer(name: keyof Calls, stream: number): Uint8Array[] {
    this.asked.push(name);
    const answer = this.script[name] ?? { code: status.UNIMPLEMENTED };
    if (answer === "hangs") return [];
    if ("code" in answer) return [ending(stream, answer.code, answer.details ?? "")];
    const { output } = PodResourcesLister.method[name];
    const message = "garbage" in answer
      ? answer.garbage
      : toBinary(output, create<typeof output>(output, answer));
    return [headers(stream), ...data(stream, message), ending(stream, status.OK, "")];
  }
}

interface Frame {
  readonly type: number;
  readonly flags: number;
  readonly stream: number;
  readonly payload: Uint8Array;
}

/** The frames behind the preface, until the peer leaves. */
async function* framesFrom(connection: Deno.UnixConn): AsyncGenerator<Frame> {
  let bytes = Buffer.alloc(0);
  const chunk = new Uint8Array(65536);
  let started = false;
  for (;;) {
    const count = await connection.read(chunk).catch(() => null);
    if (count === null) return;
    bytes = Buffer.concat([bytes, chunk.subarray(0, count)]);
    if (!started && bytes.length >= PREFACE.length) {
      bytes = bytes.subarray(PREFACE.length);
      started = true;
    }
    while (started && bytes.length >= 9 && bytes.length >= 9 + bytes.readUIntBE(0, 3)) {
      const end = 9 + bytes.readUIntBE(0, 3);
      const [type = 0, flags = 0] = bytes.subarray(3, 5);
      yield { type, flags, stream: bytes.readUInt32BE(5), payload: Uint8Array.from(bytes.subarray(9, end)) };
      bytes = bytes.subarray(end);
    }
  }
}

function frame(type: number, flags: number, stream: number, payload: Uint8Array = new Uint8Array()): Buffer {
  const head = Buffer.alloc(9);
  head.writeUIntBE(payload.length, 0, 3);
  head.set([type, flags], 3);
  head.writeUInt32BE(stream, 5);
  return Buffer.concat([head, payload]);
}

/** `:status: 200` is the eighth of the fields that everybody knows. */
function headers(stream: number): Buffer {
  const block = Buffer.concat([Buffer.of(0x88), field("content-type", "application/grpc")]);
  return frame(HEADERS, END_HEADERS, stream, block);
}

/** A message behind its own five bytes of head. */
function data(stream: number, message: Uint8Array): Buffer[] {
  const head = Buffer.alloc(5);
  head.writeUInt32BE(message.length, 1);
  const whole = Buffer.concat([head, message]);
  const count = Math.ceil(whole.length / MAX_FRAME);
  return Array.from(
    { length: count },
    (_, i) => frame(DATA, 0, stream, whole.subarray(i * MAX_FRAME, (i + 1) * MAX_FRAME)),
  );
}

/** Trailers. Of a call that fails they come alone, as gRPC has it for an answer without a message. */
function ending(stream: number, code: number, details: string): Buffer {
  const fields = [field("grpc-status", `${code}`), field("grpc-message", encodeURIComponent(details))];
  const alone = [Buffer.of(0x88), field("content-type", "application/grpc")];
  const block = Buffer.concat([...(code === status.OK ? [] : alone), ...fields]);
  return frame(HEADERS, END_HEADERS | END_STREAM, stream, block);
}

/** A header field as it is, to be remembered by nobody. */
function field(name: string, value: string): Buffer {
  return Buffer.concat([Buffer.of(0), text(name), text(value)]);
}

/** A text that isn't compressed: its length in 7 bits, and what is more in bytes of 7. */
function text(text: string): Buffer {
  const bytes = Buffer.from(text);
  if (bytes.length < 127) return Buffer.concat([Buffer.of(bytes.length), bytes]);
  const rest = bytes.length - 127;
  return Buffer.concat([Buffer.of(127, (rest & 127) | 128, rest >> 7), bytes]);
}
