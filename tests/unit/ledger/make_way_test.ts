import assert from "node:assert/strict";
import fc from "fast-check";
import { CpuSet } from "../../../src/cpu/cpu_set.ts";
import { bigNode, topologyOf, twoCpuVm } from "../../kit/sysfs.ts";
import { admit } from "../../../src/ledger/plan.ts";
import { release } from "../../../src/ledger/release.ts";
import { Books, cpus, exclusive, pinned, ref, shared } from "../../kit/books.ts";

// bigNode: 2 sockets, 4 NUMA nodes of 8 cores; threads of a core are N and N+32; node k has 8k..8k+7 and its siblings.
// The first exclusive container gets the core of CPU 1: 1 and 33.

Deno.test("a move completes a core that others have broken before it breaks a whole one", () => {
  const books = new Books(bigNode);
  books.create("half", pinned("5"));
  assert.equal(books.create("one", exclusive(1)), "37");
  books.create("pin", pinned("37"));
  const now = books.on("one");
  assert(!["5", "37"].includes(now), `moved to ${now}`);
});

Deno.test("reserved CPUs are no place to move to", () => {
  const books = new Books(twoCpuVm, { systemReserved: cpus("0"), minShared: 0 });
  books.create("db", exclusive(1));
  assert.match(books.create("pin", pinned("1")), /moving it needs 1 CPU, 0 are free/);
});

Deno.test("a move never empties the shared pool", () => {
  const books = new Books(twoCpuVm);
  books.create("db", exclusive(1)); // 1
  assert.match(books.create("pin", pinned("1")), /would leave 0 for the shared pool/);
  assert.equal(books.on("db"), "1");
});

Deno.test("a second try that comes before the end of the failed first one inherits its moves", () => {
  const books = new Books(bigNode);
  books.create("db", exclusive(2));
  books.create("pin", pinned("1"));
  const again = admit(books.ledger, {
    container: { ...ref("pin"), id: "pin-2" },
    claim: pinned("1"),
  });
  assert(again.kind === "plan");
  const afterOld = release(again.next, "pin");
  assert.equal(afterOld, again.next, "the late end of the first try changes nothing");
  books.ledger = release(afterOld, "pin-2");
  assert.equal(books.on("db"), "1,33");
});

const scene = fc.record({
  exclusive: fc.array(fc.integer({ min: 1, max: 12 }), { maxLength: 8 }),
  pinned: fc.uniqueArray(fc.nat({ max: 63 }), { minLength: 1, maxLength: 16 }),
});

Deno.test("whatever has to move: all or nothing, no other container changes, old places aren't reused", () => {
  const online = topologyOf(bigNode).online;
  fc.assert(fc.property(scene, ({ exclusive: counts, pinned: ids }) => {
    const books = new Books(bigNode);
    books.create("s", shared());
    counts.forEach((count, i) => books.create(`e${i}`, exclusive(count)));
    const before = new Map(
      books.ledger.assignments.values().map(({ container, grant }) => [container.id, grant]),
    );
    const claimed = books.ledger.claimed;
    const wanted = CpuSet.from(ids);
    const said = books.create("pin", pinned(`${wanted}`));
    if (said.startsWith("cpuset:")) {
      for (const [id, grant] of before) assert(books.ledger.assignments.get(id)?.grant.equals(grant));
      return;
    }
    for (const [id, grant] of before) {
      const now = books.ledger.assignments.get(id)?.grant ?? CpuSet.empty;
      assert.equal(now.size, grant.size);
      if (!grant.intersects(wanted)) assert(now.equals(grant), `${id} moved for nothing`);
      assert(!now.difference(grant).intersects(claimed), `${id} took what another had`);
      assert(now.isSubsetOf(online));
    }
  }));
});
