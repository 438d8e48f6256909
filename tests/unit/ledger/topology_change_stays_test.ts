/** Whoever can stay stays when the ground changes, and who can't is chosen fairly. */
import assert from "node:assert/strict";
import { planUpdates } from "../../../src/ledger/updates.ts";
import type { Claim } from "../../../src/ledger/claim.ts";
import type { Policy } from "../../../src/ledger/policy.ts";
import { applyTopology } from "../../../src/ledger/topology_change.ts";
import { type MachineSpec, topologyOf, twoCpuVm } from "../../kit/sysfs.ts";
import { Books, cpus, exclusive, pinned } from "../../kit/books.ts";

const FOUR: MachineSpec = { ...twoCpuVm, coresPerNode: 4 };

const alone = (count: number): Claim => ({
  kind: "exclusive",
  count,
  forbidden: cpus(""),
  movable: true,
  placement: "single-thread",
});

function onGround(books: Books, spec: MachineSpec, policy: Partial<Policy> = {}): void {
  books.adopt(
    applyTopology(books.ledger, {
      topology: topologyOf(spec),
      policy: { ...books.ledger.policy, ...policy },
    }),
  );
}

Deno.test("a container whose CPUs are good keeps them, though it would get better ones by now", () => {
  const spec = { ...twoCpuVm, coresPerNode: 8, coresPerCache: 4 };
  const books = new Books(spec, { systemReserved: cpus("0") });
  books.create("left", exclusive(2, "3-7"));
  books.create("right", exclusive(3, "1-4"));
  assert.equal(books.create("db", exclusive(2)), "3-4", "in two cache groups");
  books.end("left");
  books.end("right");
  onGround(books, { ...spec, offline: "7" });
  assert.equal(books.on("db"), "3-4");
});

Deno.test("a CPU whose other thread is another's is kept like any other", () => {
  const spec = { ...FOUR, threads: 2 };
  const books = new Books(spec);
  assert.equal(books.create("db", exclusive(3)), "1-2,5");
  assert.equal(books.create("other", exclusive(1)), "6");
  onGround(books, { ...spec, offline: "3-5,7" });
  assert.equal(books.on("db"), "1-2");
});

Deno.test("when the pool needs a CPU the youngest gives it, whatever the containers are called", () => {
  for (const names of ["abc", "bca", "cab", "cba", "xyz", "zyx"]) {
    const books = new Books(FOUR);
    for (const name of names) books.create(name, exclusive(1));
    onGround(books, { ...FOUR, offline: "0" });
    const degraded = [...names].filter((name) => books.ledger.assignments.get(name)?.degraded !== undefined);
    assert.deepEqual(degraded, [names.at(-1)]);
  }
});

Deno.test("a container all of whose CPUs were removed from its record is updated without delay", () => {
  const books = new Books(FOUR);
  books.create("p", pinned("3"));
  books.create("x", exclusive(1));
  const topology = topologyOf({ ...FOUR, offline: "3" });
  const next = applyTopology(books.ledger, { topology, policy: books.ledger.policy, offlineRemoved: true });
  const { updates } = planUpdates(next, { growth: true });
  assert.deepEqual(updates.map(({ id, cpus }) => `${id}=${cpus}`), ["p=0,2"], "not as growth that may wait");
});

Deno.test("a core of one's own is no more one's own when its other thread is reserved", () => {
  const spec = { ...FOUR, threads: 2 };
  const books = new Books(spec);
  books.create("db", alone(3));
  assert.equal(books.on("db"), "1-3");
  onGround(books, spec, { systemReserved: cpus("5") });
  assert.equal(books.on("db"), "0,2-3");
  onGround(books, spec, { systemReserved: cpus("4-5") });
  assert.equal(books.on("db"), "2-3");
  assert.match(books.ledger.assignments.get("db")?.degraded ?? "", /it has 2-3$/);
});

Deno.test("a minimum that is raised takes no CPUs from anybody", () => {
  const books = new Books(FOUR);
  for (const name of "abc") books.create(name, exclusive(1));
  onGround(books, FOUR, { minShared: 4 });
  assert.deepEqual([..."abc"].map((name) => books.on(name)), ["1", "2", "3"]);
  assert.deepEqual(books.ledger.degraded, []);
});
