import { checkPools } from "../../../src/ledger/holdings.ts";
import assert from "node:assert/strict";
import fc from "fast-check";
import { pendingUpdates } from "../../../src/ledger/updates.ts";
import type { Claim } from "../../../src/ledger/claim.ts";
import { foundByRecord } from "../../../src/ledger/delivery.ts";
import type { Ledger } from "../../../src/ledger/ledger.ts";
import { type Found, recover } from "../../../src/ledger/recover.ts";
import { bigNode, topologyOf, twoCpuVm } from "../../kit/sysfs.ts";
import { cpus, exclusive, pinned, ref, shared } from "../../kit/books.ts";
import { DEFAULT_POLICY } from "../../kit/policy.ts";

const BIG = topologyOf(bigNode);
const SMALL = topologyOf(twoCpuVm);

function found(name: string, claim: Claim, record?: string, createdAt = 0): Found {
  const delivered = foundByRecord(record === undefined ? undefined : cpus(record), true);
  return { container: ref(name), claim, createdAt: BigInt(createdAt), ...delivered };
}

function on(ledger: Ledger, name: string): string {
  const assignment = ledger.assignments.get(name);
  assert(assignment !== undefined);
  return ledger.desired(assignment).toString();
}

function sent(ledger: Ledger): Record<string, string> {
  return Object.fromEntries(pendingUpdates(ledger).map(({ id, cpus }) => [id, cpus.toString()]));
}

Deno.test("those whose CPUs are right keep them even against older ones that must be placed", () => {
  const ledger = recover(SMALL, DEFAULT_POLICY, [
    found("old", exclusive(1), undefined, 1),
    found("right", exclusive(1), "1", 2),
  ]);
  assert.equal(on(ledger, "right"), "1");
  assert.match(ledger.assignments.get("old")?.degraded ?? "", /needs 1 exclusive CPU, 0 are free/);
  assert.equal(on(ledger, "old"), "0");
});

Deno.test("a degraded one that was found on the pool, as many CPUs as it claims, takes nothing from one that has its own", () => {
  const policy = { ...DEFAULT_POLICY, minShared: 16 };
  const ledger = recover(BIG, policy, [
    found("degraded", exclusive(16), "0-15", 1),
    found("shared", shared(), "0-15", 2),
    found("own", exclusive(48), "16-63", 3),
  ]);
  assert.equal(on(ledger, "own"), "16-63");
  assert.match(ledger.assignments.get("degraded")?.degraded ?? "", /needs 16 exclusive CPUs, 0 are free/);
  assert.deepEqual(sent(ledger), {});
});

Deno.test("a pinned container on CPUs that don't exist runs degraded in the pool", () => {
  const ledger = recover(SMALL, DEFAULT_POLICY, [found("p", pinned("7")), found("e", exclusive(1), "1")]);
  assert.equal(on(ledger, "p"), "0");
  assert.match(ledger.assignments.get("p")?.degraded ?? "", /names CPU 7, not online/);
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
    checkPools(ledger);
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
