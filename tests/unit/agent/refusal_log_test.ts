import assert from "node:assert/strict";
import { EMPTY_REFUSAL_LOG, filterRefusals, type RefusalLog } from "../../../src/agent/refusal_log.ts";
import { refused, type Response, unchanged } from "../../../src/agent/decision.ts";
import { initialState } from "../../../src/agent/state.ts";
import { refuse } from "../../../src/ledger/refusal.ts";
import type { LogRecord } from "../../../src/log_record.ts";
import type { Call } from "../../../src/nri/methods.ts";
import { refOf } from "../../../src/nri/read_claim.ts";
import { subject } from "../../kit/link.ts";
import type { Wanted } from "../../kit/messages.ts";
import { DEFAULT_SETTINGS } from "../../kit/policy.ts";
import { topologyOf, twoCpuVm } from "../../kit/sysfs.ts";

const STATE = initialState(topologyOf(twoCpuVm), DEFAULT_SETTINGS, false);
const MINUTE_MS = 60_000;

/** A log that is refused calls, and what it lets through. */
class Refusals {
  log: RefusalLog = EMPTY_REFUSAL_LOG;
  now = 0;
  #attempts = 0;

  /** An attempt to create it: each has an id of its own. */
  refuse(wanted: Wanted, why = "needs 2 exclusive CPUs, 1 is free"): LogRecord[] {
    const { pod, container } = subject(wanted);
    const attempt = { pod, container: { ...container, id: `${container.id}-${this.#attempts++}` } };
    const ref = refOf(pod, attempt.container);
    const response = refused(STATE, ref, refuse(ref, "unavailable", why));
    return this.#filter({ kind: "CreateContainer", ...attempt }, response);
  }

  start(wanted: Wanted): void {
    this.#filter({ kind: "StartContainer", ...subject(wanted) }, unchanged(STATE));
  }

  #filter(call: Call, { reply, logs: all }: Response): LogRecord[] {
    const isRefused = reply.kind === "refuse";
    const { refusals, logs } = filterRefusals(this.log, call, { isRefused, logs: all }, this.now);
    this.log = refusals;
    return [...logs];
  }
}

const db: Wanted = { name: "db" };

Deno.test("a refusal is logged once per container and cause, whatever figures it names", () => {
  const refusals = new Refusals();
  assert.equal(refusals.refuse(db).length, 1);
  assert.equal(refusals.refuse(db).length, 0);
  assert.equal(refusals.refuse(db, "needs 2 exclusive CPUs, 0 are free").length, 1);
  assert.equal(refusals.refuse(db, "needs 2 exclusive CPUs, 10 are free").length, 0);
  assert.equal(refusals.refuse({ name: "other" }).length, 1);
});

Deno.test("what goes on is logged with its count every ten minutes", () => {
  const refusals = new Refusals();
  const seen: unknown[] = [];
  for (; refusals.now <= 21 * MINUTE_MS; refusals.now += MINUTE_MS) {
    for (const { fields } of refusals.refuse(db)) seen.push([refusals.now / MINUTE_MS, fields?.times]);
  }
  assert.deepEqual(seen, [[0, undefined], [10, 10], [20, 10]]);
});

Deno.test("after a start the next refusal is a new one", () => {
  const refusals = new Refusals();
  refusals.refuse(db);
  refusals.refuse({ name: "other" });
  refusals.start(db);
  assert.equal(refusals.refuse(db).length, 1);
  assert.equal(refusals.refuse({ name: "other" }).length, 0);
});

Deno.test("no more than 1024 causes are kept, the latest of them", () => {
  const refusals = new Refusals();
  for (let i = 0; i < 1500; i++) refusals.refuse({ name: `pod-${i}` });
  assert.equal(refusals.log.size, 1024);
  assert.equal(refusals.refuse({ name: "pod-1499" }).length, 0);
  assert.equal(refusals.refuse({ name: "pod-0" }).length, 1);
});
