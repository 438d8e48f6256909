import assert from "node:assert/strict";
import { AssertionError } from "../../../src/assert.ts";
import { Session, type SessionEvent } from "../../../src/wire/session.ts";
import { Code, encodeSuccess } from "../../../src/wire/ttrpc.ts";
import {
  assertBroken,
  assertSame,
  concat,
  drain,
  hex,
  pattern,
  rawFrame,
  rawTrunk,
} from "../../kit/bytes.ts";

const RUNTIME = "nri.pkg.api.v1alpha1.Runtime";
const PLUGIN = "nri.pkg.api.v1alpha1.Plugin";
const NOTHING = new Uint8Array();

/** A plugin that has been called `count` times, on streams 1, 3, 5… */
function calledPlugin(count = 1): Session {
  const [plugin, runtime] = [new Session("plugin"), new Session("runtime")];
  for (let i = 0; i < count; i++) {
    plugin.receive(runtime.call(PLUGIN, "StateChange", NOTHING).bytes);
    assert.equal(drain(plugin).length, 1);
  }
  return plugin;
}

/** What a runtime, waiting for the answer on stream 1, makes of the bytes. */
function readAnswer(bytes: Uint8Array): SessionEvent | undefined {
  const runtime = new Session("runtime");
  runtime.call(PLUGIN, "StateChange", NOTHING);
  runtime.receive(bytes);
  return runtime.next();
}

Deno.test("a plugin registers with exactly these bytes, and the runtime reads the same call", () => {
  const register = hex("0a06 637075736574 1202 3130"); // plugin_name "cpuset", plugin_idx "10"
  const expected = hex(`
    00000002 0000004c       # trunk: connection 2, 76 bytes
    00000042 00000001 01 00 # ttrpc: 66 bytes, stream 1, request, no flags
    0a 1c 6e72692e 706b672e 6170692e 7631616c706861312e 52756e74696d65 # service
    12 0e 5265676973746572 506c7567696e                                # method
    1a 0c 0a06637075736574 12023130                                    # payload
    20 80a8d6b907                                                      # time-out: 2 s
  `);
  const { stream, bytes } = new Session("plugin").call(RUNTIME, "RegisterPlugin", register, 2_000_000_000n);
  assert.equal(stream, 1);
  assert.deepEqual(bytes, expected);
  const runtime = new Session("runtime");
  runtime.receive(bytes);
  assert.deepEqual(drain(runtime), [{
    kind: "called",
    stream: 1,
    service: RUNTIME,
    method: "RegisterPlugin",
    payload: register,
    timeoutNano: 2_000_000_000n,
  }]);
});

Deno.test("answers and refusals are exactly these bytes, on the connection of the call", () => {
  const plugin = calledPlugin(3);
  assert.deepEqual(plugin.answer(1, NOTHING), hex("00000001 0000000a 00000000 00000001 02 00"));
  assert.deepEqual(plugin.answer(5, hex("abcd")), hex("00000001 0000000e 00000004 00000005 02 00 1202abcd"));
  assert.deepEqual(
    plugin.refuse(3, { code: Code.UNIMPLEMENTED, message: "no" }),
    hex("00000001 00000012 00000008 00000003 02 00 0a06 080c 12026e6f"),
  );
});

Deno.test("a call without a status, or with code 0, has succeeded", () => {
  const success = { kind: "answered", stream: 1, status: { code: 0, message: "" }, payload: hex("07") };
  for (const envelope of [hex("120107"), hex("0a00 120107"), hex("0a020800 120107")]) {
    assert.deepEqual(readAnswer(rawTrunk(1, rawFrame(1, 2, envelope))), success);
  }
});

Deno.test("calls count odd stream ids up, and answers may come in any order", () => {
  const [plugin, runtime] = [new Session("plugin"), new Session("runtime")];
  const calls = [1, 2, 3].map((n) => runtime.call(PLUGIN, `Method${n}`, pattern(n)));
  assert.deepEqual(calls.map(({ stream }) => stream), [1, 3, 5]);
  plugin.receive(concat(...calls.map(({ bytes }) => bytes)));
  drain(plugin);
  for (const stream of [5, 1, 3]) runtime.receive(plugin.answer(stream, pattern(stream)));
  assert.deepEqual(drain(runtime).map(({ stream, payload }) => [stream, payload.length]), [[5, 5], [1, 1], [
    3,
    3,
  ]]);
  runtime.finish();
});

