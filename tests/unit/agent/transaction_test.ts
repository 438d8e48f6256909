/** What a call needs of the kernel: all or nothing, within one deadline, and what a failure teaches. */
import assert from "node:assert/strict";
import { CpuSet } from "../../../src/cpu/cpu_set.ts";
import type { CpusetPort, CpusetReading, CpusetWriteResult } from "../../../src/cgroup/port.ts";
import { type Decision, NEUTRAL, type Response, type WriteFailed } from "../../../src/agent/decision.ts";
import { initialState } from "../../../src/agent/state.ts";
import { withReadings } from "../../../src/agent/kernel.ts";
import { carryOut } from "../../../src/agent/transaction.ts";
import type { Assignment } from "../../../src/ledger/assignment.ts";
import { confirm, created, failureOf } from "../../../src/ledger/delivery.ts";
import { Ledger } from "../../../src/ledger/ledger.ts";
import { afterWrites, type PlannedWrite } from "../../../src/ledger/plan_writes.ts";
import { cpus, placed, ref, shared } from "../../kit/books.ts";
import { DEFAULT_POLICY, DEFAULT_SETTINGS } from "../../kit/policy.ts";
import { topologyOf, twoCpuVm } from "../../kit/sysfs.ts";

const TOPOLOGY = topologyOf({ ...twoCpuVm, coresPerNode: 8 });
const STATE = initialState(TOPOLOGY, DEFAULT_SETTINGS, false);
const RESPONSE: Response = { kind: "response", state: STATE, reply: NEUTRAL, logs: [] };

/** `a` and `b` run on all CPUs by their cgroups, and are to give up CPU 7. */
const RUNNING = ["a", "b"].map((id): Assignment =>
  confirm({ ...placed(id, shared(), ""), ...created("cgroup") }, cpus("0-7"), "running")
);
const LEDGER = RUNNING.reduce((all, each) => all.with(each), Ledger.empty(TOPOLOGY, DEFAULT_POLICY));
const WRITES: PlannedWrite[] = LEDGER.inOrder().map((assignment) => ({ assignment, cpus: cpus("0-6") }));

type Result = CpusetWriteResult;
const failed = (over: Partial<Extract<Result, { kind: "failed" }>> = {}): Result => ({
  ...{ kind: "failed", container: "b", code: "EBUSY", reason: "a child holds 7", tookMs: 100 },
  ...{ notRolledBack: new Set(), ...over },
});

/** A kernel that answers writes with these results, the last of them again and again, and reads with `readings`. */
function kernel(results: readonly Result[], readings: Readonly<Record<string, string>> = {}) {
  const deadlines: number[] = [];
  const port: CpusetPort = {
    version: 2,
    writable: true,
    read: ({ id }): CpusetReading => {
      const list = readings[id];
      return list === undefined ? { kind: "absent" } : { kind: "values", cpus: cpus(list) };
    },
    population: ({ id }) => readings[id] === undefined ? "absent" : "populated",
    write: (_, deadlineMs) => {
      deadlines.push(deadlineMs);
      const result = results[Math.min(deadlines.length, results.length) - 1];
      assert(result !== undefined);
      return result;
    },
  };
  return { port, deadlines };
}

/** Writes until it is told that this was the last try; each failure is kept. */
function insisting(failures: WriteFailed[], ledgers: Ledger[] = []): Decision {
  return {
    kind: "write",
    ledger: LEDGER,
    writes: WRITES,
    after: afterWrites(LEDGER, WRITES),
    written: (ledger) => {
      ledgers.push(ledger);
      return RESPONSE;
    },
    failed: (failure) => {
      failures.push(failure);
      return failure.isFinal ? RESPONSE : insisting(failures, ledgers);
    },
  };
}

/** What each container of the ledger may be running on by what the failure has shown, and why. */
function learned(result: Result, readings?: Readonly<Record<string, string>>): string[] {
  const failures: WriteFailed[] = [];
  carryOut(insisting(failures), { cpusets: kernel([result], readings).port, now: 5, requestTimeoutMs: 1 });
  const ledger = failures[0]?.learn(LEDGER) ?? LEDGER;
  return ledger.inOrder().map((a) => {
    const { reason, retryAt, cpus } = failureOf(a) ?? {};
    const { by, state } = a.delivery;
    const on = a.mayRunOn.size > 8 ? "anywhere" : a.mayRunOn;
    return `${by} ${state} ${on}${reason === undefined ? "" : ` keeps ${cpus}, ${reason}, ${retryAt}`}`;
  });
}

Deno.test("one deadline, a quarter of the runtime's time-out, is shared by all tries of a call", () => {
  const failures: WriteFailed[] = [];
  const { port, deadlines } = kernel([failed({ tookMs: 200 })]);
  carryOut(insisting(failures), { cpusets: port, now: 0, requestTimeoutMs: 2000 });
  assert.deepEqual(deadlines, [500, 300, 100]);
  assert.deepEqual(failures.map(({ isFinal }) => isFinal), [false, false, true]);
});

for (const requestTimeoutMs of [undefined, 0]) {
  Deno.test(`a runtime that doesn't say its time-out has containerd's: ${requestTimeoutMs}`, () => {
    const { port, deadlines } = kernel([{ kind: "done", tookMs: 1 }]);
    carryOut(insisting([]), { cpusets: port, now: 0, requestTimeoutMs });
    assert.deepEqual(deadlines, [500]);
  });
}

