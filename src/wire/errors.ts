// The one error of the wire: the peer broke the protocol.
//
// There is no way to find the beat again in a broken stream of bytes, so a ProtocolError always ends the
// session: the owner closes the socket, waits a little and connects anew. What our own code does wrong is an
// AssertionError instead.

/**
 * What was broken:
 * - `oversize-frame`: a trunk or ttrpc frame announces more bytes than its layer allows
 * - `reserved-connection`: a trunk frame for connection 0
 * - `unknown-type`: a ttrpc frame that is no request, response or data
 * - `unexpected-type`: a ttrpc frame that has no place on its connection: a request to the caller, a response
 *   to the server, data anywhere
 * - `bad-stream`: a stream id that is even, not greater than the one before, or not one of our calls
 * - `truncated`: the stream of bytes ends inside a frame
 * - `malformed`: the envelope in a ttrpc frame isn't valid protobuf
 * - `overflow`: more bytes, requests or unanswered calls than the bounds of this program
 * - `closed`: the session had ended already
 */
export type ProtocolErrorCode =
  | "oversize-frame"
  | "reserved-connection"
  | "unknown-type"
  | "unexpected-type"
  | "bad-stream"
  | "truncated"
  | "malformed"
  | "overflow"
  | "closed";

/** The peer broke the wire protocol; the session it happened in is over. */
export class ProtocolError extends Error {
  override name = "ProtocolError";
  readonly code: ProtocolErrorCode;

  constructor(code: ProtocolErrorCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
  }
}
