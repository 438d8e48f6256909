// What the tests of this folder share: bytes, the ways to cut them into chunks, and what a call threw.

import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import fc from "fast-check";
import { ProtocolError, type ProtocolErrorCode } from "../../src/wire/errors.ts";

/** Every property runs from this seed, so that a red test is red for everybody. */
export const SEED = 7319;

/** Bytes from hexadecimal digits; white space, and all after a # on its line, is for the reader. */
export function hex(text: string): Uint8Array {
  const digits = text.replaceAll(/#.*|\s/g, "");
  return Uint8Array.from(
    { length: digits.length / 2 },
    (_, i) => parseInt(digits.slice(2 * i, 2 * i + 2), 16),
  );
}

export function concat(...parts: Uint8Array[]): Uint8Array {
  const all = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    all.set(part, at);
    at += part.length;
  }
  return all;
}

/** Bytes that look like nothing in particular, other ones for each seed. */
export function pattern(length: number, seed = 0): Uint8Array {
  const bytes = new Uint8Array(length);
  for (let i = 0; i < length; i++) bytes[i] = i * 31 + (i >> 8) * 7 + seed * 101;
  return bytes;
}

/** Checks that two arrays hold the same bytes; fast where deepEqual is slow. */
export function assertSame(actual: Uint8Array, expected: Uint8Array): void {
  if (Buffer.compare(actual, expected) !== 0) {
    assert.fail(`${actual.length} bytes differ from the expected ${expected.length}`);
  }
}

/** The big-endian 32-bit number. */
export function uint32(value: number): Uint8Array {
  const bytes = new Uint8Array(4);
  new DataView(bytes.buffer).setUint32(0, value);
  return bytes;
}

/** A trunk frame as a peer that breaks the protocol may send it: any id, any announced length. */
export function rawTrunk(connection: number, payload: Uint8Array, length = payload.length): Uint8Array {
  return concat(uint32(connection), uint32(length), payload);
}

/** A ttrpc frame as a peer that breaks the protocol may send it: any stream id, type and announced length. */
export function rawFrame(
  stream: number,
  type: number,
  payload: Uint8Array,
  length = payload.length,
): Uint8Array {
  return concat(uint32(length), uint32(stream), Uint8Array.of(type, 0), payload);
}

/** Yields `bytes` in chunks of the given lengths, over and over. One array holds them all, as in a read loop. */
export function* chunks(bytes: Uint8Array, lengths: readonly number[]): Generator<Uint8Array> {
  const shared = new Uint8Array(Math.min(bytes.length, Math.max(...lengths)));
  for (let at = 0, turn = 0; at < bytes.length; turn++) {
    const chunk = bytes.subarray(at, at + (lengths[turn % lengths.length] ?? 1));
    shared.set(chunk);
    yield shared.subarray(0, chunk.length);
    shared.fill(0xee);
    at += chunk.length;
  }
}

/** Lengths to cut by: whole, byte by byte, or at random. */
export const cuts: fc.Arbitrary<readonly number[]> = fc.oneof(
  fc.constant([1 << 24]),
  fc.constant([1]),
  fc.array(fc.oneof(fc.integer({ min: 1, max: 20 }), fc.integer({ min: 1, max: 9000 })), {
    minLength: 1,
    maxLength: 8,
  }),
);

/** Everything that `next` has to give. */
export function drain<T>(source: { next(): T | undefined }): T[] {
  const all: T[] = [];
  for (let one = source.next(); one !== undefined; one = source.next()) all.push(one);
  return all;
}

/** Checks that `act` throws a ProtocolError of this code, with a message of one line. */
export function assertBroken(code: ProtocolErrorCode, act: () => unknown): void {
  assert.throws(act, (error) => {
    assert.ok(error instanceof ProtocolError, `a ProtocolError, not ${error}`);
    assert.equal(error.code, code);
    assert.match(error.message, /^[^\n]{10,}$/);
    return true;
  });
}
