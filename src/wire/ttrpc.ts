// ttrpc: calls as frames in a stream of bytes, and the envelope that each frame holds.
//
//     4 bytes length | 4 bytes stream id | 1 byte type | 1 byte flags | payload of `length` bytes
//
// Numbers are big-endian; the length doesn't count the header. A call is one request frame (type 1) with a new
// stream id, odd and greater than those before, and one response frame (type 2) with the same id, in any order
// among the answers. Data frames (type 3) belong to streaming calls, which NRI doesn't have: they are cut out
// here like the others, and the session turns them away. Flags matter to streaming calls only and are ignored.
// The payload is a protobuf message, `Request` or `Response`, around the payload proper.
// Source: channel.go and the protocol description of containerd/ttrpc.

import { create, type DescMessage, fromBinary, type MessageShape, toBinary } from "@bufbuild/protobuf";
import { type Request, RequestSchema, type Response, ResponseSchema } from "./gen/ttrpc_pb.ts";
import { assert } from "../assert.ts";
import { ByteQueue } from "./byte_queue.ts";
import { ProtocolError } from "./errors.ts";

/** The bytes of a frame before its payload. */
export const FRAME_HEADER = 10;
/** The longest payload of a frame, in bytes; containerd/ttrpc refuses to send or take more. */
export const MAX_PAYLOAD = 4 * 1024 * 1024;

/** The frame types. */
export const FrameType = { REQUEST: 1, RESPONSE: 2, DATA: 3 } as const;

/** The status codes of google.rpc that this program gives or tells apart. */
export const Code = {
  OK: 0,
  CANCELLED: 1,
  UNKNOWN: 2,
  INVALID_ARGUMENT: 3,
  DEADLINE_EXCEEDED: 4,
  NOT_FOUND: 5,
  RESOURCE_EXHAUSTED: 8,
  FAILED_PRECONDITION: 9,
  UNIMPLEMENTED: 12,
  INTERNAL: 13,
  UNAVAILABLE: 14,
} as const;

export interface Frame {
  stream: number;
  type: number;
  flags: number;
  payload: Uint8Array;
}

/** The bytes of one frame. The payload must fit: at most {@link MAX_PAYLOAD} bytes. */
export function encodeFrame({ stream, type, flags, payload }: Frame): Uint8Array {
  assert(payload.length <= MAX_PAYLOAD, `a frame holds at most ${MAX_PAYLOAD} bytes, not ${payload.length}`);
  assert(stream >= 0 && stream <= 0xffff_ffff, `stream id ${stream} doesn't fit in 32 bits`);
  const bytes = new Uint8Array(FRAME_HEADER + payload.length);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, payload.length);
  view.setUint32(4, stream);
  view.setUint8(8, type);
  view.setUint8(9, flags);
  bytes.set(payload, FRAME_HEADER);
  return bytes;
}

/** Cuts a stream of bytes, in chunks of any size, into frames. */
export class FrameDecoder {
  // The unfinished frame, and a chunk that may be as long again.
  readonly #queue = new ByteQueue(2 * (FRAME_HEADER + MAX_PAYLOAD));

  /** Bytes of memory held. */
  get capacity(): number {
    return this.#queue.capacity;
  }

  /** Takes bytes in; throws a ProtocolError "overflow" when the frames aren't pulled in between. */
  receive(chunk: Uint8Array): void {
    this.#queue.push(chunk);
  }

  /** The next whole frame, undefined while there is none; throws a ProtocolError at a header that can't be right. */
  next(): Frame | undefined {
    if (this.#queue.length < FRAME_HEADER) return undefined;
    const length = this.#queue.readUint32(0);
    if (length > MAX_PAYLOAD) {
      throw new ProtocolError(
        "oversize-frame",
        `a ttrpc frame of ${length} bytes, at most ${MAX_PAYLOAD} may be`,
      );
    }
    const type = this.#queue.peek(8);
    if (type < FrameType.REQUEST || type > FrameType.DATA) {
      throw new ProtocolError("unknown-type", `a ttrpc frame of type ${type}, only 1, 2 and 3 are known`);
    }
    if (this.#queue.length < FRAME_HEADER + length) return undefined;
    const stream = this.#queue.readUint32(4);
    const flags = this.#queue.peek(9);
    this.#queue.drop(FRAME_HEADER);
    return { stream, type, flags, payload: this.#queue.take(length) };
  }

  /** The stream of bytes has ended: throws a ProtocolError "truncated" if that was inside a frame. */
  finish(): void {
    if (this.#queue.length === 0) return;
    throw new ProtocolError("truncated", `the peer closed ${this.#queue.length} bytes into a ttrpc frame`);
  }
}

/** The envelope of a call; `timeoutNano` is how long the caller will wait, in ns, 0 is "for ever". */
export function encodeRequest(
  service: string,
  method: string,
  payload: Uint8Array,
  timeoutNano: bigint,
): Uint8Array {
  return toBinary(RequestSchema, create(RequestSchema, { service, method, payload, timeoutNano }));
}

/** The envelope of an answer to a call that succeeded. */
export function encodeSuccess(payload: Uint8Array): Uint8Array {
  return toBinary(ResponseSchema, create(ResponseSchema, { payload }));
}

/** The envelope of an answer to a call that failed. */
export function encodeFailure(code: number, message: string): Uint8Array {
  return toBinary(ResponseSchema, create(ResponseSchema, { status: { code, message } }));
}

/** Opens the envelope of a call; throws a ProtocolError "malformed". */
export function decodeRequest(bytes: Uint8Array): Request {
  return decode(RequestSchema, bytes);
}

/** Opens the envelope of an answer, without a status or with code 0 if the call succeeded; throws as above. */
export function decodeResponse(bytes: Uint8Array): Response {
  return decode(ResponseSchema, bytes);
}

function decode<S extends DescMessage>(schema: S, bytes: Uint8Array): MessageShape<S> {
  try {
    return fromBinary(schema, bytes, { readUnknownFields: false });
  } catch (cause) {
    throw new ProtocolError("malformed", `the envelope isn't a valid ${schema.typeName}`, { cause });
  }
}
