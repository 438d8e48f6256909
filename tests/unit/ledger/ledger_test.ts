import assert from "node:assert/strict";
import fc from "fast-check";
import { AssertionError } from "../../../src/assert.ts";
import { pendingUpdates } from "../../../src/ledger/updates.ts";
import type { Assignment } from "../../../src/ledger/assignment.ts";
import { Ledger } from "../../../src/ledger/ledger.ts";
import { bigNode, topologyOf } from "../../kit/sysfs.ts";
import { Books, cpus, exclusive, pinned, placed, shared } from "../../kit/books.ts";
import { DEFAULT_POLICY } from "../../kit/policy.ts";

const EMPTY = Ledger.empty(topologyOf(bigNode), DEFAULT_POLICY);

Deno.test("a ledger is a value: changing it leaves the old one as it was", () => {
  const one = EMPTY.with(placed("a", pinned("1"), "1"));
  const two = one.without("a");
  assert.deepEqual([EMPTY.claimed.size, one.claimed.size, two.claimed.size], [0, 1, 0]);
});

Deno.test("a CPU can't be given to two exclusive owners", () => {
  const one = EMPTY.with(placed("a", exclusive(2), "1-2"));
  const second = placed("b", exclusive(2), "2-3");
  assert.throws(() => one.with(second), AssertionError);
});

Deno.test("an exclusive CPU can't be pinned, nor a pinned one given exclusively", () => {
  const own = placed("a", exclusive(1), "1");
  const pin = placed("b", pinned("1"), "1");
  assert.throws(() => EMPTY.with(own).with(pin), AssertionError);
  assert.throws(() => EMPTY.with(pin).with(own), AssertionError);
});

Deno.test("a reserved CPU has no exclusive owner, and a grant is as large as its claim", () => {
  const reserved = Ledger.empty(EMPTY.topology, { ...DEFAULT_POLICY, systemReserved: cpus("1") });
  const holder = placed("a", exclusive(1), "1");
  assert.throws(() => reserved.with(holder), AssertionError);
  assert.throws(() => EMPTY.with({ ...holder, grant: cpus("1-2") }), AssertionError);
});

Deno.test("a grant that changes its size or its kind changes the pools", () => {
  const one = EMPTY.with(placed("a", pinned("1"), "1"));
  assert.equal(one.sharedPool.size, 63);
  const more = one.with(placed("a", pinned("1-2"), "1-2"));
  assert.equal(more.sharedPool.size, 62);
  const other = more.with(placed("a", exclusive(2), "1-2"));
  assert.deepEqual([other.pinned.size, other.exclusive.size], [0, 2]);
});

Deno.test("many that are added at once are what they are one after the other", () => {
  const known = EMPTY.with(placed("a", pinned("1"), "1")).with(placed("b", shared(), ""));
  const all = ["b", "c", "d", "a", "e"].map((id) => placed(id, shared(), ""));
  const late = { ...placed("f", exclusive(2), ""), degraded: "no room" };
  const pod = (each: Assignment) => ({ ...each, container: { ...each.container, podUid: "one" } });
  const added = [...all.map(pod), pod(placed("g", pinned("3"), "3")), pod(late)];
  const [once, each] = [known.withAll(added), added.reduce((ledger, one) => ledger.with(one), known)];
  const ids = (some: readonly Assignment[]) => some.map(({ container: { id } }) => id).sort();
  assert.deepEqual(ids(once.assignments.values()), ids(each.assignments.values()));
  for (const kind of ["degraded", "claimants", "following", "unconfirmed"] as const) {
    assert.deepEqual(ids(once.those(kind)), ids(each.those(kind)), kind);
  }
  assert.deepEqual([ids(once.ofPod("one")), once.pinned], [ids(each.ofPod("one")), each.pinned]);
  assert.deepEqual(ids(once.dirty), ids(each.assignments.values()));
  assert.equal(once.with(placed("h", shared(), "")).inOrder().at(-1)?.container.id, "h");
});

Deno.test("of few that are left to be delivered others aren't looked at; where most are left, all are", () => {
  const all = ["a", "b", "c", "d", "e"].map((id) => placed(id, shared(), ""));
  const ledger = EMPTY.withAll(all);
  const left = (...ids: string[]) => ledger.withDeliveries(new Map(), new Set(ids));
  assert.deepEqual(left("a", "c").dirty.map(({ container }) => container.id).sort(), ["a", "c"]);
  assert.equal(left("a", "c", "d"), ledger, "of which all may be left");
  assert.equal(left("a").withDeliveries(new Map(), new Set(["a", "b", "c"])).dirty.length, 5);
  assert.equal(left().dirty.length, 0);
});

const event = fc.oneof(
  fc.record({ end: fc.nat({ max: 15 }) }),
  fc.record({ create: fc.nat({ max: 15 }), pinned: fc.nat({ max: 63 }) }),
  fc.record({ create: fc.nat({ max: 15 }), exclusive: fc.integer({ min: 1, max: 24 }) }),
  fc.record({ create: fc.nat({ max: 15 }), forbidden: fc.nat({ max: 63 }) }),
);

Deno.test("after every event of any history: claims disjoint, pool = what is left, records = ledger", () => {
  fc.assert(fc.property(fc.array(event, { maxLength: 60 }), (history) => {
    const books = new Books(bigNode);
    for (const e of history) {
      if ("end" in e) books.end(`c${e.end}`);
      else if ("pinned" in e) books.create(`c${e.create}`, pinned(`${e.pinned}`));
      else if ("exclusive" in e) books.create(`c${e.create}`, exclusive(e.exclusive));
      else books.create(`c${e.create}`, shared(`0-${e.forbidden}`));
      const { ledger } = books;
      assert.equal(ledger.sharedPool.size + ledger.claimed.size, 64);
      assert(ledger.sharedPool.size >= 1);
      for (const a of ledger.assignments.values()) {
        const running = a.delivery.record ?? ledger.topology.online;
        const others = a.claim.kind === "pinned" ? ledger.exclusive : ledger.claimed.difference(a.grant);
        // For the moment even on CPUs that its pod forbids, where somebody has to leave the others first.
        const open = a.grant.isEmpty ? ledger.sharedPool : a.grant;
        assert(running.isSubsetOf(open), `${a.container.id} runs on ${running}`);
        assert(running.intersection(others).isEmpty, `${a.container.id} runs on ${running}`);
        if (!a.grant.isEmpty) assert(running.equals(a.grant));
      }
      books.laterReply();
      assert.deepEqual(pendingUpdates(books.ledger), [], "one more reply, and nothing is owed");
      for (const a of books.ledger.assignments.values()) {
        assert((a.delivery.record ?? books.ledger.topology.online).equals(books.ledger.desired(a)));
      }
    }
  }));
});
