import assert from "node:assert/strict";
import { Latency } from "../../../src/daemon/latency.ts";
import { Records } from "../../kit/daemon_stage.ts";

const EVERY = 500;
const TOLD = 1000;

function watched(): { latency: Latency; log: Records; said: () => string[] } {
  const log = new Records();
  const latency = new Latency(log, EVERY, 0);
  const said = () =>
    log.records.splice(0).map(({ level, message, fields }) =>
      `${level} ${message.split(" ", 3).join(" ")} ${JSON.stringify(fields)}`
    );
  return { latency, log, said };
}

Deno.test("answers are counted, with the longest; those beyond half of the limit are warned of by name", () => {
  const { latency, said } = watched();
  latency.answered("CreateContainer", 0, 3, TOLD);
  latency.answered("CreateContainer", 10, 510, TOLD);
  assert.deepEqual(said(), []);
  latency.answered("StopContainer", 1000, 1500.6, TOLD);
  assert.deepEqual(said(), ['warn an answer took {"ms":501,"call":"StopContainer","timeoutMs":1000}']);
  const { answers, slow, stalls } = latency.figures;
  assert.deepEqual([answers.count, slow.count, stalls.count], [3, 1, 0]);
  assert(Math.abs(answers.max - 500.6) < 1e-6 && answers.max === slow.max);
});

Deno.test("where the runtime doesn't tell its limit, containerd's two seconds count", () => {
  for (const untold of [undefined, 0, -1]) {
    const { latency, said } = watched();
    latency.answered("StopContainer", 0, 1000, untold);
    assert.deepEqual(said(), []);
    latency.answered("StopContainer", 0, 1001, untold);
    assert.deepEqual(said(), ['warn an answer took {"ms":1001,"call":"StopContainer","timeoutMs":2000}']);
  }
});

Deno.test("one warning a minute: what comes meanwhile is told together then, with the longest", () => {
  const { latency, said } = watched();
  latency.answered("A", 0, 600, TOLD);
  assert.equal(said().length, 1);
  for (const [call, took] of [["B", 700], ["C", 900], ["D", 800]] as const) {
    latency.answered(call, 1000, 1000 + took, TOLD);
  }
  for (let now = EVERY; now < 60_500; now += EVERY) latency.ticked(now, TOLD);
  assert.deepEqual(said(), []);
  latency.ticked(60_600, TOLD);
  assert.deepEqual(said(), ['warn an answer took {"ms":900,"call":"C","timeoutMs":1000,"times":3}']);
  latency.ticked(200_000, 1e9);
  assert.deepEqual(said(), [], "nothing is left to tell");
  assert.equal(latency.figures.slow.count, 4);
});

Deno.test("a tick that comes much too late is a stall, told with its length", () => {
  const { latency, said } = watched();
  for (let now = EVERY; now <= 10_000; now += EVERY) latency.ticked(now, TOLD);
  latency.ticked(10_000 + EVERY + 500, TOLD);
  assert.deepEqual(said(), [], "half of the limit late, and no more");
  latency.ticked(20_000, TOLD);
  assert.deepEqual(said(), ['warn the agent stood {"ms":8500,"timeoutMs":1000}']);
  latency.ticked(20_000 + EVERY, TOLD);
  latency.ticked(30_000, TOLD);
  assert.deepEqual(said(), []);
  latency.ticked(80_000 + 1, 1e9);
  assert.deepEqual(said(), ['warn the agent stood {"ms":9000,"timeoutMs":1000}']);
  assert.deepEqual(latency.figures.stalls, { count: 2, max: 9000 });
});
