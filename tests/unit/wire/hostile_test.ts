// A peer that means harm, or a runtime gone wrong: whatever it sends, the session waits or ends in a
// ProtocolError, gives the events that came before, and holds no more memory than its bounds say.

import assert from "node:assert/strict";
import fc from "fast-check";
import { ProtocolError, type ProtocolErrorCode } from "../../../src/wire/errors.ts";
import { type Role, Session, type SessionEvent } from "../../../src/wire/session.ts";
import { encodeFailure, encodeRequest, encodeSuccess } from "../../../src/wire/ttrpc.ts";
import { assertBroken, chunks, concat, hex, pattern, rawFrame, rawTrunk, SEED } from "../../kit/bytes.ts";

const NOTHING = new Uint8Array();
const M4 = 4 * 1024 * 1024;
const REQUEST = encodeRequest("service", "Method", hex("010203"), 5n);
const RESPONSE = encodeSuccess(hex("0405"));

/** A session that has three calls outstanding, on streams 1, 3 and 5, so that it waits for both kinds of frames. */
function start(role: Role): Session {
  const session = new Session(role);
  for (let i = 0; i < 3; i++) session.call("service", "Method", NOTHING);
  return session;
}

/** How a session took the bytes: its events, and the code it ended with if it did. Lets no other error pass. */
function feed(session: Session, bytes: Uint8Array, lengths: readonly number[]) {
  const events: SessionEvent[] = [];
  try {
    for (const chunk of chunks(bytes, lengths)) {
      session.receive(chunk);
      for (let event = session.next(); event !== undefined; event = session.next()) events.push(event);
    }
  } catch (error) {
    if (!(error instanceof ProtocolError)) throw error;
    return { events, code: error.code };
  }
  return { events, code: undefined };
}

// To a plugin: requests come on connection 1, responses on 2. First what is fine, then what breaks it.
const first = rawTrunk(1, rawFrame(3, 1, REQUEST));
const table: [name: string, code: ProtocolErrorCode, bytes: Uint8Array][] = [
  ["a trunk frame over 4 MiB + 10", "oversize-frame", rawTrunk(1, NOTHING, M4 + 11)],
  ["a trunk frame of 4 GiB for nobody", "oversize-frame", rawTrunk(99, NOTHING, 0xffff_ffff)],
  ["a trunk frame for connection 0", "reserved-connection", rawTrunk(0, NOTHING)],
  ["a ttrpc frame over 4 MiB", "oversize-frame", rawTrunk(1, rawFrame(5, 1, NOTHING, M4 + 1))],
  ["a response over 4 MiB", "oversize-frame", rawTrunk(2, rawFrame(1, 2, NOTHING, 0xffff_ffff))],
  ["a frame of type 0", "unknown-type", rawTrunk(1, rawFrame(5, 0, REQUEST))],
  ["a frame of type 4", "unknown-type", rawTrunk(2, rawFrame(1, 4, RESPONSE))],
  ["a data frame among requests", "unexpected-type", rawTrunk(1, rawFrame(3, 3, NOTHING))],
  ["a data frame among responses", "unexpected-type", rawTrunk(2, rawFrame(1, 3, NOTHING))],
  ["a response among requests", "unexpected-type", rawTrunk(1, rawFrame(1, 2, RESPONSE))],
  ["a request among responses", "unexpected-type", rawTrunk(2, rawFrame(5, 1, REQUEST))],
  ["a request with an even stream id", "bad-stream", rawTrunk(1, rawFrame(4, 1, REQUEST))],
  ["a request with stream id 0", "bad-stream", rawTrunk(1, rawFrame(0, 1, REQUEST))],
  ["a request with a repeated stream id", "bad-stream", rawTrunk(1, rawFrame(3, 1, REQUEST))],
  ["a request with a smaller stream id", "bad-stream", rawTrunk(1, rawFrame(1, 1, REQUEST))],
  ["a response to no call", "bad-stream", rawTrunk(2, rawFrame(7, 2, RESPONSE))],
  [
    "a second response",
    "bad-stream",
    rawTrunk(2, concat(rawFrame(1, 2, RESPONSE), rawFrame(1, 2, RESPONSE))),
  ],
  ["a request of garbage", "malformed", rawTrunk(1, rawFrame(5, 1, hex("ffffff")))],
  ["a response of garbage", "malformed", rawTrunk(2, rawFrame(1, 2, hex("0a7f")))],
  ["a method name that isn't UTF-8", "malformed", rawTrunk(1, rawFrame(5, 1, hex("1202fffe")))],
];
for (const [name, code, bytes] of table) {
  Deno.test(`${name} ends the session as ${code}, after the request before it`, () => {
    for (const lengths of [[1000], [1], [7, 3]]) {
      const end = feed(start("plugin"), concat(first, bytes), lengths);
      assert.equal(end.code, code);
      assert.deepEqual([end.events[0]?.kind, end.events[0]?.stream], ["called", 3]);
    }
  });
}

