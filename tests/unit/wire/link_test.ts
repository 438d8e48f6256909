// A plugin and a runtime joined by a fake link that cuts, delays and interleaves as it likes.

import assert from "node:assert/strict";
import fc from "fast-check";
import { type Role, Session } from "../../../src/wire/session.ts";
import { ByteQueue } from "../../../src/wire/byte_queue.ts";
import { assertSame, pattern, SEED } from "../../kit/bytes.ts";

/** One end: its session, what is on the way to it, the requests it hasn't answered and the calls it has made. */
class End {
  readonly session: Session;
  readonly incoming = new ByteQueue(1 << 24);
  readonly unanswered: { stream: number; method: string; payload: Uint8Array }[] = [];
  readonly calls = new Map<number, { method: string; payload: Uint8Array }>();
  peer: End = this;

  constructor(role: Role) {
    this.session = new Session(role);
  }

  call(size: number): void {
    const call = { method: `${this.calls.size}`, payload: pattern(size, size) };
    const { stream, bytes } = this.session.call("test", call.method, call.payload, BigInt(size));
    this.calls.set(stream, call);
    this.peer.incoming.push(bytes);
  }

  /** Answers with the request's payload, or refuses with its size as the code when it is odd. */
  answer(pick: number): void {
    const [request] = this.unanswered.splice(pick % this.unanswered.length, 1);
    if (request === undefined) return;
    const { stream, method, payload } = request;
    const odd = payload.length % 2 === 1;
    this.peer.incoming.push(
      odd
        ? this.session.refuse(stream, { code: payload.length, message: method })
        : this.session.answer(stream, payload),
    );
  }

  /** Lets `count` bytes arrive, and checks each event against what the peer called or this end asked. */
  deliver(count: number): void {
    this.session.receive(this.incoming.take(Math.min(count, this.incoming.length)));
    for (let event = this.session.next(); event !== undefined; event = this.session.next()) {
      const { stream, payload } = event;
      const call = (event.kind === "called" ? this.peer : this).calls.get(stream);
      assert.ok(call !== undefined);
      if (event.kind === "called") {
        assert.deepEqual([event.method, event.timeoutNano], [call.method, BigInt(payload.length)]);
        assertSame(payload, call.payload);
        this.unanswered.push({ stream, method: event.method, payload });
      } else {
        const odd = call.payload.length % 2 === 1;
        assert.deepEqual(
          event.status,
          odd ? { code: call.payload.length, message: call.method } : { code: 0, message: "" },
        );
        assertSame(payload, odd ? new Uint8Array() : call.payload);
        this.calls.delete(stream);
      }
    }
  }
}

function join(): { plugin: End; runtime: End; ends: [End, End] } {
  const [plugin, runtime] = [new End("plugin"), new End("runtime")];
  plugin.peer = runtime;
  runtime.peer = plugin;
  return { plugin, runtime, ends: [plugin, runtime] };
}

/** Delivers and answers until nothing is left to do, then closes the link. */
function settle(ends: End[]): void {
  while (ends.some(({ incoming, unanswered }) => incoming.length + unanswered.length > 0)) {
    for (const end of ends) {
      end.deliver(end.incoming.length);
      end.answer(0);
    }
  }
  for (const end of ends) {
    assert.equal(end.calls.size, 0);
    end.session.finish();
  }
}

Deno.test("every call both ways arrives once and gets its own answer, whatever the order and the chunks", () => {
  const which = fc.constantFrom<0 | 1>(0, 1);
  const step = fc.oneof(
    fc.record({
      kind: fc.constant("call"),
      end: which,
      n: fc.oneof(fc.nat(30), fc.integer({ min: 4000, max: 9000 })),
    }),
    fc.record({ kind: fc.constant("answer"), end: which, n: fc.nat(20) }),
    fc.record({ kind: fc.constant("deliver"), end: which, n: fc.oneof(fc.nat(20), fc.nat(10_000)) }),
  );
  fc.assert(
    fc.property(fc.array(step, { maxLength: 100, size: "max" }), (steps) => {
      const { ends } = join();
      for (const { kind, end, n } of steps) {
        if (kind === "call") ends[end].call(n);
        else if (kind === "answer") ends[end].answer(n);
        else ends[end].deliver(n);
      }
      settle(ends);
    }),
    { seed: SEED, numRuns: 150 },
  );
});

Deno.test("a link that delivers one byte at a time changes nothing", () => {
  const { plugin, runtime, ends } = join();
  for (const size of [0, 1, 4000, 4096, 5000]) {
    plugin.call(size);
    runtime.call(size + 1);
  }
  while (ends.some(({ incoming, unanswered }) => incoming.length + unanswered.length > 0)) {
    for (const end of ends) {
      end.deliver(1);
      end.answer(end.unanswered.length - 1);
    }
  }
  settle(ends);
});

Deno.test("a thousand calls one after the other leave no memory behind", () => {
  const { plugin, runtime, ends } = join();
  const idle = plugin.session.capacity;
  for (let i = 0; i < 500; i++) {
    runtime.call(80 * i);
    settleOne(runtime);
    plugin.call(i);
    settleOne(plugin);
  }
  assert.deepEqual(ends.map(({ session }) => session.capacity), [idle, idle]);
});

/** Carries one call to the peer and its answer back. */
function settleOne(caller: End): void {
  caller.peer.deliver(caller.peer.incoming.length);
  caller.peer.answer(0);
  caller.deliver(caller.incoming.length);
  assert.equal(caller.calls.size, 0);
}
