/** Which cgroups are written, and in which order. */
import assert from "node:assert/strict";
import type { Assignment } from "../../../src/ledger/assignment.ts";
import type { Claim } from "../../../src/ledger/claim.ts";
import { confirm, created, failed, failureOf } from "../../../src/ledger/delivery.ts";
import { Ledger } from "../../../src/ledger/ledger.ts";
import { afterWrites, dueWrites, planWrites, type WriteScope } from "../../../src/ledger/plan_writes.ts";
import { needsWrite } from "../../../src/ledger/updates.ts";
import { topologyOf, twoCpuVm } from "../../kit/sysfs.ts";
import { DEFAULT_POLICY } from "../../kit/policy.ts";
import { cpus, exclusive, pinned, placed, shared } from "../../kit/books.ts";

const EMPTY = Ledger.empty(topologyOf({ ...twoCpuVm, coresPerNode: 8 }), DEFAULT_POLICY);
const DUE: WriteScope = { kind: "due", now: 0 };
const LOSSES: WriteScope = { kind: "losses" };

/** A container that runs on `on`, as its cgroup was last read, and should run on its grant or in the pool. */
function on(list: string, name: string, claim: Claim = shared(), grant = ""): Assignment {
  return confirm({ ...placed(name, claim, grant), ...created("cgroup") }, cpus(list), "running");
}

/** It couldn't be made to give up `kept` at the time 0. */
function keeps(kept: string, assignment: Assignment): Assignment {
  return failed(assignment, assignment.mayRunOn, { cpus: cpus(kept), reason: "busy", now: 0 });
}

function ledgerOf(...assignments: Assignment[]): Ledger {
  return assignments.reduce((ledger, assignment) => ledger.with(assignment), EMPTY);
}

const writes = (ledger: Ledger, scope: WriteScope) =>
  planWrites(ledger, scope).map(({ assignment, cpus }) => `${assignment.container.id}=${cpus}`);
const blocked = (ledger: Ledger) => {
  const written = dueWrites(ledger).map(({ assignment }) => assignment.container.id);
  return ledger.dirty.filter((a) => needsWrite(ledger, a) && failureOf(a) === undefined)
    .map(({ container: { id } }) => id).filter((id) => !written.includes(id));
};

/** `web` is still on the CPUs to which `db` moves, and `db` on those that `api` may have. */
const MOVE = [on("0", "api"), on("4-5", "db", exclusive(2), "2-3"), on("0-7", "web")];

const TABLE: readonly [what: string, ledger: Ledger, scope: WriteScope, expected: string[]][] = [
  ["losses, exchanges, growth", ledgerOf(...MOVE), DUE, ["web=0-1,4-7", "db=2-3", "api=0-1,4-7"]],
  ["what only grows isn't needed for a claim", ledgerOf(...MOVE), LOSSES, ["web=0-1,4-7", "db=2-3"]],
  ["but the container itself may grow", ledgerOf(...MOVE), { ...LOSSES, grows: "api" }, [
    ...["web=0-1,4-7", "db=2-3", "api=0-1,4-7"],
  ]],
  ["whoever has its CPUs isn't written", ledgerOf(on("2-3", "db", exclusive(2), "2-3")), DUE, []],
  ["nor one by the record", ledgerOf(placed("s", shared(), "", "0"), placed("p", pinned("1"), "1")), DUE, []],
  ["nor one without a process", ledgerOf({ ...on("0", "s"), ...created("cgroup") }), DUE, []],
  [
    "a chain from its end",
    ledgerOf(
      on("1", "a", pinned("2"), "2"),
      on("2", "b", exclusive(1), "3"),
      on("3", "c", exclusive(1), "4"),
    ),
    DUE,
    ["c=4", "b=3", "a=2"],
  ],
  [
    "two on each other's CPUs change places, the older first",
    ledgerOf(on("1", "a", exclusive(1), "2"), on("2", "b", exclusive(1), "1")),
    DUE,
    ["a=2", "b=1"],
  ],
  [
    "in a circle a shared one goes first",
    ledgerOf(on("0,3-7", "db", exclusive(6), "1-6"), on("1-2", "s")),
    DUE,
    ["s=0,7", "db=1-6"],
  ],
  [
    "a shared one takes what it can get",
    ledgerOf(keeps("4", on("4,6", "db", exclusive(1), "6")), on("6", "s")),
    DUE,
    ["s=0-3,5,7"],
  ],
  [
    "one that forbids all that is free goes onto what it forbids, off another's CPUs",
    ledgerOf(keeps("1", on("1,6", "db", exclusive(1), "6")), on("6", "s", shared("0,2-5,7"))),
    DUE,
    ["s=0,2-5,7"],
  ],
  [
    "one with a grant takes all or nothing",
    ledgerOf(keeps("4", on("4,6", "s")), on("1", "p", exclusive(2), "4-5")),
    DUE,
    [],
  ],
  [
    "growth with a grant too",
    ledgerOf(keeps("4", on("4,6", "s")), on("5", "p", exclusive(2), "4-5")),
    DUE,
    [],
  ],
];
for (const [what, ledger, scope, expected] of TABLE) {
  Deno.test(`writes: ${what}`, () => assert.deepEqual(writes(ledger, scope), expected));
}

/** `web` was to give up CPU 2, and keeps it; CPU 3 is another matter. */
const FAILED = ledgerOf(keeps("2", on("0-7", "web")), on("0", "db", exclusive(2), "2-3"));
const RETRIED: readonly [what: string, scope: WriteScope, expected: string[]][] = [
  ["not before the end of its back-off", { kind: "due", now: 999 }, []],
  ["at its end", { kind: "due", now: 1000 }, ["web=0-1,4-7", "db=2-3"]],
  ["for a claim it gives up all but what it keeps", LOSSES, ["web=0-2,4-7"]],
  ["or is retried", { ...LOSSES, retried: new Set(["web"]) }, ["web=0-1,4-7", "db=2-3"]],
];
for (const [what, scope, expected] of RETRIED) {
  Deno.test(`writes: after a failure ${what}`, () => assert.deepEqual(writes(FAILED, scope), expected));
}

Deno.test("writes: what it couldn't give up is of no account where it has to give up something else", () => {
  const ledger = ledgerOf(keeps("2", on("0-7", "web")), on("0", "db", exclusive(1), "3"));
  assert.deepEqual(writes(ledger, LOSSES), ["web=0-2,4-7", "db=3"]);
});

Deno.test("writes: one whose CPUs another keeps is blocked, one whose write has failed isn't", () => {
  assert.deepEqual(blocked(FAILED), ["db"]);
  assert.deepEqual(blocked(ledgerOf(...MOVE)), []);
});

Deno.test("writes: afterwards each has what was written, and its failure is over", () => {
  const planned = planWrites(FAILED, { ...LOSSES, retried: new Set(["web"]) });
  const after = afterWrites(FAILED, planned);
  assert.deepEqual(after.assignments.values().map((a) => `${a.mayRunOn}`), ["0-1,4-7", "2-3"]);
  assert.deepEqual([after.failed.length, writes(after, DUE)], [0, []]);
});
