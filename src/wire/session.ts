// One NRI session: bytes in, calls and answers out; and the other way round. It does no I/O of its own.
//
//     bytes → trunk decoder → frame decoder of connection 1 or 2 → envelope → event
//     call, answer, refusal → envelope → frame → trunk frames → bytes
//
// Both sides call and both serve, each on its own connection, so a session is a server and a client back to back:
//
//                     serves on    calls on
//     role "plugin"       1            2
//     role "runtime"      2            1
//
// Each half has one table. The server's holds the requests in flight: a stream id enters with its request and
// leaves with our answer. The client's holds the calls outstanding: an id enters with our call and leaves with
// the peer's answer. All the rules follow: what comes in must find its place in a table, and both are bounded.
//
// Events are pulled one by one, so that a broken message doesn't take with it the good ones that came before in
// the same chunk. Whatever throws here ends the session: there is no going on in a stream that lost its beat.

import { assert } from "../assert.ts";
import { ProtocolError } from "./errors.ts";
import { encodeTrunk, PLUGIN_CONNECTION, RUNTIME_CONNECTION, TrunkDecoder } from "./mux.ts";
import {
  Code,
  decodeRequest,
  decodeResponse,
  encodeFailure,
  encodeFrame,
  encodeRequest,
  encodeSuccess,
  type Frame,
  FrameDecoder,
  FrameType,
  MAX_PAYLOAD,
} from "./ttrpc.ts";

/** Requests that may wait for our answer, and calls that may wait for the peer's. NRI runtimes have one or two. */
const MAX_UNANSWERED = 256;
/** Characters of a refusal's message: in UTF-8, they and their envelope fit in one trunk frame of 4096 bytes. */
const MAX_REFUSAL = 1024;

/** How a call went; code 0: it succeeded. Codes are those of google.rpc, see {@link Code}. */
export interface CallStatus {
  code: number;
  message: string;
}

/** The peer calls us, or answers one of our calls. `timeoutNano` is how long it will wait, in ns; 0 is "for ever". */
export type SessionEvent =
  | {
    kind: "called";
    stream: number;
    service: string;
    method: string;
    payload: Uint8Array;
    timeoutNano: bigint;
  }
  | { kind: "answered"; stream: number; status: CallStatus; payload: Uint8Array };

/** Which end of the trunk this is. */
export type Role = "plugin" | "runtime";

/** One end of an NRI connection, from the first byte to the last. After any exception it is over. */
export class Session {
  readonly #serving: number;
  readonly #calling: number;
  readonly #trunk = new TrunkDecoder();
  readonly #requests = new FrameDecoder();
  readonly #responses = new FrameDecoder();
  readonly #inFlight = new Set<number>();
  readonly #outstanding = new Set<number>();
  #lastRequest = 0;
  #nextCall = 1;
  #drained = true;
  #ended = false;

  constructor(role: Role) {
    this.#serving = role === "plugin" ? PLUGIN_CONNECTION : RUNTIME_CONNECTION;
    this.#calling = role === "plugin" ? RUNTIME_CONNECTION : PLUGIN_CONNECTION;
  }

  /** Bytes of memory held for what has arrived and isn't a whole message yet. */
  get capacity(): number {
    return this.#trunk.capacity + this.#requests.capacity + this.#responses.capacity;
  }

