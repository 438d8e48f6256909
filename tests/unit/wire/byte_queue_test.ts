import assert from "node:assert/strict";
import fc from "fast-check";
import { AssertionError } from "../../../src/assert.ts";
import { ByteQueue } from "../../../src/wire/byte_queue.ts";
import { assertBroken, assertSame, hex, pattern, SEED } from "../../kit/bytes.ts";

Deno.test("bytes come out as they went in, whatever the chunks, and memory stays within the limit", () => {
  const step = fc.oneof(
    fc.record({ kind: fc.constant("push" as const), count: fc.nat(60_000) }),
    fc.record({ kind: fc.constant("push" as const), count: fc.nat(8) }),
    fc.record({ kind: fc.constant("take" as const), count: fc.nat(60_000) }),
    fc.record({ kind: fc.constant("drop" as const), count: fc.nat(60_000) }),
  );
  const source = pattern(60 * 60_000);
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60, size: "max" }), (steps) => {
      const limit = 100_000;
      const queue = new ByteQueue(limit);
      let [head, tail] = [0, 0]; // what waits is source[head, tail)
      for (const { kind, count } of steps) {
        if (kind === "push" && tail - head + count <= limit) {
          queue.push(source.subarray(tail, tail += count));
        } else if (kind === "push") {
          assertBroken("overflow", () => queue.push(source.subarray(tail, tail + count)));
        } else {
          const most = Math.min(count, tail - head);
          if (kind === "drop") queue.drop(most);
          else assertSame(queue.take(most), source.subarray(head, head + most));
          head += most;
        }
        assert.equal(queue.length, tail - head);
        assert.ok(queue.capacity <= limit);
        assert.ok(queue.capacity <= Math.max(16 * 1024, 4 * queue.length) || kind === "push");
      }
      assertSame(queue.take(queue.length), source.subarray(head, tail));
    }),
    { seed: SEED, numRuns: 100 },
  );
});

Deno.test("bytes and big-endian numbers are read where they wait, without taking them", () => {
  const queue = new ByteQueue(100);
  queue.push(hex("aa 01 02"));
  queue.push(hex("03 fe"));
  queue.drop(1);
  assert.equal(queue.peek(3), 0xfe);
  assert.equal(queue.readUint32(0), 0x010203fe);
  assert.equal(queue.length, 4);
});

Deno.test("the queue keeps no hold of a pushed chunk, nor of what was taken", () => {
  const queue = new ByteQueue(100);
  const chunk = hex("01 02 03 04");
  queue.push(chunk);
  chunk.fill(0xee);
  const taken = queue.take(2);
  queue.push(hex("05 06"));
  taken.fill(0xee);
  assert.deepEqual(queue.take(4), hex("03 04 05 06"));
});

Deno.test("a million single bytes cost a buffer that doubles, and emptying gives it back", () => {
  const queue = new ByteQueue(1 << 21);
  const one = hex("07");
  const capacities = new Set<number>();
  for (let i = 0; i < 1_000_000; i++) {
    queue.push(one);
    capacities.add(queue.capacity);
  }
  assert.deepEqual([...capacities], [14, 15, 16, 17, 18, 19, 20].map((power) => 2 ** power));
  queue.take(999_999);
  assert.equal(queue.capacity, 16 * 1024);
});

Deno.test("bytes that pass through the queue, empty or part-filled before, don't make it grow", () => {
  for (const [waiting, passing] of [[0, 10_000], [5000, 3000]] as const) {
    const queue = new ByteQueue(1 << 20);
    queue.push(pattern(waiting));
    for (let i = 0; i < 100; i++) {
      queue.push(pattern(passing));
      assert.equal(queue.capacity, 16 * 1024);
      queue.drop(passing);
    }
  }
});

Deno.test("too much is refused and changes nothing", () => {
  const queue = new ByteQueue(4);
  queue.push(hex("01 02 03"));
  assertBroken("overflow", () => queue.push(hex("04 05")));
  queue.push(hex("04"));
  assert.equal(queue.capacity, 4);
  assert.deepEqual(queue.take(4), hex("01 02 03 04"));
});

Deno.test("asking for bytes that aren't there is a bug of the caller", () => {
  const queue = new ByteQueue(100);
  queue.push(hex("01 02 03"));
  for (
    const act of [
      () => queue.peek(3),
      () => queue.peek(-1),
      () => queue.readUint32(0),
      () => queue.take(4),
      () => queue.take(-1),
      () => queue.drop(4),
    ]
  ) assert.throws(act, AssertionError);
  assert.equal(queue.length, 3);
});
