import assert from "node:assert/strict";
import fc from "fast-check";
import { CpuSet } from "../../../src/cpu/cpu_set.ts";
import { bigNode, topologyOf, twoCpuVm } from "../../kit/sysfs.ts";
import { admit } from "../../../src/ledger/plan.ts";
import { release } from "../../../src/ledger/release.ts";
import { Books, cpus, exclusive, pinned, ref, shared } from "../../kit/books.ts";

// bigNode: 2 sockets, 4 NUMA nodes of 8 cores; threads of a core are N and N+32; node k has 8k..8k+7 and its siblings.
// The first exclusive container gets the core of CPU 1: 1 and 33.

Deno.test("an exclusive container makes way for a pinned one, to a whole core of the same node", () => {
  const books = new Books(bigNode);
  assert.equal(books.create("db", exclusive(2)), "1,33");
  assert.equal(books.create("pin", pinned("1")), "1 mems 0");
  assert.equal(books.on("db"), "2,34");
  assert.deepEqual(books.sent, ["db=2,34"]);
});

Deno.test("a move keeps the CPUs that it can: whole cores stay, the broken one is replaced", () => {
  const books = new Books(bigNode);
  assert.equal(books.create("db", exclusive(6)), "1-3,33-35");
  books.create("pin", pinned("2"));
  assert.equal(books.on("db"), "1,3-4,33,35-36");
});

Deno.test("a move completes a core that others have broken before it breaks a whole one", () => {
  const books = new Books(bigNode);
  books.create("half", pinned("5"));
  assert.equal(books.create("one", exclusive(1)), "37");
  books.create("pin", pinned("37"));
  const now = books.on("one");
  assert(!["5", "37"].includes(now), `moved to ${now}`);
});

Deno.test("several holders move at once, and each of them once", () => {
  const books = new Books(bigNode);
  const first = books.create("a", exclusive(2));
  const second = books.create("b", exclusive(2));
  const wanted = cpus(first).union(cpus(second));
  assert.equal(books.create("pin", pinned(`${wanted}`)), `${wanted} mems 0`);
  assert.deepEqual(books.sent.map((text) => text.split("=")[0]).sort(), ["a", "b"]);
  assert(!cpus(books.on("a")).intersects(wanted.union(cpus(books.on("b")))));
});

Deno.test("shared containers leave first what the moved one takes, and get what it leaves with a later reply", () => {
  const books = new Books(bigNode);
  books.create("s", shared());
  books.create("db", exclusive(2)); // 1,33
  books.create("pin", pinned("1"));
  assert.deepEqual(books.sent, ["s=0,3-32,35-63", "db=2,34"], "33 waits until db has left it");
  books.laterReply();
  assert.deepEqual(books.sent, ["s=0,3-33,35-63"]);
});

Deno.test("forbidden CPUs are kept off through a move", () => {
  const books = new Books(bigNode);
  books.create("db", exclusive(2, "2-7,34-39"));
  books.create("pin", pinned("1"));
  assert(!cpus(books.on("db")).intersects(cpus("2-7,34-39")), books.on("db"));
});

Deno.test("reserved CPUs are no place to move to", () => {
  const books = new Books(twoCpuVm, { systemReserved: cpus("0"), minShared: 0 });
  books.create("db", exclusive(1));
  assert.match(books.create("pin", pinned("1")), /moving it needs 1 CPU, 0 are free/);
});

Deno.test("a container that may not be moved isn't: the pinned one is refused, with its name", () => {
  const books = new Books(bigNode);
  books.create("dpdk", exclusive(2, "", false));
  const before = books.ledger;
  assert.match(
    books.create("pin", pinned("0-1")),
    /^cpuset: pod ns\/pin container c: needs CPUs 0-1, but of these 1 is held exclusively by ns\/dpdk container c, which may not be moved \(64 online/,
  );
  assert.equal(books.ledger, before);
});

Deno.test("without room for all who would have to move, nobody moves, and the refusal has the numbers", () => {
  const books = new Books(bigNode);
  books.create("big", exclusive(60));
  const before = books.ledger;
  const said = books.create("pin", pinned("1-8"));
  assert.match(
    said,
    /needs CPUs 1-8, but of these 1-6,8 are held exclusively by ns\/big container c; moving it needs 60 CPUs, 56 are free/,
  );
  assert.equal(books.ledger, before);
});

Deno.test("a move never empties the shared pool", () => {
  const books = new Books(twoCpuVm);
  books.create("db", exclusive(1)); // 1
  assert.match(books.create("pin", pinned("1")), /would leave 0 for the shared pool/);
  assert.equal(books.on("db"), "1");
});

Deno.test("a creation that fails before the start is undone: who was moved goes back", () => {
  const books = new Books(bigNode);
  books.create("s", shared());
  books.create("db", exclusive(2));
  books.create("pin", pinned("1"));
  books.end("pin");
  assert.equal(books.on("db"), "1,33");
  books.laterReply();
  assert.equal(books.on("s"), "0,2-32,34-63");
});

Deno.test("who was moved stays there once the pinned container has started", () => {
  const books = new Books(bigNode);
  books.create("db", exclusive(2));
  books.create("pin", pinned("1"));
  books.start("pin");
  books.end("pin");
  assert.equal(books.on("db"), "2,34");
});

Deno.test("who was moved stays if somebody else has taken the old place meanwhile", () => {
  const books = new Books(bigNode);
  books.create("db", exclusive(2));
  books.create("pin", pinned("1"));
  books.create("other", pinned("33"));
  books.end("pin");
  assert.equal(books.on("db"), "2,34");
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

Deno.test("whatever has to move: all or nothing, nobody else changes, old places aren't handed on", () => {
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
