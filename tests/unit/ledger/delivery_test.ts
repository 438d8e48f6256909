/** How the delivery of a container's CPUs goes on, a transition a row: where it may be running meanwhile. */
import assert from "node:assert/strict";
import type { CpuSet } from "../../../src/cpu/cpu_set.ts";
import type { Assignment } from "../../../src/ledger/assignment.ts";
import { ANYWHERE } from "../../../src/ledger/bound.ts";
import * as delivery from "../../../src/ledger/delivery.ts";
import { cpus, exclusive, ref } from "../../kit/books.ts";

type Delivered = Pick<Assignment, "mayRunOn" | "delivery">;
type Transition = (assignment: Assignment) => Assignment;

const { confirm, created, failed, foundByRecord, observe, runs, starts, unreadable } = delivery;
const {
  isStartingAfterAll,
  recordMayChange,
  resolved,
  seemsToRun,
  seenAtStart,
  updateLost,
  updateNoted,
  updateSent,
  withoutOffline,
  written,
} = delivery;

const ONLINE = cpus("0-7");

function of(delivered: Delivered): Assignment {
  return { container: ref("a"), claim: exclusive(2), grant: cpus("1-2"), ...delivered };
}

/** `cgroup running on 1-2 record 1-2?`; the mark says that the runtime may have lost the record. */
function text({ mayRunOn, delivery: { by, state, record, recordUnsure } }: Delivered): string {
  const on = mayRunOn === ANYWHERE ? "anywhere" : `${mayRunOn}` || "nothing";
  return `${by} ${state} on ${on}` +
    (record === undefined ? "" : ` record ${record}${recordUnsure ? "?" : ""}`);
}

const set = (list: string): CpuSet | undefined => list === "" ? undefined : cpus(list);
const byRecord = (list: string) => of(created("record", set(list)));
const byCgroup = (list: string) => of(created("cgroup", set(list)));
const running = (list: string) => of(foundByRecord(set(list), true));
const confirmed = (on: string, list: string, state: "starting" | "running" = "running") =>
  confirm(byCgroup(list), cpus(on), state);
const refuses = { cpus: cpus("3"), reason: "a child holds 3", now: 0 };
const failing = (assignment: Assignment, on = "1-3") => failed(assignment, cpus(on), refuses);
const sent = (list: string): Transition => (a) => updateSent(a, cpus(list));
const seen = (list: string): Transition => (a) => seenAtStart(a, cpus(list), ONLINE);
const offline = (list: string): Transition => (a) => withoutOffline(a, ONLINE.difference(cpus(list)));