Deno.test("an answer that no frame can hold becomes a refusal, and the session goes on", () => {
  const plugin = calledPlugin(2);
  const refused = readAnswer(plugin.answer(1, new Uint8Array(4 * 1024 * 1024)));
  assert.ok(refused?.kind === "answered");
  assert.equal(refused.status.code, Code.RESOURCE_EXHAUSTED);
  assert.match(refused.status.message, /4194304 bytes/);
  assert.deepEqual(plugin.answer(3, NOTHING), hex("00000001 0000000a 00000000 00000003 02 00"));
});

Deno.test("the longest answer that fits arrives whole", () => {
  const longest = pattern(4 * 1024 * 1024 - 5);
  const event = readAnswer(calledPlugin().answer(1, longest));
  assert.ok(event?.kind === "answered");
  assertSame(event.payload, longest);
});

Deno.test("a refusal's message is cut so that it fits in one trunk frame", () => {
  const bytes = calledPlugin().refuse(1, { code: Code.INTERNAL, message: "很".repeat(5000) });
  assert.ok(bytes.length <= 8 + 4096);
  const event = readAnswer(bytes);
  assert.ok(event?.kind === "answered");
  assert.deepEqual(event.status, { code: Code.INTERNAL, message: "很".repeat(1023) + "…" });
});

Deno.test("a request is answered once, by its own stream, and a refusal has a code", () => {
  const cases: ((plugin: Session) => unknown)[] = [
    (plugin) => plugin.answer(3, NOTHING),
    (plugin) => [plugin.answer(1, NOTHING), plugin.answer(1, NOTHING)],
    (plugin) => [plugin.answer(1, NOTHING), plugin.refuse(1, { code: 2, message: "late" })],
    (plugin) => plugin.refuse(1, { code: Code.OK, message: "fine" }),
  ];
  for (const act of cases) assert.throws(() => act(calledPlugin()), AssertionError);
});

Deno.test("a call that no frame can hold is a bug", () => {
  const plugin = new Session("plugin");
  assert.throws(() => plugin.call(RUNTIME, "UpdateContainers", new Uint8Array(4 << 20)), AssertionError);
});

Deno.test("256 requests may wait for an answer, one more overflows", () => {
  assert.equal(calledPlugin(256).answer(511, NOTHING).length, 18);
  const plugin = calledPlugin(256);
  plugin.receive(rawTrunk(1, rawFrame(513, 1, NOTHING)));
  assertBroken("overflow", () => plugin.next());
});

Deno.test("256 calls may wait for an answer, one more overflows, and each answer makes room for one", () => {
  const plugin = new Session("plugin");
  for (let i = 0; i < 256; i++) plugin.call(RUNTIME, "UpdateContainers", NOTHING);
  plugin.receive(rawTrunk(2, rawFrame(101, 2, encodeSuccess(NOTHING))));
  drain(plugin);
  assert.equal(plugin.call(RUNTIME, "UpdateContainers", NOTHING).stream, 513);
  assertBroken("overflow", () => plugin.call(RUNTIME, "UpdateContainers", NOTHING));
});

Deno.test("the events before a broken message are all given, then the session is closed for everything", () => {
  const plugin = calledPlugin();
  const good = rawTrunk(1, concat(rawFrame(3, 1, NOTHING), rawFrame(5, 1, NOTHING), rawFrame(4, 1, NOTHING)));
  plugin.receive(good);
  assert.equal(plugin.next()?.stream, 3);
  assert.equal(plugin.next()?.stream, 5);
  assertBroken("bad-stream", () => plugin.next());
  for (
    const act of [
      () => plugin.next(),
      () => plugin.receive(NOTHING),
      () => plugin.finish(),
      () => plugin.call(RUNTIME, "RegisterPlugin", NOTHING),
      () => plugin.answer(1, NOTHING),
      () => plugin.refuse(1, { code: 2, message: "no" }),
    ]
  ) assertBroken("closed", act);
});

Deno.test("the peer may close between messages, not inside one, nor before its events are pulled", () => {
  const wire = rawTrunk(1, rawFrame(1, 1, NOTHING));
  for (let length = 0; length <= wire.length; length++) {
    const plugin = new Session("plugin");
    plugin.receive(wire.subarray(0, length));
    drain(plugin);
    if (length === 0 || length === wire.length) plugin.finish();
    else assertBroken("truncated", () => plugin.finish());
    assertBroken("closed", () => plugin.next());
  }
  const early = new Session("plugin");
  early.receive(wire);
  assert.throws(() => early.finish(), AssertionError);
});

Deno.test("closing between the trunk frames of one message truncates it, on either connection", () => {
  for (const [connection, type] of [[1, 1], [2, 2]] as const) {
    const plugin = new Session("plugin");
    plugin.receive(rawTrunk(connection, rawFrame(1, type, NOTHING, 5000)));
    drain(plugin);
    assertBroken("truncated", () => plugin.finish());
  }
});