  /** Takes bytes in. Pull the events before the next ones: at most 8 MiB may wait, else a ProtocolError "overflow". */
  receive(chunk: Uint8Array): void {
    this.#guard(() => {
      this.#drained = false;
      this.#trunk.receive(chunk);
    });
  }

  /** The next event, undefined when all that arrived is dealt with; throws a ProtocolError for a broken peer. */
  next(): SessionEvent | undefined {
    return this.#guard(() => {
      for (;;) {
        const event = this.#nextRequest() ?? this.#nextResponse();
        if (event !== undefined) return event;
        const piece = this.#trunk.next();
        if (piece === undefined) break;
        (piece.connection === this.#serving ? this.#requests : this.#responses).receive(piece.payload);
      }
      this.#drained = true;
      return undefined;
    });
  }

  /** The peer closed, and all events are pulled: throws a ProtocolError "truncated" if it was inside a frame. */
  finish(): void {
    this.#guard(() => {
      assert(this.#drained, "pull all events before finish()");
      this.#trunk.finish();
      this.#requests.finish();
      this.#responses.finish();
      this.#ended = true;
    });
  }

  /**
   * A call: the bytes to send, and the stream id that its answer will have. The envelope must fit in 4 MiB.
   * Throws a ProtocolError "overflow" when the peer has 256 calls unanswered.
   */
  call(
    service: string,
    method: string,
    payload: Uint8Array,
    timeoutNano = 0n,
  ): { stream: number; bytes: Uint8Array } {
    return this.#guard(() => {
      if (this.#outstanding.size >= MAX_UNANSWERED) {
        throw new ProtocolError("overflow", `the peer has left ${MAX_UNANSWERED} calls unanswered`);
      }
      const stream = this.#nextCall;
      const envelope = encodeRequest(service, method, payload, timeoutNano);
      const frame = encodeFrame({ stream, type: FrameType.REQUEST, flags: 0, payload: envelope });
      this.#nextCall += 2;
      this.#outstanding.add(stream);
      return { stream, bytes: encodeTrunk(this.#calling, frame) };
    });
  }

  /**
   * The bytes that answer the request of this stream, once. A payload too long for a frame (4 MiB with its
   * envelope) becomes a refusal, RESOURCE_EXHAUSTED: the caller learns why, and the session goes on.
   */
  answer(stream: number, payload: Uint8Array): Uint8Array {
    return this.#guard(() => {
      const envelope = encodeSuccess(payload);
      if (envelope.length <= MAX_PAYLOAD) return this.#respond(stream, envelope);
      const message =
        `the answer has ${payload.length} bytes, more than fit in a ttrpc frame of ${MAX_PAYLOAD}`;
      return this.#respond(stream, encodeFailure(Code.RESOURCE_EXHAUSTED, message));
    });
  }

  /** The bytes that answer the request of this stream with an error; its message is cut to 1024 characters. */
  refuse(stream: number, status: CallStatus): Uint8Array {
    return this.#guard(() => {
      assert(status.code !== Code.OK, "a refusal needs a code other than 0");
      const { code, message } = status;
      const short = message.length <= MAX_REFUSAL ? message : `${message.slice(0, MAX_REFUSAL - 1)}…`;
      return this.#respond(stream, encodeFailure(code, short));
    });
  }

  #respond(stream: number, envelope: Uint8Array): Uint8Array {
    assert(this.#inFlight.delete(stream), `no request with stream id ${stream} waits for an answer`);
    const frame = encodeFrame({ stream, type: FrameType.RESPONSE, flags: 0, payload: envelope });
    return encodeTrunk(this.#serving, frame);
  }

  #nextRequest(): SessionEvent | undefined {
    const frame = this.#requests.next();
    if (frame === undefined) return undefined;
    checkType(frame, FrameType.REQUEST, "requests");
    const { stream } = frame;
    if (stream % 2 === 0) {
      throw new ProtocolError("bad-stream", `a request with stream id ${stream}, which should be odd`);
    }
    if (stream <= this.#lastRequest) {
      throw new ProtocolError("bad-stream", `a request with stream id ${stream} after ${this.#lastRequest}`);
    }
    if (this.#inFlight.size >= MAX_UNANSWERED) {
      throw new ProtocolError("overflow", `more than ${MAX_UNANSWERED} requests wait for an answer`);
    }
    const { service, method, payload, timeoutNano } = decodeRequest(frame.payload);
    this.#lastRequest = stream;
    this.#inFlight.add(stream);
    return { kind: "called", stream, service, method, payload, timeoutNano };
  }

  #nextResponse(): SessionEvent | undefined {
    const frame = this.#responses.next();
    if (frame === undefined) return undefined;
    checkType(frame, FrameType.RESPONSE, "responses");
    const { stream } = frame;
    if (!this.#outstanding.delete(stream)) {
      throw new ProtocolError("bad-stream", `a response with stream id ${stream}, which no open call has`);
    }
    const { status, payload } = decodeResponse(frame.payload);
    const { code, message } = status ?? { code: Code.OK, message: "" };
    return { kind: "answered", stream, status: { code, message }, payload };
  }

  /** Does one thing on the living session; an exception ends it. */
  #guard<T>(act: () => T): T {
    if (this.#ended) throw new ProtocolError("closed", "the session has ended");
    try {
      return act();
    } catch (error) {
      this.#ended = true;
      throw error;
    }
  }
}

/** On each connection one type of frame may arrive. */
function checkType(frame: Frame, expected: number, name: string): void {
  if (frame.type === expected) return;
  throw new ProtocolError(
    "unexpected-type",
    frame.type === FrameType.DATA
      ? "a data frame, but NRI has no streaming calls"
      : `a frame of type ${frame.type} on a connection where only ${name} may arrive`,
  );
}
