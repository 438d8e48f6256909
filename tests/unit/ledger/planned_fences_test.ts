/** Which writes leave containers something in common with the fence around them, and in which order that is. */
import assert from "node:assert/strict";
import { CpuSet } from "../../../src/cpu/cpu_set.ts";
import type { Assignment } from "../../../src/ledger/assignment.ts";
import type { Claim } from "../../../src/ledger/claim.ts";
import { confirm, created, failed } from "../../../src/ledger/delivery.ts";
import { groupOn, groupRef } from "../../../src/ledger/groups.ts";
import { Ledger } from "../../../src/ledger/ledger.ts";
import { planWrites, type WriteScope } from "../../../src/ledger/plan_writes.ts";
import { cpus, exclusive, pinned, placed, shared } from "../../kit/books.ts";
import { DEFAULT_POLICY } from "../../kit/policy.ts";
import { topologyOf, twoCpuVm } from "../../kit/sysfs.ts";

const EIGHT = Ledger.empty(topologyOf({ ...twoCpuVm, coresPerNode: 8 }), DEFAULT_POLICY);
const FENCE = "/kubepods/burstable";
const DUE: WriteScope = { kind: "due", now: 0 };

const OTHER = "/kubepods/besteffort";
const fence = (on: string, path = FENCE) => groupOn(groupRef(path), cpus(on), "unexclusive");
const wide = (on: string) => groupOn(groupRef(FENCE), cpus(on), "online");

/** A container that has `set` of its own. */
function on(set: string, name: string, claim: Claim = shared(), grant = ""): Assignment {
  return confirm({ ...placed(name, claim, grant), ...created("cgroup") }, cpus(set), "running");
}

function behind(set: string, name: string, claim?: Claim, grant?: string): Assignment {
  return { ...on(set, name, claim, grant), fence: FENCE };
}

function plan(scope: WriteScope, ...assignments: Assignment[]): string[] {
  const ledger = assignments.reduce((ledger, assignment) => ledger.with(assignment), EIGHT);
  return planWrites(ledger, scope).map(({ assignment, cpus }) => `${assignment.container.id}=${cpus}`);
}

const picky = shared("0-1,4-7");

Deno.test("a set grows onto no CPU that the fence still has and shouldn't", () => {
  const db = on("2-3", "db", exclusive(2), "2-3");
  assert.deepEqual(plan(DUE, fence("0-1,4-7"), db, behind("0-1,4-7", "web")), ["web=0-7"]);
  const late = { ...fence("0-7"), ...confirm({ ...fence("0-7") }, cpus("0-7"), "running") };
  assert.deepEqual(plan({ kind: "losses", grows: "web" }, late, db, behind("0-1", "web")), [
    `${FENCE}=0-1,4-7`,
    "web=0-7",
  ]);
  const refused: Assignment = {
    ...late,
    delivery: {
      by: "cgroup",
      state: "failed",
      failure: { cpus: cpus("2-3"), reason: "busy", tries: 1, retryAt: 9 },
    },
  };
  assert.deepEqual(plan(DUE, refused, db, behind("0-1", "web")), ["web=0-1,4-7"]);
});

Deno.test("a fence isn't narrowed to CPUs none of which a container in it has: it grows first", () => {
  // `pin` names what else is shared, so `web` can only change places with `db`.
  const pin = behind("0-1,6-7", "pin", pinned("0-1,6-7"), "0-1,6-7");
  const places = [on("4-5", "db", exclusive(2), "2-3"), pin, behind("2-3", "web")];
  assert.deepEqual(plan(DUE, fence("0-3,6-7"), ...places), ["db=2-3", `${FENCE}=0-7`, "web=2-5"]);
  const free = [on("5", "db", exclusive(2), "2-3"), pin, behind("2-3", "web")];
  assert.deepEqual(plan(DUE, fence("0-3,6-7"), ...free), [`${FENCE}=0-4,6-7`, "web=2-4"]);
});

Deno.test("a container is written to CPUs that its fence doesn't have yet once that has grown", () => {
  assert.deepEqual(plan(DUE, fence("0-1"), behind("0-1", "picky", picky)), [
    ...[`${FENCE}=0-7`, "picky=2-3"],
  ]);
  assert.deepEqual(plan({ kind: "losses" }, fence("0-1"), behind("0-1,4", "picky", picky)), ["picky=0-1"]);
});

Deno.test("a group that is no fence any more grows before what is in it is written", () => {
  assert.deepEqual(plan({ kind: "losses" }, wide("0-1"), on("0-7", "web"), on("2", "db", pinned("2"), "2")), [
    ...[`${FENCE}=0-1,3-7`, "web=0-1,3-7"],
  ]);
});

Deno.test("no claim depends on a group that is no fence any more and can't be written", () => {
  for (const set of ["0-1", "8"]) {
    const group = failed(wide(set), cpus(set), { cpus: CpuSet.empty, reason: "it can't be read", now: 0 });
    assert.deepEqual(plan({ kind: "losses" }, group), []);
    assert.deepEqual(plan({ kind: "due", now: 1000 }, group), [`${FENCE}=0-7`]);
  }
});

Deno.test("two fences don't wait for containers in each other that lack what their fences don't have yet", () => {
  const pin = behind("0", "pin", pinned("1-7"), "1-7");
  const web = (set: string): Assignment => ({ ...on(set, "web"), fence: OTHER });
  assert.deepEqual(plan(DUE, fence("0"), fence("1-7", OTHER), pin, web("1-7")), [
    ...[`${OTHER}=0-7`, `${FENCE}=0-7`, "web=0", "pin=1-7"],
  ]);
  // It would follow its fence onto what `pin` is on, so it gets a set of its own first.
  assert.deepEqual(plan(DUE, fence("0"), fence("1-7", OTHER), pin, web("0-7")), [
    ...[`${FENCE}=0-7`, "web=1-7"],
  ]);
});

Deno.test("no fence gains what an exclusive container is still on, whatever sets of their own those in it have", () => {
  const db = on("5", "db", exclusive(1), "4");
  assert.deepEqual(plan({ kind: "losses", grows: "web" }, fence("0-3"), db, behind("0-3", "web")), [
    ...[`${FENCE}=0-3,6-7`, "db=4", "web=0-7"],
  ]);
});

Deno.test("none goes to CPUs of a fence that can't leave them: what is in it waits for the end of a back-off", () => {
  const db = on("5", "db", exclusive(1), "7");
  const web = behind("7", "web");
  const failure = { cpus: cpus("7"), reason: "busy", tries: 1, retryAt: 9 };
  const waiting: Assignment = { ...web, delivery: { by: "cgroup", state: "failed", failure } };
  assert.deepEqual(plan(DUE, fence("0-4,6-7"), db, waiting), []);
  // Then it has more before its fence leaves what it had.
  assert.deepEqual(plan({ kind: "due", now: 9 }, fence("0-4,6-7"), db, waiting), [
    ...["web=0-4,6-7", `${FENCE}=0-4,6`, "db=7", "web=0-7"],
  ]);
});
