/** Decisions are values: what is logged before them stays with them, whatever the kernel answers. */
import assert from "node:assert/strict";
import { type Decision, NEUTRAL, refused, type Response, withLogs } from "../../../src/agent/decision.ts";
import { initialState } from "../../../src/agent/state.ts";
import type { LogRecord } from "../../../src/log_record.ts";
import { refuse } from "../../../src/ledger/refusal.ts";
import { ref } from "../../kit/books.ts";
import { DEFAULT_SETTINGS } from "../../kit/policy.ts";
import { topologyOf, twoCpuVm } from "../../kit/sysfs.ts";

const STATE = initialState(topologyOf(twoCpuVm), DEFAULT_SETTINGS, false);
const line = (message: string): LogRecord => ({ level: "info", message });

function response(message: string): Response {
  return { kind: "response", state: STATE, reply: NEUTRAL, logs: [line(message)] };
}

/** What is logged in the end, where the kernel can be read and written, or fails once. */
function logged(decision: Decision, fails: boolean): string[] {
  switch (decision.kind) {
    case "response":
      return decision.logs.map(({ message }) => message);
    case "read":
      return logged(decision.then(new Map()), fails);
    case "write":
      return logged(
        fails
          ? decision.failed({ learn: (ledger) => ledger, reason: "", isFinal: true, logs: [] })
          : decision.written(decision.ledger),
        fails,
      );
  }
}

Deno.test("a log record before a decision comes first in its response, by whatever way", () => {
  const write: Decision = {
    kind: "write",
    ledger: STATE.ledger,
    writes: [],
    written: () => response("written"),
    failed: () => response("failed"),
  };
  const read: Decision = { kind: "read", containers: [], then: () => write };
  for (const decision of [write, read]) {
    assert.deepEqual(logged(withLogs(decision, [line("first")]), false), ["first", "written"]);
    assert.deepEqual(logged(withLogs(decision, [line("first")]), true), ["first", "failed"]);
  }
  assert.deepEqual(logged(withLogs(response("only"), [line("first")]), false), ["first", "only"]);
  assert.equal(withLogs(read, []), read);
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
