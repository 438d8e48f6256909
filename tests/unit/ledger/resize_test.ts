import assert from "node:assert/strict";
import { resize } from "../../../src/ledger/resize.ts";
import type { Claim } from "../../../src/ledger/claim.ts";
import { amd16, bigNode, twoCpuVm } from "../../kit/sysfs.ts";
import { Books, exclusive, pinned, shared } from "../../kit/books.ts";

/** Resizes a container and tells everybody; the refusal's message, or where it is then. */
function resized(books: Books, name: string, claim: Claim): string {
  const assignment = books.ledger.assignments.get(name);
  assert(assignment !== undefined);
  const next = resize(books.ledger, assignment, claim);
  if ("kind" in next) return next.message;
  books.adopt(next);
  return books.on(name);
}

Deno.test("a container that grows keeps its CPUs and gets the nearest more", () => {
  const books = new Books(bigNode);
  books.create("db", exclusive(2));
  books.create("next", exclusive(2));
  assert.equal(books.on("db"), "1,33");
  assert.equal(resized(books, "db", exclusive(4)), "1,3,33,35");
  assert.equal(books.on("next"), "2,34");
});

Deno.test("CPUs of a shrinking container go to degraded ones first", () => {
  const books = new Books(twoCpuVm);
  books.recovered([["a", exclusive(1), "1"], ["b", exclusive(1), "1"]]);
  assert.equal(books.on("b"), "0", "degraded: it lives in the pool");
  assert.equal(
    resized(books, "a", shared()),
    "1",
    "its own CPU comes to others last, so that it can come back",
  );
  assert.deepEqual([books.on("b"), books.ledger.degraded], ["0", []]);
});

Deno.test("growth stays in the cache group while that has room", () => {
  const books = new Books(amd16);
  books.create("db", exclusive(4));
  assert.equal(books.on("db"), "1-2,129-130");
  books.create("pin", pinned("8-127"));
  assert.equal(resized(books, "db", exclusive(8)), "1-4,129-132");
});
