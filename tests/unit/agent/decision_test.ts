/** Decisions are values: what is logged before them stays with them, whatever the kernel answers. */
import assert from "node:assert/strict";
import {
  type Decision,
  NEUTRAL,
  refused,
  type Response,
  retriedFirst,
  withLogs,
} from "../../../src/agent/decision.ts";
import { initialState } from "../../../src/agent/state.ts";
import { carryOut } from "../../../src/agent/transaction.ts";
import { CpuSet } from "../../../src/cpu/cpu_set.ts";
import type { LogRecord } from "../../../src/log_record.ts";
import { refuse } from "../../../src/ledger/refusal.ts";
import { placed, ref, shared } from "../../kit/books.ts";
import { FakeKernel } from "../../kit/fake_kernel.ts";
import { DEFAULT_SETTINGS } from "../../kit/policy.ts";
import { topologyOf, twoCpuVm } from "../../kit/sysfs.ts";

const STATE = initialState(topologyOf(twoCpuVm), DEFAULT_SETTINGS, false);
const line = (message: string): LogRecord => ({ level: "info", message });

function response(message: string): Response {
  return { kind: "response", state: STATE, reply: NEUTRAL, logs: [line(message)] };
}

/** What is logged in the end, where the kernel can be written, or fails. */
function logged(decision: Decision, fails: boolean): string[] {
  const kernel = new FakeKernel();
  kernel.pastDeadline = fails;
  return carryOut(decision, { cpusets: kernel, now: 0 }).logs.map(({ message }) => message);
}

Deno.test("a log record before a decision comes first in its response, by whatever way", () => {
  const assignment = placed("web", shared(), "");
  const write: Decision = {
    kind: "write",
    ledger: STATE.ledger,
    writes: [{ assignment, cpus: CpuSet.of(0) }],
    after: STATE.ledger,
    logs: [line("second")],
    written: () => response("written"),
    failed: () => response("failed"),
  };
  const read: Decision = { kind: "read", containers: [], then: () => write };
  const retry: Decision = { kind: "retry", state: STATE, then: () => read };
  for (const decision of [write, read, retry]) {
    assert.deepEqual(logged(withLogs(decision, [line("first")]), false), ["first", "second", "written"]);
  }
  assert.deepEqual(logged(withLogs(read, [line("first")]), true), ["first", "second", "failed"]);
  assert.deepEqual(logged(withLogs(response("only"), [line("first")]), false), ["first", "only"]);
  assert.equal(withLogs(read, []), read);
});

Deno.test("a claim is decided at once where nothing has failed", () => {
  assert.equal(retriedFirst(STATE, () => response("at once")).kind, "response");
});

Deno.test("a refusal is logged with its container and its reason; a dry run only logs it", () => {
  const refusal = refuse(ref("db"), "unavailable", "no room");
  for (const dryRun of [false, true]) {
    const { reply, logs: [last] } = refused({ ...STATE, dryRun }, ref("db"), refusal);
    assert.equal(reply.kind, dryRun ? "answer" : "refuse");
    assert.equal(last?.message, dryRun ? "container would be refused" : "container refused");
    assert.deepEqual(last?.fields, {
      ...{ namespace: "ns", pod: "db", container: "c", containerID: "db" },
      reason: refusal.message,
    });
  }
});
