import assert from "node:assert/strict";
import fc from "fast-check";
import { AssertionError } from "../../../src/assert.ts";
import { encodeTrunk, PLUGIN_CONNECTION, RUNTIME_CONNECTION, TrunkDecoder } from "../../../src/wire/mux.ts";
import {
  assertBroken,
  assertSame,
  chunks,
  concat,
  cuts,
  drain,
  hex,
  pattern,
  rawTrunk,
  SEED,
} from "../../kit/bytes.ts";

const MOST = 4 * 1024 * 1024 + 10;

/** What the decoder says arrived for each connection, pieces joined, in chunks of the given lengths. */
function decode(bytes: Uint8Array, lengths: readonly number[]): Map<number, Uint8Array> {
  const decoder = new TrunkDecoder();
  const pieces = new Map<number, Uint8Array[]>();
  for (const chunk of chunks(bytes, lengths)) {
    decoder.receive(chunk);
    for (const { connection, payload } of drain(decoder)) {
      assert.ok(payload.length > 0);
      const list = pieces.get(connection);
      if (list === undefined) pieces.set(connection, [payload]);
      else list.push(payload);
    }
  }
  decoder.finish();
  return new Map([...pieces].map(([connection, parts]) => [connection, concat(...parts)]));
}

Deno.test("up to 4096 bytes go as one frame, more as one of exactly 4096 and one with the rest", () => {
  const M4 = 4 * 1024 * 1024;
  const table: [size: number, ...headers: [at: number, header: string][]][] = [
    [0, [0, "00000001 00000000"]],
    [1, [0, "00000001 00000001"]],
    [4095, [0, "00000001 00000fff"]],
    [4096, [0, "00000001 00001000"]],
    [4097, [0, "00000001 00001000"], [4104, "00000001 00000001"]],
    [8192, [0, "00000001 00001000"], [4104, "00000001 00001000"]],
    [8193, [0, "00000001 00001000"], [4104, "00000001 00001001"]],
    [M4, [0, "00000001 00001000"], [4104, "00000001 003ff000"]],
    [M4 + 10, [0, "00000001 00001000"], [4104, "00000001 003ff00a"]],
  ];
  for (const [size, ...headers] of table) {
    const message = pattern(size);
    const second = headers.length === 2 ? [hex(headers[1]?.[1] ?? ""), message.subarray(4096)] : [];
    const expected = concat(hex(headers[0]?.[1] ?? ""), message.subarray(0, 4096), ...second);
    assertSame(encodeTrunk(1, message), expected);
  }
});

Deno.test("a frame's connection and length are big-endian, on either connection", () => {
  assert.deepEqual(encodeTrunk(PLUGIN_CONNECTION, hex("aa bb")), hex("00000001 00000002 aabb"));
  assert.deepEqual(encodeTrunk(RUNTIME_CONNECTION, hex("")), hex("00000002 00000000"));
});

Deno.test("each connection's bytes arrive whole and in order, whatever the chunks", () => {
  const message = fc.record({
    connection: fc.constantFrom(1, 2),
    size: fc.oneof(fc.nat(40), fc.integer({ min: 4000, max: 10_000 })),
    seed: fc.nat(255),
  });
  fc.assert(
    fc.property(fc.array(message, { maxLength: 8 }), cuts, (messages, lengths) => {
      const sent = messages.map(({ connection, size, seed }) => ({ connection, bytes: pattern(size, seed) }));
      const wire = concat(...sent.map(({ connection, bytes }) => encodeTrunk(connection, bytes)));
      const arrived = decode(wire, lengths);
      for (const id of [1, 2]) {
        const expected = concat(
          ...sent.filter(({ connection }) => connection === id).map(({ bytes }) => bytes),
        );
        assertSame(arrived.get(id) ?? hex(""), expected);
      }
    }),
    { seed: SEED, numRuns: 100 },
  );
});

Deno.test("a payload is handed on as it arrives, not kept until its frame is whole", () => {
  const decoder = new TrunkDecoder();
  decoder.receive(hex("00000001 00000005 0a0b"));
  assert.deepEqual(drain(decoder), [{ connection: 1, payload: hex("0a0b") }]);
  decoder.receive(hex("0c0d0e 00000002 00000001 ff 0000"));
  assert.deepEqual(drain(decoder), [
    { connection: 1, payload: hex("0c0d0e") },
    { connection: 2, payload: hex("ff") },
  ]);
});

Deno.test("frames of unknown connections and empty frames are skipped", () => {
  const wire = concat(
    rawTrunk(7, pattern(20)),
    rawTrunk(1, hex("")),
    rawTrunk(1, hex("01")),
    rawTrunk(0xffff_ffff, pattern(9)),
    rawTrunk(3, hex("")),
    rawTrunk(1, hex("02")),
  );
  for (const lengths of [[100], [1], [3, 8]]) {
    assert.deepEqual([...decode(wire, lengths)], [[1, hex("0102")]]);
  }
});

Deno.test("the longest frame of an unknown connection is skipped without being kept", () => {
  const decoder = new TrunkDecoder();
  for (const chunk of chunks(concat(rawTrunk(9, pattern(MOST)), rawTrunk(2, hex("55"))), [1000])) {
    decoder.receive(chunk);
    for (const piece of drain(decoder)) assert.deepEqual(piece, { connection: 2, payload: hex("55") });
    assert.equal(decoder.capacity, 16 * 1024);
  }
  decoder.finish();
});

Deno.test("a frame over 4 MiB + 10 is broken as soon as its header is readable, one byte less is fine", () => {
  for (const connection of [1, 2, 3]) {
    const decoder = new TrunkDecoder();
    const header = rawTrunk(connection, hex(""), MOST + 1);
    decoder.receive(header.subarray(0, 7));
    assert.equal(decoder.next(), undefined);
    decoder.receive(header.subarray(7));
    assertBroken("oversize-frame", () => decoder.next());
    assertBroken("oversize-frame", () => decoder.next());
  }
  assertSame(decode(rawTrunk(1, pattern(MOST)), [65536]).get(1) ?? hex(""), pattern(MOST));
});

Deno.test("connection 0 is broken, and what came before it isn't lost", () => {
  const decoder = new TrunkDecoder();
  decoder.receive(concat(rawTrunk(1, hex("01")), rawTrunk(0, hex("02"))));
  assert.deepEqual(decoder.next(), { connection: 1, payload: hex("01") });
  assertBroken("reserved-connection", () => decoder.next());
});

Deno.test("the end of the bytes is fine between frames and truncates inside one", () => {
  const wire = concat(rawTrunk(1, hex("0102")), rawTrunk(4, hex("03")));
  for (let length = 0; length <= wire.length; length++) {
    const decoder = new TrunkDecoder();
    decoder.receive(wire.subarray(0, length));
    drain(decoder);
    if ([0, 10, 19].includes(length)) decoder.finish();
    else assertBroken("truncated", () => decoder.finish());
  }
});

Deno.test("more than can be needed between two pulls overflows", () => {
  const decoder = new TrunkDecoder();
  decoder.receive(new Uint8Array(8 * 1024 * 1024));
  assertBroken("overflow", () => decoder.receive(new Uint8Array(1000)));
});

Deno.test("connection ids and messages that can't be sent are bugs", () => {
  for (const id of [0, -1, 2 ** 32]) assert.throws(() => encodeTrunk(id, hex("00")), AssertionError);
  assert.throws(() => encodeTrunk(1, new Uint8Array(MOST + 1)), AssertionError);
});
