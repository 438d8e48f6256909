// The trunk: one socket that carries the bytes of several connections.
//
//     4 bytes connection id | 4 bytes length | payload of `length` bytes
//
// Numbers are big-endian; the length doesn't count the header. Id 0 is reserved. On 1 the runtime calls the
// plugin, on 2 the plugin calls the runtime; frames of other ids are for later versions and are skipped. A frame
// means nothing to the layer above: what arrives for one id is a stream of bytes, in which a ttrpc message may
// span frames and a frame may hold parts of several. So the decoder hands on what has come of a payload, and keeps
// nothing while it waits for the rest.
//
// Writing has a rule of its own. The Go peer (containerd/nri, pkg/net/multiplex) gives each of its reads one
// frame, and fails for good when the frame is longer than the buffer to be filled. The reader above it, ttrpc's,
// is buffered with 4096 bytes: it fills that buffer for a header, takes the beginning of the message out of it,
// and reads the rest straight into the message's own buffer when 4096 bytes or more are missing, else into the
// 4096 bytes again. So a message of up to 4096 bytes goes as one frame; a longer one as a frame of exactly 4096
// bytes, which fills the buffer, and one with all the rest, which fits whichever buffer is read into. And each
// message begins a frame, or the buffers would hold something else than this rule counts on.

import { assert } from "../assert.ts";
import { ByteQueue } from "./byte_queue.ts";
import { ProtocolError } from "./errors.ts";
import { FRAME_HEADER, MAX_PAYLOAD } from "./ttrpc.ts";

/** The connection on which the plugin serves and the runtime calls. */
export const PLUGIN_CONNECTION = 1;
/** The connection on which the runtime serves and the plugin calls. */
export const RUNTIME_CONNECTION = 2;

const TRUNK_HEADER = 8;
/** The longest payload of a trunk frame, in bytes: a whole ttrpc message. The Go peer keeps to it when it writes. */
const MAX_TRUNK_PAYLOAD = FRAME_HEADER + MAX_PAYLOAD;
/** The buffer of the Go peer's reader, in bytes: the default of Go's bufio. */
const FIRST_FRAME = 4096;

/** The trunk frames of one whole ttrpc message, one or two, to be written in one go. */
export function encodeTrunk(connection: number, message: Uint8Array): Uint8Array {
  assert(connection > 0 && connection <= 0xffff_ffff, `connection id ${connection} can't be used`);
  assert(
    message.length <= MAX_TRUNK_PAYLOAD,
    `a message of ${message.length} bytes, ${MAX_TRUNK_PAYLOAD} at most`,
  );
  const first = Math.min(message.length, FIRST_FRAME);
  const rest = message.length - first;
  const bytes = new Uint8Array((rest > 0 ? 2 : 1) * TRUNK_HEADER + message.length);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, connection);
  view.setUint32(4, first);
  bytes.set(message.subarray(0, first), TRUNK_HEADER);
  if (rest > 0) {
    const second = TRUNK_HEADER + first;
    view.setUint32(second, connection);
    view.setUint32(second + 4, rest);
    bytes.set(message.subarray(first), second + TRUNK_HEADER);
  }
  return bytes;
}

/** Cuts the trunk's bytes, in chunks of any size, into pieces of the connections' streams. */
export class TrunkDecoder {
  // Two of the longest frames, since a chunk from the socket may well hold one and the beginning of the next.
  readonly #queue = new ByteQueue(2 * (TRUNK_HEADER + MAX_TRUNK_PAYLOAD));
  /** Of the frame under way: its connection, and how many bytes of its payload are still to come. */
  #connection = 0;
  #remaining = 0;

  /** Bytes of memory held. */
  get capacity(): number {
    return this.#queue.capacity;
  }

  /** Takes bytes in; throws a ProtocolError "overflow" when more than 8 MiB wait to be pulled. */
  receive(chunk: Uint8Array): void {
    this.#queue.push(chunk);
  }

  /**
   * The next bytes of a connection, at most the rest of one frame and never none; undefined while there are none.
   * Throws a ProtocolError at a header that can't be right, as soon as it is readable.
   */
  next(): { connection: number; payload: Uint8Array } | undefined {
    for (;;) {
      while (this.#remaining === 0) {
        if (!this.#readHeader()) return undefined;
      }
      const count = Math.min(this.#remaining, this.#queue.length);
      if (count === 0) return undefined;
      this.#remaining -= count;
      if (isKnown(this.#connection)) {
        return { connection: this.#connection, payload: this.#queue.take(count) };
      }
      this.#queue.drop(count);
    }
  }

  /** The stream of bytes has ended: throws a ProtocolError "truncated" if that was inside a frame. */
  finish(): void {
    if (this.#remaining === 0 && this.#queue.length === 0) return;
    throw new ProtocolError(
      "truncated",
      this.#remaining > 0
        ? `the peer closed ${this.#remaining} bytes before the end of a trunk frame`
        : `the peer closed ${this.#queue.length} bytes into the header of a trunk frame`,
    );
  }

  /** Begins the next frame; false while its header isn't there. */
  #readHeader(): boolean {
    if (this.#queue.length < TRUNK_HEADER) return false;
    const connection = this.#queue.readUint32(0);
    const length = this.#queue.readUint32(4);
    if (connection === 0) {
      throw new ProtocolError("reserved-connection", "a trunk frame for connection 0, which is reserved");
    }
    if (length > MAX_TRUNK_PAYLOAD) {
      throw new ProtocolError(
        "oversize-frame",
        `a trunk frame of ${length} bytes, at most ${MAX_TRUNK_PAYLOAD} may be`,
      );
    }
    this.#queue.drop(TRUNK_HEADER);
    this.#connection = connection;
    this.#remaining = length;
    return true;
  }
}

function isKnown(connection: number): boolean {
  return connection === PLUGIN_CONNECTION || connection === RUNTIME_CONNECTION;
}
