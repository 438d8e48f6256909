import assert from "node:assert/strict";
import { Latency } from "../../../src/daemon/latency.ts";
import { Records } from "../../kit/daemon_stage.ts";

const TICK_MS = 500;
const TIMEOUT_MS = 1000;

function watched(): { latency: Latency; logged: () => string[] } {
  const log = new Records();
  const latency = new Latency(log, TICK_MS, 0);
  const logged = () =>
    log.records.splice(0).map(({ level, message, fields }) =>
      `${level} ${message.split(":")[0]} ${JSON.stringify(fields)}`
    );
  return { latency, logged };
}

Deno.test("a reply that takes more than half of the request timeout is warned of with its call", () => {
  const { latency, logged } = watched();
  latency.answered("CreateContainer", 0, 3, TIMEOUT_MS);
  latency.answered("CreateContainer", 10, 510, TIMEOUT_MS);
  assert.deepEqual(logged(), []);
  latency.answered("StopContainer", 1000, 1500.6, TIMEOUT_MS);
  assert.deepEqual(logged(), ['warn slow reply {"durationMs":501,"call":"StopContainer","timeoutMs":1000}']);
});

Deno.test("where the runtime names no timeout, containerd's two seconds apply", () => {
  for (const none of [undefined, 0, -1]) {
    const { latency, logged } = watched();
    latency.answered("StopContainer", 0, 1000, none);
    assert.deepEqual(logged(), []);
    latency.answered("StopContainer", 0, 1001, none);
    assert.deepEqual(logged(), [
      'warn slow reply {"durationMs":1001,"call":"StopContainer","timeoutMs":2000}',
    ]);
  }
});

Deno.test("one warning a minute: those suppressed meanwhile are summarised in the next, with the longest", () => {
  const { latency, logged } = watched();
  latency.answered("A", 0, 600, TIMEOUT_MS);
  assert.equal(logged().length, 1);
  for (const [call, took] of [["B", 700], ["C", 900], ["D", 800]] as const) {
    latency.answered(call, 1000, 1000 + took, TIMEOUT_MS);
  }
  for (let now = TICK_MS; now < 60_500; now += TICK_MS) latency.ticked(now, TIMEOUT_MS);
  assert.deepEqual(logged(), []);
  latency.ticked(60_600, TIMEOUT_MS);
  assert.deepEqual(logged(), ['warn slow reply {"durationMs":900,"call":"C","timeoutMs":1000,"times":3}']);
  latency.ticked(200_000, 1e9);
  assert.deepEqual(logged(), [], "none is pending");
});

Deno.test("a tick that is late by more than half of the request timeout is a stall, warned of with its length", () => {
  const { latency, logged } = watched();
  for (let now = TICK_MS; now <= 10_000; now += TICK_MS) latency.ticked(now, TIMEOUT_MS);
  latency.ticked(10_000 + TICK_MS + 500, TIMEOUT_MS);
  assert.deepEqual(logged(), [], "late by half of the timeout, and no more");
  latency.ticked(20_000, TIMEOUT_MS);
  assert.deepEqual(logged(), ['warn process stalled {"durationMs":8500,"timeoutMs":1000}']);
  latency.ticked(20_000 + TICK_MS, TIMEOUT_MS);
  latency.ticked(30_000, TIMEOUT_MS);
  assert.deepEqual(logged(), []);
  latency.ticked(80_000 + 1, 1e9);
  assert.deepEqual(logged(), ['warn process stalled {"durationMs":9000,"timeoutMs":1000}']);
});