const TABLE: readonly [what: string, from: Assignment, by: Transition, to: string][] = [
  // By the record.
  ["it is created", byRecord("1-2"), (a) => a, "record created on 1-2 record 1-2"],
  ["its record names no CPUs", byRecord(""), (a) => a, "record created on anywhere"],
  ["it is found running", running("1-2"), (a) => a, "record running on 1-2 record 1-2"],
  ["its start is answered", byRecord("1-2"), starts, "record starting on 1-2 record 1-2"],
  ["it runs", starts(byRecord("1-2")), runs, "record running on 1-2 record 1-2"],
  ["it runs, though its start wasn't seen", byRecord("1-2"), runs, "record running on 1-2 record 1-2"],
  ["it ran already", running("1-2"), starts, "record running on 1-2 record 1-2"],
  ["it is sent other CPUs", running("1-2"), sent("3-4"), "record running on 3-4 record 3-4"],
  ["it is sent some where it had none", running(""), sent("3"), "record running on 3 record 3"],
  ["it is sent some before it has a process", byRecord("1-2"), sent("3"), "record created on 1-3 record 3?"],
  ["it is sent some as it starts", starts(byRecord("1-2")), sent("3"), "record starting on 1-3 record 3?"],
  ["it is sent the same", byRecord("1-2"), sent("1-2"), "record created on 1-2 record 1-2"],
  [
    "once more, since they may be lost",
    sent("3")(byRecord("1-2")),
    sent("3"),
    "record created on 1-3 record 3?",
  ],
  ["and when it runs", runs(sent("3")(byRecord("1-2"))), sent("3"), "record running on 3 record 3"],
  [
    "an update is noted, by the record alone",
    sent("3")(byRecord("1")),
    updateNoted,
    "record created on 1,3 record 3?",
  ],
  [
    "at its start its cgroup has the record",
    sent("3")(byRecord("1")),
    seen("3"),
    "record created on 3 record 3",
  ],
  [
    "at its start its cgroup has others",
    sent("3")(byRecord("1")),
    seen("1"),
    "record created on 1,3 record 3?",
  ],
  ["its record has CPUs that are offline", byRecord("2,9"), seen("2"), "record created on 2,9 record 2,9?"],
  ["it drifts", running("1-2"), failing, "record failed on 1-3 record 1-2"],
  ["that is over", failing(running("1-2")), resolved, "record running on 1-3 record 1-2"],
  ["it drifts as it starts", failing(starts(byRecord("1-2"))), resolved, "record starting on 1-3 record 1-2"],
  ["it starts after all", running("1-2"), isStartingAfterAll, "record created on 1-2 record 1-2?"],
  ["it starts, as was known", byRecord("1-2"), isStartingAfterAll, "record created on 1-2 record 1-2"],
  ["it seems to run", sent("3")(byRecord("1-2")), seemsToRun, "record running on 1-3 record 3?"],
  ["and is sent others", sent("4")(seemsToRun(byRecord("1-2"))), runs, "record running on 4 record 4?"],
  ["its record may change", running("1-2"), recordMayChange, "record running on 1-2 record 1-2"],
  ["its cgroup is read", running("1-2"), (a) => observe(a, cpus("1")), "cgroup running on 1 record 1-2"],
  // By the cgroup.
  ["it is created", byCgroup("1-2"), (a) => a, "cgroup not-started on nothing record 1-2"],
  ["it is sent CPUs", byCgroup("1-2"), sent("3"), "cgroup not-started on nothing record 3?"],
  ["its record may change", confirmed("1-2", "1-2"), recordMayChange, "cgroup running on 1-2 record 1-2?"],
  ["that is noted", sent("3")(byCgroup("1-2")), updateNoted, "cgroup not-started on nothing record 3?"],
  ["it is noted", recordMayChange(confirmed("1-2", "1-2")), updateNoted, "cgroup running on 1-2 record 1-2"],
  ["one of before is noted", updateLost(confirmed("1", "2")), updateNoted, "cgroup running on 1 record 2?"],
  ["it is sent that again", updateLost(confirmed("1", "2")), sent("2"), "cgroup running on 1 record 2"],
  [
    "it starts",
    byCgroup("1-2"),
    (a) => confirm(a, cpus("1-2"), "starting"),
    "cgroup starting on 1-2 record 1-2",
  ],
  ["it runs", confirmed("1-2", "", "starting"), runs, "cgroup running on 1-2"],
  ["it isn't started by a reply", byCgroup("1-2"), starts, "cgroup not-started on nothing record 1-2"],
  ["its record is sent others", confirmed("1-2", "1-2"), sent("3"), "cgroup running on 1-2 record 3"],
  ["as it starts", confirmed("1-2", "1-2", "starting"), sent("3"), "cgroup starting on 1-2 record 3?"],
  ["it is read", confirmed("1-2", ""), (a) => observe(a, cpus("0-7")), "cgroup running on 0-7"],
  [
    "it is read as it starts",
    confirmed("1-2", "", "starting"),
    (a) => observe(a, cpus("1")),
    "cgroup starting on 1",
  ],
  ["a write fails", confirmed("1-3", ""), failing, "cgroup failed on 1-3"],
  ["it is read then", failing(confirmed("1-3", "")), (a) => observe(a, cpus("1")), "cgroup failed on 1"],
  [
    "a write succeeds",
    failing(confirmed("1-3", "")),
    (a) => written(a, cpus("1-2")),
    "cgroup running on 1-2",
  ],
  ["it failed as it started", failing(confirmed("1-3", "", "starting")), resolved, "cgroup starting on 1-3"],
  [
    "it started after all",
    resolved(runs(failing(confirmed("1-3", "", "starting")))),
    runs,
    "cgroup running on 1-3",
  ],
  ["it runs by its cgroup", confirmed("1-2", ""), isStartingAfterAll, "cgroup running on 1-2"],
  // From the cgroup to the record.
  ["unreadable before it starts", byCgroup("1-2"), unreadable, "record created on 1-2 record 1-2"],
  ["and it has no record", byCgroup(""), unreadable, "record created on anywhere"],
  [
    "unreadable as it starts",
    confirmed("1-2", "1-2", "starting"),
    unreadable,
    "record starting on 1-2 record 1-2",
  ],
  [
    "unreadable, with a record like it",
    confirmed("1-2", "1-2"),
    unreadable,
    "record running on 1-2 record 1-2",
  ],
  ["unreadable, with another record", confirmed("1-2", "4"), unreadable, "record running on 1-2,4 record 4?"],
  ["unreadable, without a record", confirmed("1-2", ""), unreadable, "record running on anywhere"],
  [
    "unreadable after a failure",
    failing(confirmed("1-3", "3")),
    unreadable,
    "record running on 1-3 record 3?",
  ],
  ["it was by the record already", byRecord("1-2"), unreadable, "record created on 1-2 record 1-2"],
  // CPUs that are offline are taken out of every set for good.
  ["one goes", running("1-2"), offline("1"), "record running on 2 record 2"],
  ["all go", running("1-2"), offline("1-2"), "record running on anywhere"],
  ["where it may run anywhere", running(""), offline("1"), "record running on anywhere"],
  ["where it has no process", byCgroup("1"), offline("1"), "cgroup not-started on nothing"],
];

for (const [what, from, by, to] of TABLE) {
  Deno.test(`delivery: ${text(from)}; ${what}: ${to}`, () => assert.equal(text(by(from)), to));
}

Deno.test("the back-off doubles up to a minute, over any start, and what was refused adds up", () => {
  let next = confirmed("1-4", "", "starting");
  const delays = Array.from({ length: 9 }, (_, at) => {
    next = failed(runs(next), cpus("1-4"), { cpus: cpus(`${3 + at % 2}`), reason: "busy", now: 10 });
    return (delivery.failureOf(next)?.retryAt ?? 0) - 10;
  });
  assert.deepEqual(delays, [1000, 2000, 4000, 8000, 16_000, 32_000, 60_000, 60_000, 60_000]);
  assert.equal(`${delivery.failureOf(next)?.cpus}`, "3-4");
  assert.equal(delivery.failureOf(written(next, cpus("1-2"))), undefined);
});

Deno.test("what a container found again was sent before may be its record by now", () => {
  const late = (a: Assignment) => text(delivery.mayHaveBeenSent(a, cpus("3")));
  assert.equal(late(running("1-2")), "record running on 1-3 record 3?");
  assert.equal(late(confirmed("1-2", "1-2")), "cgroup running on 1-2 record 3?");
});
