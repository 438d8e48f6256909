import { checkPools } from "../../../src/ledger/holdings.ts";
import assert from "node:assert/strict";
import fc from "fast-check";
import { CpuSet } from "../../../src/cpu/cpu_set.ts";
import { applyTopology } from "../../../src/ledger/topology_change.ts";
import { bigNode, type MachineSpec, topologyOf, twoCpuVm } from "../../kit/sysfs.ts";
import { Books, cpus, exclusive, pinned, shared } from "../../kit/books.ts";

const FOUR: MachineSpec = { sockets: 1, nodesPerSocket: 1, coresPerNode: 4, threads: 1 };

/** These CPUs are offline from now on, and everybody who can be told is told. */
function offline(books: Books, spec: MachineSpec, list: string, struck = false): void {
  const topology = topologyOf({ ...spec, offline: list });
  books.adopt(applyTopology(books.ledger, { topology, policy: books.ledger.policy, offlineRemoved: struck }));
}

function degraded(books: Books, name: string): string | undefined {
  return books.ledger.assignments.get(name)?.degraded;
}

Deno.test("an exclusive container that lost a CPU is placed anew, and keeps what it can", () => {
  const books = new Books(bigNode);
  books.create("s", shared());
  books.create("db", exclusive(3));
  assert.equal(books.on("db"), "1-2,33");
  offline(books, bigNode, "2");
  assert.equal(books.on("db"), "1,33-34");
  assert.equal(degraded(books, "db"), undefined);
});

Deno.test("a pinned container keeps the rest, degraded, and heals; others are moved for that", () => {
  const books = new Books(FOUR);
  books.create("p", pinned("2-3"));
  offline(books, FOUR, "3");
  assert.equal(books.on("p"), "2");
  assert.match(degraded(books, "p") ?? "", /names CPU 3, not online on this node \(online: 0-2\)/);
  books.create("db", exclusive(1));
  offline(books, FOUR, "");
  assert.equal(books.on("p"), "2-3");
  assert.equal(books.on("db"), "1");
  assert.equal(degraded(books, "p"), undefined);
});

Deno.test("the pool is never left without a CPU while an exclusive container can give one", () => {
  const books = new Books(twoCpuVm);
  books.create("s", shared());
  books.create("db", exclusive(1));
  assert.equal(books.on("db"), "1");
  offline(books, twoCpuVm, "0");
  assert.equal(books.on("s"), "1");
  assert.equal(books.on("db"), "1", "it shares the only CPU there is");
  offline(books, twoCpuVm, "");
  assert.equal(books.on("db"), "1");
  assert.equal(books.on("s"), "0");
});

const change = fc.record({
  offline: fc.uniqueArray(fc.integer({ min: 0, max: 15 }), { maxLength: 12 }),
  struck: fc.boolean(),
});
const newcomer = fc.oneof(
  fc.record({ count: fc.integer({ min: 1, max: 6 }) }),
  fc.record({ ids: fc.uniqueArray(fc.integer({ min: 0, max: 15 }), { minLength: 1, maxLength: 5 }) }),
  fc.record({ forbidden: fc.uniqueArray(fc.integer({ min: 0, max: 15 }), { maxLength: 5 }) }),
);

Deno.test("whatever goes offline in whatever order: all is as at first once everything is back", () => {
  const spec: MachineSpec = { sockets: 2, nodesPerSocket: 1, coresPerNode: 4, threads: 2 };
  fc.assert(
    fc.property(fc.array(newcomer, { maxLength: 8 }), fc.array(change, { maxLength: 5 }), (all, changes) => {
      const books = new Books(spec);
      all.forEach((one, i) => {
        if ("count" in one) books.create(`c${i}`, exclusive(one.count));
        else if ("ids" in one) books.create(`c${i}`, pinned(`${CpuSet.from(one.ids)}`));
        else books.create(`c${i}`, shared(`${CpuSet.from(one.forbidden)}`));
      });
      const size = () =>
        books.ledger.assignments.values().map(({ grant }) => grant.size).reduce((a, b) => a + b, 0);
      const before = size();
      for (const { offline: ids, struck } of changes) {
        const list = `${CpuSet.from(ids)}`;
        offline(books, spec, list, struck);
        checkPools(books.ledger);
        assert(!books.ledger.claimed.intersects(cpus(list)));
      }
      offline(books, spec, "");
      assert.equal(size(), before, "everybody has as many CPUs as before");
      assert.deepEqual(books.ledger.degraded, []);
    }),
  );
});
