import assert from "node:assert/strict";
import fc from "fast-check";
import { pendingUpdates } from "../../../src/ledger/updates.ts";
import type { Claim } from "../../../src/ledger/claim.ts";
import type { Ledger } from "../../../src/ledger/ledger.ts";
import { type Found, recover } from "../../../src/ledger/recover.ts";
import { bigNode, topologyOf, twoCpuVm } from "../../kit/sysfs.ts";
import { cpus, exclusive, pinned, ref, shared } from "../../kit/books.ts";
import { DEFAULT_POLICY } from "../../kit/policy.ts";

const BIG = topologyOf(bigNode);
const SMALL = topologyOf(twoCpuVm);

function found(name: string, claim: Claim, record?: string, createdAt = 0): Found {
  const base = { container: ref(name), claim, createdAt: BigInt(createdAt) };
  return record === undefined ? base : { ...base, record: cpus(record) };
}

function on(ledger: Ledger, name: string): string {
  const assignment = ledger.assignments.get(name);
  assert(assignment !== undefined);
  return ledger.desired(assignment).toString();
}

function sent(ledger: Ledger): Record<string, string> {
  return Object.fromEntries(pendingUpdates(ledger).map(({ id, cpus }) => [id, cpus.toString()]));
}

Deno.test("what is right stays as it is, and nothing is sent", () => {
  const ledger = recover(BIG, DEFAULT_POLICY, [
    found("p", pinned("0,32"), "0,32"),
    found("e", exclusive(3), "5,17,40"),
    found("s", shared(), "1-4,6-16,18-31,33-39,41-63"),
  ]);
  assert.equal(on(ledger, "e"), "5,17,40");
  assert.deepEqual(sent(ledger), {});
});

Deno.test("containers that were created without the agent are put right", () => {
  const ledger = recover(SMALL, DEFAULT_POLICY, [found("e", exclusive(1)), found("s", shared())]);
  assert.deepEqual(sent(ledger), { e: "1", s: "0" });
});

Deno.test("a pinned container takes its CPUs from an exclusive one, which is placed anew", () => {
  const ledger = recover(BIG, DEFAULT_POLICY, [
    found("e", exclusive(2), "4,36", 1),
    found("p", pinned("4"), undefined, 2),
  ]);
  assert.equal(on(ledger, "p"), "4");
  assert(!cpus(on(ledger, "e")).has(4));
  assert.equal(cpus(on(ledger, "e")).size, 2);
});

Deno.test("of two exclusive containers on the same CPUs the older one keeps them", () => {
  const two = [found("young", exclusive(2), "4,36", 20), found("old", exclusive(2), "4,36", 10)];
  const ledger = recover(BIG, DEFAULT_POLICY, two);
  assert.equal(on(ledger, "old"), "4,36");
  assert(!cpus(on(ledger, "young")).intersects(cpus("4,36")));
});

Deno.test("without creation times the lower id keeps them", () => {
  const ledger = recover(BIG, DEFAULT_POLICY, [
    found("b", exclusive(2), "4,36"),
    found("a", exclusive(2), "4,36"),
  ]);
  assert.equal(on(ledger, "a"), "4,36");
});

Deno.test("one found on more CPUs than it claims gets some of them and no others", () => {
  const ledger = recover(BIG, DEFAULT_POLICY, [found("e", exclusive(2), "4-7,36-39")]);
  assert(cpus(on(ledger, "e")).isSubsetOf(cpus("4-7,36-39")));
  assert.equal(ledger.claimed.size, 2);
});

Deno.test("those whose CPUs are right keep them even against older ones that must be placed", () => {
  const ledger = recover(SMALL, DEFAULT_POLICY, [
    found("old", exclusive(1), undefined, 1),
    found("right", exclusive(1), "1", 2),
  ]);
  assert.equal(on(ledger, "right"), "1");
  assert.match(ledger.assignments.get("old")?.degraded ?? "", /needs 1 exclusive CPU, 0 are free/);
  assert.equal(on(ledger, "old"), "0");
});

Deno.test("a pinned container on CPUs that don't exist runs degraded in the pool", () => {
  const ledger = recover(SMALL, DEFAULT_POLICY, [found("p", pinned("7")), found("e", exclusive(1), "1")]);
  assert.equal(on(ledger, "p"), "0");
  assert.match(ledger.assignments.get("p")?.degraded ?? "", /names CPU 7, not online/);
});

Deno.test("the shared pool keeps its minimum", () => {
  const ledger = recover(SMALL, DEFAULT_POLICY, [
    found("a", pinned("0"), "0", 1),
    found("b", pinned("1"), "1", 2),
  ]);
  assert.equal(ledger.claimed.toString(), "0");
  assert.match(ledger.assignments.get("b")?.degraded ?? "", /would leave 0 for the shared pool/);
});

const anyClaim = fc.oneof(
  fc.nat({ max: 70 }).map((cpu) => pinned(String(cpu))),
  fc.integer({ min: 1, max: 20 }).map((n) => exclusive(n)),
  fc.constant(shared()),
  fc.nat({ max: 63 }).map((cpu) => shared(`0-${cpu}`)),
);
const anyFound = fc.array(
  fc.record({
    claim: anyClaim,
    first: fc.nat({ max: 63 }),
    size: fc.integer({ min: 0, max: 20 }),
    age: fc.nat({ max: 3 }),
  }),
  { maxLength: 30 },
).map((list) =>
  list.map(({ claim, first, size, age }, i) =>
    found(`c${i}`, claim, size === 0 ? undefined : `${first}-${first + size - 1}`, age)
  )
);

Deno.test("whatever is found, the ledger holds its invariants, doesn't depend on the order, and needs no second correction", () => {
  fc.assert(fc.property(anyFound, fc.infiniteStream(fc.nat()), (all, random) => {
    const ledger = recover(BIG, DEFAULT_POLICY, all);
    ledger.check();
    assert(ledger.sharedPool.size >= 1);
    const shuffled = all.map((f) => ({ f, key: random.next().value })).sort((a, b) =>
      Number(a.key) - Number(b.key)
    );
    const again = recover(BIG, DEFAULT_POLICY, shuffled.map(({ f }) => f));
    for (const { container } of all) assert.equal(on(again, container.id), on(ledger, container.id));
    const corrected = all.map((f) =>
      found(f.container.id, f.claim, on(ledger, f.container.id), Number(f.createdAt))
    );
    assert.deepEqual(sent(recover(BIG, DEFAULT_POLICY, corrected)), {});
  }));
});
