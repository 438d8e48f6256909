import assert from "node:assert/strict";
import { EventLog } from "../../../kit/runtime/event_log.ts";

const connected = { kind: "connected" } as const;

Deno.test("waiting ends with the event that makes it true, or at once", async () => {
  const log = new EventLog();
  const two = log.until(() => log.of("connected").length === 2, "not two", 5000);
  log.add(connected);
  log.add({ kind: "registered", plugin: "50-a" });
  log.add(connected);
  await two;
  await log.until(() => true, "never said", 5000);
});

Deno.test("waiting in vain ends with what is missing and what came last", async () => {
  const log = new EventLog();
  log.add({ kind: "registered", plugin: "50-a" });
  await assert.rejects(
    log.until(() => false, "no plugin was synchronized", 1),
    /no plugin was synchronized within 1 ms; the last events: .*50-a/,
  );
});

Deno.test("waits are rejected when the log is closed", async () => {
  const log = new EventLog();
  const waiting = log.until(() => false, "nothing", 5000);
  log.close();
  await assert.rejects(waiting, /the runtime was closed/);
});

Deno.test("the log keeps the latest ten thousand events", () => {
  const log = new EventLog();
  log.add({ kind: "registered", plugin: "50-first" });
  for (let i = 0; i < 10_000; i++) log.add(connected);
  assert.equal(log.events.length, 10_000);
  assert.deepEqual(log.of("registered"), []);
});
