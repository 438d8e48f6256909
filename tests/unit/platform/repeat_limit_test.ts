import assert from "node:assert/strict";
import { RepeatLimit } from "../../../src/platform/repeat_limit.ts";
import type { LogRecord } from "../../../src/log_record.ts";

/** How many of `count` records are let through. */
function admitted(limit: RepeatLimit, count: number, record: (i: number) => LogRecord): number {
  return Array.from({ length: count }, (_, i) => limit.admits(record(i))).filter(Boolean).length;
}

const refused = (pod: string): LogRecord => ({ level: "error", message: "refused", fields: { pod } });

Deno.test("the same line is logged ten times a minute, then summarised with its own text", () => {
  const limit = new RepeatLimit();
  assert.deepEqual(limit.turn(0), []);
  assert.equal(admitted(limit, 322, () => refused("a")), 10);
  assert.deepEqual(limit.turn(60_000), [
    { ...refused("a"), message: "refused (repeated 312 more times in the last minute)" },
  ]);
  assert.deepEqual(limit.turn(120_000), []);
});

Deno.test("after the minute it is logged again", () => {
  const limit = new RepeatLimit();
  limit.turn(1000);
  assert.equal(limit.endsAt, 61_000);
  assert.equal(admitted(limit, 11, () => refused("a")), 10);
  limit.turn(limit.endsAt);
  assert.equal(admitted(limit, 11, () => refused("a")), 10);
});

Deno.test("other fields or another level make another line", () => {
  const limit = new RepeatLimit();
  limit.turn(0);
  assert.equal(admitted(limit, 20, () => refused("a")), 10);
  assert.equal(admitted(limit, 20, () => refused("b")), 10);
  assert.equal(admitted(limit, 20, () => ({ ...refused("a"), level: "warn" })), 10);
});

Deno.test("a message with ever different fields is logged five hundred times", () => {
  const limit = new RepeatLimit();
  limit.turn(0);
  assert.equal(admitted(limit, 499, (i) => refused(`pod ${i}`)), 499);
  assert.equal(admitted(limit, 101, (i) => refused(`another ${i}`)), 1);
  assert.deepEqual(limit.turn(60_000), [
    { level: "error", message: "refused (repeated 100 more times in the last minute)" },
  ]);
});

Deno.test("a flood with ever different fields doesn't hide another message", () => {
  const limit = new RepeatLimit();
  limit.turn(0);
  admitted(limit, 2000, (i) => refused(`pod ${i}`));
  assert.equal(admitted(limit, 1000, () => ({ level: "error", message: "another" })), 500);
});

Deno.test("the number of counted lines is bounded: lines beyond are logged", () => {
  const limit = new RepeatLimit();
  limit.turn(0);
  const numbered = (i: number): LogRecord => ({ level: "info", message: `message ${i % 1000}` });
  assert.equal(admitted(limit, 20_000, numbered), 500 * 10 + 500 * 20);
  assert.equal(limit.turn(60_000).length, 500);
});
