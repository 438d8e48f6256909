/** The one rule of safety: nobody goes onto a CPU on which another may be running that mustn't share it. */
import assert from "node:assert/strict";
import { CpuSet } from "../../../src/cpu/cpu_set.ts";
import type { Assignment } from "../../../src/ledger/assignment.ts";
import type { Claim } from "../../../src/ledger/claim.ts";
import { PlannedOverhangs } from "../../../src/ledger/conflict.ts";
import { created, updateSent } from "../../../src/ledger/delivery.ts";
import { Ledger } from "../../../src/ledger/ledger.ts";
import { topologyOf, twoCpuVm } from "../../kit/sysfs.ts";
import { DEFAULT_POLICY } from "../../kit/policy.ts";
import { cpus, exclusive, pinned, placed, shared } from "../../kit/books.ts";

const EMPTY = Ledger.empty(topologyOf({ ...twoCpuVm, coresPerNode: 8 }), DEFAULT_POLICY);

function ledgerOf(...assignments: Assignment[]): Ledger {
  return assignments.reduce((ledger, assignment) => ledger.with(assignment), EMPTY);
}

/** On which CPUs a container with that claim mustn't go because of `other`, and who is there. */
function blocked([claim, grant]: readonly [Claim, string], other: Assignment): [string, string[]] {
  const ledger = ledgerOf(other, placed("own", claim, grant, grant || "0"));
  const own = ledger.assignments.get("own");
  assert(own !== undefined);
  const over = new PlannedOverhangs(ledger);
  const holders = over.holdersOf(own, CpuSet.range(0, 7));
  return [
    `${over.blockedFor(own)}`,
    holders.map(({ holder, cpus }) => `${holder.container.id} ${cpus}`),
  ];
}

const OWN = { shared: [shared(), ""], pinned: [pinned("1"), "1"], exclusive: [exclusive(1), "2"] } as const;
/** Each may be running on CPUs 3 and 4, and should be running on 3 alone, or in the pool, where 4 is pinned. */
const OTHER = {
  shared: placed("other", shared(), "", "1-4"),
  pinned: placed("other", pinned("3"), "3", "3-4"),
  exclusive: placed("other", exclusive(1), "3", "3-4"),
};

const TABLE: readonly [own: keyof typeof OWN, other: keyof typeof OTHER, cpus: string][] = [
  ["shared", "shared", ""],
  ["shared", "pinned", "4"],
  ["shared", "exclusive", "4"],
  ["pinned", "shared", "1"],
  ["pinned", "pinned", ""],
  ["pinned", "exclusive", "4"],
  ["exclusive", "shared", "2"],
  ["exclusive", "pinned", "4"],
  ["exclusive", "exclusive", "4"],
];
for (const [own, other, expected] of TABLE) {
  Deno.test(`conflict: a ${own} container beside a ${other} one keeps off ${expected || "nothing"}`, () => {
    const holders = expected === "" ? [] : [`other ${expected}`];
    assert.deepEqual(blocked(OWN[own], OTHER[other]), [expected, holders]);
  });
}

Deno.test("conflict: one that is only where it should be, or has no process, blocks none", () => {
  const there = placed("other", exclusive(1), "3");
  assert.deepEqual(blocked(OWN.pinned, there), ["", []]);
  assert.deepEqual(blocked(OWN.pinned, { ...there, ...created("cgroup", cpus("0-7")) }), ["", []]);
});

Deno.test("conflict: before its start it is in the way of those with a grant alone, since its start is verified", () => {
  const sent = updateSent({ ...OTHER.exclusive, ...created("record", cpus("3-4")) }, cpus("3"));
  assert.equal(`${sent.mayRunOn}`, "3-4");
  assert.deepEqual(blocked(OWN.pinned, sent), ["4", ["other 4"]]);
  assert.equal(blocked(OWN.shared, sent)[0], "");
});

Deno.test("conflict: its own overhang, and CPUs that are offline, block none", () => {
  const ledger = ledgerOf(placed("own", exclusive(1), "2", "2-3"), placed("other", pinned("5"), "5", "5,9"));
  const own = ledger.assignments.get("own");
  assert(own !== undefined);
  assert(new PlannedOverhangs(ledger).blockedFor(own).isEmpty);
  assert.deepEqual(new PlannedOverhangs(ledger).holdersOf(own, CpuSet.range(0, 9)), []);
});

Deno.test("conflict: what is delivered on the way counts", () => {
  const ledger = ledgerOf(
    OTHER.exclusive,
    placed("own", exclusive(1), "2", "2"),
    placed("s", shared(), "", "0"),
  );
  const [own, s] = ["own", "s"].map((id) => ledger.assignments.get(id));
  assert(own !== undefined && s !== undefined);
  const over = new PlannedOverhangs(ledger);
  assert.equal(`${over.blockedFor(own)}`, "4");
  over.deliver(OTHER.exclusive, cpus("3"));
  assert(over.blockedFor(own).isEmpty && over.blockedFor(s).isEmpty);
  over.deliver(s, cpus("0,2"));
  assert.equal(`${over.blockedFor(own)}`, "2", "a shared one was written onto it");
  over.deliver(OTHER.exclusive, cpus("3,6"));
  assert.deepEqual([`${over.blockedFor(own)}`, `${over.blockedFor(s)}`], ["2,6", "6"]);
});
