import assert from "node:assert/strict";
import fc from "fast-check";
import { AssertionError } from "../../../src/assert.ts";
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
} from "../../../src/wire/ttrpc.ts";
import {
  assertBroken,
  assertSame,
  chunks,
  concat,
  cuts,
  drain,
  hex,
  pattern,
  rawFrame,
  SEED,
} from "../../kit/bytes.ts";

const MOST = 4 * 1024 * 1024;

/** The frames that the decoder finds, in chunks of the given lengths. */
function decode(bytes: Uint8Array, lengths: readonly number[]): Frame[] {
  const decoder = new FrameDecoder();
  const frames: Frame[] = [];
  for (const chunk of chunks(bytes, lengths)) {
    decoder.receive(chunk);
    frames.push(...drain(decoder));
  }
  decoder.finish();
  return frames;
}

Deno.test("a frame is length, stream id, type, flags and payload, in this order and big-endian", () => {
  const frame = { stream: 0x01020305, type: 2, flags: 9, payload: hex("aabbcc") };
  assert.deepEqual(encodeFrame(frame), hex("00000003 01020305 02 09 aabbcc"));
});

Deno.test("frames are decoded as they were encoded, whatever the chunks", () => {
  const frame = fc.record({
    stream: fc.nat(0xffff_ffff),
    type: fc.integer({ min: 1, max: 3 }),
    flags: fc.nat(255),
    payload: fc.oneof(fc.nat(30), fc.nat(20_000)).map((size) => pattern(size, size)),
  }, { noNullPrototype: true });
  fc.assert(
    fc.property(fc.array(frame, { maxLength: 6 }), cuts, (frames, lengths) => {
      assert.deepEqual(decode(concat(...frames.map(encodeFrame)), lengths), frames);
    }),
    { seed: SEED, numRuns: 150 },
  );
});

Deno.test("a payload of 4 MiB arrives, whole or in pieces, and its memory is given back", () => {
  const frame = { stream: 1, type: 1, flags: 0, payload: pattern(MOST) };
  const decoder = new FrameDecoder();
  for (const lengths of [[2 * MOST], [65_536], [1, 4095]]) {
    for (const chunk of chunks(encodeFrame(frame), lengths)) decoder.receive(chunk);
    assertSame(decoder.next()?.payload ?? hex(""), frame.payload);
    assert.equal(decoder.capacity, 16 * 1024);
  }
});

Deno.test("a length over 4 MiB is broken as soon as the header is readable", () => {
  const decoder = new FrameDecoder();
  decoder.receive(rawFrame(1, 1, hex(""), MOST + 1).subarray(0, 9));
  assert.equal(decoder.next(), undefined);
  decoder.receive(hex("00"));
  assertBroken("oversize-frame", () => decoder.next());
});

Deno.test("a type other than 1, 2 and 3 is broken, and what came before it isn't lost", () => {
  for (const type of [0, 4, 255]) {
    const decoder = new FrameDecoder();
    decoder.receive(concat(rawFrame(1, 1, hex("01")), rawFrame(3, type, hex("02"), 1000)));
    assert.deepEqual(decoder.next()?.payload, hex("01"));
    assertBroken("unknown-type", () => decoder.next());
  }
});

Deno.test("the end of the bytes is fine between frames and truncates inside one", () => {
  const wire = concat(rawFrame(1, 1, hex("0102")), rawFrame(3, 1, hex("")));
  for (let length = 0; length <= wire.length; length++) {
    const decoder = new FrameDecoder();
    decoder.receive(wire.subarray(0, length));
    drain(decoder);
    if ([0, 12, 22].includes(length)) decoder.finish();
    else assertBroken("truncated", () => decoder.finish());
  }
});

Deno.test("more than can be needed between two pulls overflows", () => {
  const decoder = new FrameDecoder();
  decoder.receive(new Uint8Array(8 * 1024 * 1024));
  assertBroken("overflow", () => decoder.receive(new Uint8Array(1000)));
});

Deno.test("a payload, or stream ids, that no frame can hold are bugs", () => {
  const frame = { stream: 1, type: 1, flags: 0, payload: hex("") };
  assert.throws(() => encodeFrame({ ...frame, payload: new Uint8Array(MOST + 1) }), AssertionError);
  assert.throws(() => encodeFrame({ ...frame, stream: 2 ** 32 + 1 }), AssertionError);
  assert.throws(() => encodeFrame({ ...frame, stream: -1 }), AssertionError);
});

Deno.test("envelopes open to what was put in", () => {
  fc.assert(
    fc.property(
      fc.string(),
      fc.string(),
      fc.uint8Array(),
      fc.bigInt({ min: 0n, max: 2n ** 63n - 1n }),
      fc.integer({ min: -(2 ** 31), max: 2 ** 31 - 1 }),
      (service, method, payload, timeoutNano, code) => {
        const request = decodeRequest(encodeRequest(service, method, payload, timeoutNano));
        assert.deepEqual(
          [request.service, request.method, request.payload, request.timeoutNano],
          [service, method, payload, timeoutNano],
        );
        assert.deepEqual(decodeResponse(encodeSuccess(payload)).payload, payload);
        assert.equal(decodeResponse(encodeSuccess(payload)).status, undefined);
        const { status } = decodeResponse(encodeFailure(code, service));
        assert.deepEqual([status?.code, status?.message], [code, service]);
      },
    ),
    { seed: SEED, numRuns: 200 },
  );
});

Deno.test("envelopes drop the fields that they don't know", () => {
  const request = decodeRequest(hex("0a0173 12016d 1a0201ff 2a060a016b12 0176 fa0103 616263"));
  assert.deepEqual([request.service, request.method, request.payload], ["s", "m", hex("01ff")]);
  assert.equal(request.$unknown, undefined);
  const detailed = decodeResponse(hex("0a 08 0805 12016e 1a0178"));
  assert.deepEqual([detailed.status?.code, detailed.status?.message], [Code.NOT_FOUND, "n"]);
});

Deno.test("garbage in an envelope is a malformed message, with the decoder's complaint as its cause", () => {
  const table = ["ff", "0a05 6162", "0b", "1a ffffffff0f", "00", "0a02fffe", "0c", "07"];
  for (
    const garbage of [
      ...table.map(hex),
      new Uint8Array(100_000).fill(0x0b),
      new Uint8Array(100_000).fill(0x33),
    ]
  ) {
    for (const decode of [decodeRequest, decodeResponse]) {
      assertBroken("malformed", () => decode(garbage));
      assert.throws(() => decode(garbage), (error) => error instanceof Error && error.cause instanceof Error);
    }
  }
});