Deno.test("a data frame is refused with a message of its own: NRI doesn't stream", () => {
  const session = new Session("plugin");
  session.receive(rawTrunk(1, rawFrame(1, 3, NOTHING)));
  assert.throws(() => session.next(), /NRI has no streaming calls/);
});

Deno.test("100000 random strings of bytes end in a ProtocolError or wait", () => {
  const byte = fc.oneof({ arbitrary: fc.constantFrom(0, 1, 2, 3, 10), weight: 4 }, fc.nat(255));
  const text = fc.oneof(
    fc.uint8Array({ maxLength: 32, size: "max" }),
    fc.array(byte, { maxLength: 32, size: "max" }).map((array) => Uint8Array.from(array)),
  );
  let waited = 0;
  fc.assert(
    fc.property(text, (bytes) => {
      if (feed(new Session("plugin"), bytes, [64]).code === undefined) waited++;
    }),
    { seed: SEED, numRuns: 100_000 },
  );
  assert.ok(waited > 10_000 && waited < 90_000, `${waited} strings left the session waiting`);
});

Deno.test("nearly right conversations end the same way, however they are cut", () => {
  const envelope = fc.oneof(
    fc.constantFrom(REQUEST, RESPONSE, NOTHING, encodeFailure(5, "not found")),
    fc.uint8Array({ maxLength: 12 }),
  );
  const frame = fc.tuple(fc.nat(9), fc.constantFrom(1, 1, 1, 2, 2, 2, 3, 9), envelope)
    .map(([stream, type, payload]) => rawFrame(stream, type, payload));
  const trunk = fc.tuple(fc.constantFrom(1, 1, 1, 2, 2, 2, 8, 0), fc.array(frame, { maxLength: 3 }))
    .map(([connection, frames]) => rawTrunk(connection, concat(...frames)));
  const flip = fc.option(fc.tuple(fc.nat(200), fc.nat(255)), { nil: undefined });
  const role = fc.constantFrom<Role>("plugin", "runtime");
  const lengths = fc.array(fc.integer({ min: 1, max: 30 }), { minLength: 1, maxLength: 6 });
  const codes = new Set<string | undefined>();
  fc.assert(
    fc.property(fc.array(trunk, { maxLength: 6 }), flip, role, lengths, (frames, flipped, role, lengths) => {
      const bytes = concat(...frames);
      if (flipped !== undefined && flipped[0] < bytes.length) bytes[flipped[0]] = flipped[1];
      const whole = feed(start(role), bytes, [10_000]);
      assert.deepEqual(feed(start(role), bytes, [1]), whole);
      assert.deepEqual(feed(start(role), bytes, lengths), whole);
      codes.add(whole.code);
    }),
    { seed: SEED, numRuns: 3000 },
  );
  const reached = ["bad-stream", "malformed", "oversize-frame", "reserved-connection", "unexpected-type"];
  for (const code of [undefined, "unknown-type", ...reached]) {
    assert.ok(codes.has(code), `${code} was reached`);
  }
});

Deno.test("what a huge message announces costs nothing, what has arrived of it twice its size at most", () => {
  const session = new Session("plugin");
  const idle = session.capacity;
  const wire = rawTrunk(1, rawFrame(1, 1, pattern(M4)));
  const receive = (from: number, to: number) => {
    session.receive(wire.subarray(from, to));
    assert.equal(session.next(), undefined);
    assert.ok(session.capacity <= idle + 2 * to, `${session.capacity} bytes held for ${to}`);
  };
  receive(0, 18); // both headers
  assert.equal(session.capacity, idle);
  const single = 600_000;
  for (let at = 18; at < single; at++) receive(at, at + 1);
  for (let at = single; at < wire.length - 1; at += 65_536) {
    receive(at, Math.min(at + 65_536, wire.length - 1));
  }
  assertBroken("truncated", () => session.finish());
});

Deno.test("endless empty frames and frames of unknown connections cost no memory", () => {
  const session = new Session("plugin");
  const idle = session.capacity;
  const noise = concat(rawTrunk(1, NOTHING), rawTrunk(77, pattern(500)), rawTrunk(2, NOTHING));
  for (let i = 0; i < 20_000; i++) {
    session.receive(noise);
    assert.equal(session.next(), undefined);
  }
  assert.equal(session.capacity, idle);
});

Deno.test("bytes pushed in without pulling events overflow", () => {
  const session = new Session("plugin");
  const chunk = pattern(1 << 20);
  for (let i = 0; i < 8; i++) session.receive(chunk);
  assertBroken("overflow", () => session.receive(chunk));
  assertBroken("closed", () => session.receive(chunk));
});
