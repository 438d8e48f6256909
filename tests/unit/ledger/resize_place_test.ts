/** Where a container is once it has grown, and who gets what another one leaves. */
import assert from "node:assert/strict";
import { resize } from "../../../src/ledger/resize.ts";
import type { Claim } from "../../../src/ledger/claim.ts";
import { bigNode, twoCpuVm } from "../../kit/sysfs.ts";
import { Books, exclusive, pinned, shared } from "../../kit/books.ts";

function resized(books: Books, name: string, claim: Claim): string {
  const own = books.ledger.assignments.get(name);
  assert(own !== undefined);
  const next = resize(books.ledger, own, claim);
  if ("kind" in next) return next.message;
  books.adopt(next);
  return books.on(name);
}

Deno.test("a container that grows stays where it is, though a new one would fit better elsewhere", () => {
  const books = new Books(bigNode);
  books.create("db", exclusive(2));
  books.create("filler", exclusive(12, "0-7,16-39,48-63"));
  assert.equal(books.on("db"), "1,33");
  assert.equal(resized(books, "db", exclusive(4)), "1-2,33-34");
  assert.equal(books.create("new", exclusive(4)), "14-15,46-47", "the best fit");
});

Deno.test("a container that is bound to memory grows near to it, or not at all", () => {
  const books = new Books(bigNode, { exclusiveMems: "local" });
  assert.equal(books.create("db", exclusive(2)), "1,33 mems 0");
  assert.match(resized(books, "db", exclusive(17)), /needs 17 exclusive CPUs/);
  assert.equal(resized(books, "db", exclusive(16)), "0-7,32-39");
});

Deno.test("CPUs that an exclusive container gives back go to degraded ones", () => {
  const books = new Books({ ...twoCpuVm, coresPerNode: 6 });
  books.recovered([["a", exclusive(3), "1-3"], ["p", pinned("4"), "4"], ["b", exclusive(2), "4-5"]]);
  assert.equal(books.on("b"), "0,5", "degraded: it lives in the pool");
  assert.equal(resized(books, "a", exclusive(2)), "1-2");
  assert.equal(books.on("b"), "3,5");
});

Deno.test("why a container can't have CPUs of its own any more is remembered", () => {
  const books = new Books({ ...twoCpuVm, coresPerNode: 4 });
  books.create("a", exclusive(1));
  const own = books.ledger.assignments.get("a");
  assert(own !== undefined);
  const next = resize(books.ledger, own, shared(), "the figures are ambiguous");
  assert(!("kind" in next));
  assert.equal(next.assignments.get("a")?.degraded, "the figures are ambiguous");
});