Deno.test("writes that fail at once are tried a bounded number of times", () => {
  const failures: WriteFailed[] = [];
  carryOut(insisting(failures), { cpusets: kernel([failed({ tookMs: 0 })]).port, now: 0 });
  assert.equal(failures.length, 64);
});

Deno.test("after a write the ledger has what was read back; a later try may succeed", () => {
  const ledgers: Ledger[] = [];
  const { port } = kernel([failed(), { kind: "done", tookMs: 1 }]);
  assert.deepEqual(carryOut(insisting([], ledgers), { cpusets: port, now: 0 }), RESPONSE);
  assert.deepEqual(ledgers.map((ledger) => ledger.inOrder().map((a) => `${a.mayRunOn}`)), [["0-6", "0-6"]]);
});

Deno.test("without a kernel, or without writes, nothing is written, and the ledger stays", () => {
  const ledgers: Ledger[] = [];
  carryOut(insisting([], ledgers), { cpusets: undefined, now: 0 });
  const { port, deadlines } = kernel([failed()]);
  const none = { ...insisting([], ledgers), writes: [] } as Decision;
  carryOut(none, { cpusets: port, now: 0 });
  assert.deepEqual([ledgers.map((ledger) => ledger === LEDGER), deadlines], [[true, true], []]);
});

Deno.test("what has to be known first is read, and goes on from there", () => {
  const seen: unknown[] = [];
  const read: Decision = {
    kind: "read",
    containers: [ref("a"), ref("b")],
    then: (readings) => {
      seen.push(...[...readings].map(([id, { kind }]) => `${id} ${kind}`));
      return RESPONSE;
    },
  };
  carryOut(read, { cpusets: kernel([], { a: "1" }).port, now: 0 });
  carryOut(read, { cpusets: undefined, now: 0 });
  assert.deepEqual(seen, ["a values", "b absent"]);
});

const LESSONS: readonly [what: string, Result, readings: Record<string, string>, expected: string[]][] = [
  ["all is rolled back, and one keeps its CPUs", failed(), { b: "0-7" }, [
    "cgroup running 0-7",
    "cgroup failed 0-7 keeps 7, a child holds 7, 1005",
  ]],
  ["the kernel has something else by now", failed(), { b: "5-7" }, [
    "cgroup running 0-7",
    "cgroup failed 5-7 keeps 7, a child holds 7, 1005",
  ]],
  ["it can't be read: it may be on either", failed(), {}, [
    "cgroup running 0-7",
    "cgroup failed 0-7 keeps 7, a child holds 7, 1005",
  ]],
  ["one couldn't be rolled back", failed({ notRolledBack: new Set(["a"]) }), { a: "0-6", b: "0-7" }, [
    "cgroup running 0-6",
    "cgroup failed 0-7 keeps 7, a child holds 7, 1005",
  ]],
  ["several took too long: that is nobody's failure", failed({ code: "deadline" }), { b: "0-7" }, [
    ...["cgroup running 0-7", "cgroup running 0-7"],
  ]],
  [
    "one can't be verified: the runtime delivers to it",
    { kind: "unverified", containers: new Set(["a"]), reason: "no cgroup", tookMs: 1 },
    {},
    ["record running anywhere", "cgroup running 0-7"],
  ],
];
for (const [what, result, readings, expected] of LESSONS) {
  Deno.test(`what a failed write teaches: ${what}`, () =>
    assert.deepEqual(learned(result, readings), expected));
}

Deno.test("a failure is logged once per container and cause, and a deadline not at all", () => {
  const logs = (result: Result, ledger = LEDGER) => {
    const failures: WriteFailed[] = [];
    const writes = ledger.inOrder().map((assignment) => ({ assignment, cpus: cpus("0-6") }));
    const decision = { ...insisting(failures), ledger, writes } as Decision;
    carryOut(decision, { cpusets: kernel([result], { b: "0-7" }).port, now: 0, requestTimeoutMs: 1 });
    const [first] = failures;
    assert(first !== undefined);
    return { texts: first.logs.map(({ message, fields }) => `${message} ${fields?.containerID}`), first };
  };
  const { texts, first } = logs(failed());
  assert.deepEqual(texts, ["cpuset write failed; retrying b"]);
  assert.deepEqual(logs(failed(), first.learn(LEDGER)).texts, []);
  assert.equal(logs(failed({ reason: "another" }), first.learn(LEDGER)).texts.length, 1);
  assert.deepEqual(logs(failed({ code: "deadline" })).texts, []);
});

Deno.test("readings: read is confirmed, unreadable is left to the record, absent changes nothing", () => {
  const readings = new Map<string, CpusetReading>([
    ["a", { kind: "values", cpus: CpuSet.of(3) }],
    ["b", { kind: "unverified", reason: "gone" }],
    ["c", { kind: "absent" }],
  ]);
  const after = withReadings(LEDGER.with(placed("c", shared(), "", "2")), readings);
  assert.deepEqual(after.inOrder().map(({ delivery: { by } }) => by), ["cgroup", "record", "record"]);
  assert.deepEqual(["a", "c"].map((id) => `${after.assignments.get(id)?.mayRunOn}`), ["3", "2"]);
});
