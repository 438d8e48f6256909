import assert from "node:assert/strict";
import { bigNode, twoCpuVm } from "../../kit/sysfs.ts";
import { admit } from "../../../src/ledger/plan.ts";
import { Books, exclusive, pinned, ref, shared } from "../../kit/books.ts";

// bigNode: 2 sockets, 4 NUMA nodes of 8 cores; threads of a core are N and N+32; node k has 8k..8k+7 and its siblings.

Deno.test("a pinned CPU that doesn't exist is refused as invalid", () => {
  const decision = new Books(bigNode).decide("p", pinned("2,999"));
  assert(decision.kind === "refusal" && decision.reason === "invalid");
});

Deno.test("a set that the creation already names is only replaced when it is wrong", () => {
  const books = new Books(twoCpuVm);
  assert.equal(books.create("wide", shared(), "0-1"), "default");
  assert.equal(books.create("narrow", shared(), "1"), "0-1");
  assert.equal(books.create("right", pinned("1"), "1"), "default mems 0");
});

Deno.test("creating a container that is known already decides anew for it", () => {
  const books = new Books(twoCpuVm);
  books.create("a", exclusive(1));
  assert.equal(books.create("a", exclusive(1)), "1");
  assert.equal(books.ledger.assignments.size, 1);
});

Deno.test("a restarted container that claims more is placed anew, without its predecessor in the way", () => {
  const books = new Books(twoCpuVm, { minShared: 0 });
  books.create("db", exclusive(1));
  const decision = admit(books.ledger, { container: { ...ref("db"), id: "db-2" }, claim: exclusive(2) });
  assert(decision.kind === "plan");
  assert.equal(decision.adjustment.cpus?.toString(), "0-1");
});

Deno.test("containers of pods without a uid supersede none", () => {
  const books = new Books(bigNode);
  const nameless = (id: string) => ({ ...ref("x"), id, podUid: "" });
  const one = admit(books.ledger, { container: nameless("1"), claim: exclusive(2) });
  assert(one.kind === "plan");
  const two = admit(one.next, { container: nameless("2"), claim: exclusive(2) });
  assert(two.kind === "plan" && two.next.assignments.size === 2);
});
