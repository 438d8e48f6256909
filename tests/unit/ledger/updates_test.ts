import assert from "node:assert/strict";
import { pendingUpdates, planUpdates } from "../../../src/ledger/updates.ts";
import { foundByRecord } from "../../../src/ledger/delivery.ts";
import { releaseSandbox } from "../../../src/ledger/release.ts";
import { bigNode, twoCpuVm } from "../../kit/sysfs.ts";
import { Books, cpus, exclusive, pinned, placed, shared } from "../../kit/books.ts";

Deno.test("running shared containers shrink at an admission and grow at its end", () => {
  const books = new Books(twoCpuVm);
  books.create("s1", shared());
  books.create("s2", shared());
  books.create("db", exclusive(1));
  assert.deepEqual(books.sent, ["s1=0", "s2=0"]);
  books.end("db");
  assert.deepEqual(books.sent, ["s1=0-1", "s2=0-1"]);
});

Deno.test("nothing is sent that changes nothing", () => {
  const books = new Books(bigNode);
  books.create("s", shared());
  books.create("a", pinned("2"));
  assert.deepEqual(books.sent, ["s=0-1,3-63"]);
  books.create("b", pinned("2"));
  assert.deepEqual(books.sent, [], "the pool is the same");
  books.end("a");
  assert.deepEqual(books.sent, [], "b still holds the CPU");
  books.create("t", shared());
  assert.deepEqual(books.sent, []);
});

Deno.test("pinned and exclusive containers stay as they are while the pool changes", () => {
  const books = new Books(bigNode);
  books.create("a", pinned("2"));
  books.create("b", exclusive(4));
  books.create("c", exclusive(4));
  books.end("c");
  assert.deepEqual(books.sent, []);
});

Deno.test("forbidden CPUs are kept through every change of the pool", () => {
  const books = new Books(bigNode);
  books.create("s", shared("0-59"));
  books.create("a", pinned("60-62"));
  assert.deepEqual(books.sent, ["s=63"]);
  books.end("a");
  assert.deepEqual(books.sent, ["s=60-63"]);
});

Deno.test("a running container whose rest would be empty falls back to the whole pool, and comes back", () => {
  const books = new Books(twoCpuVm);
  books.create("s", shared("0"));
  books.create("db", pinned("1"));
  assert.deepEqual(books.sent, ["s=0"], "isolation of the claim comes before what the pod forbids");
  books.end("db");
  assert.deepEqual(books.sent, ["s=1"]);
});

Deno.test("updates that only shrink come first, those that only grow last", () => {
  const books = new Books(bigNode);
  books.create("grows", shared());
  books.create("moves", shared("1"));
  books.create("shrinks", shared());
  const { ledger } = books;
  const records = { grows: "8", moves: "1,8", shrinks: "0-63" };
  const tampered = Object.entries(records).reduce((next, [id, record]) => {
    const assignment = next.assignments.get(id);
    assert(assignment !== undefined);
    return next.with({ ...assignment, ...foundByRecord(cpus(record), true) });
  }, ledger).with(placed("p", pinned("0"), "0"));
  assert.deepEqual(pendingUpdates(tampered).map((c) => c.id), ["shrinks", "moves", "grows"]);
});

Deno.test("the container being created is never among the updates", () => {
  const books = new Books(twoCpuVm);
  books.create("s", shared());
  const decision = books.decide("db", exclusive(1));
  assert(decision.kind === "plan");
  assert.deepEqual(planUpdates(decision.next, { id: "db" }).updates.map((c) => c.id), ["s"]);
});

Deno.test("an update that no reply could carry stays pending until one can", () => {
  const books = new Books(twoCpuVm);
  books.create("s", shared());
  books.create("db", exclusive(1));
  books.ledger = releaseSandbox(books.ledger, "sandbox-db", "uid-db"); // its reply has no updates
  books.create("t", shared());
  assert.deepEqual(books.sent, ["s=0-1"]);
});
