/** Containers that have less than they claim: who is served first. */
import assert from "node:assert/strict";
import { twoCpuVm } from "../../kit/sysfs.ts";
import { Books, exclusive, pinned } from "../../kit/books.ts";

Deno.test("a pinned container that waits is served before exclusive ones that would take the room", () => {
  const books = new Books({ ...twoCpuVm, coresPerNode: 4 });
  books.recovered([
    ["first", pinned("0-1"), "0-1"],
    ["second", pinned("2-3"), "2-3"],
    ["one", exclusive(1), "2"],
    ["other", exclusive(1), "3"],
  ]);
  assert.deepEqual([books.on("second"), books.on("one"), books.on("other")], ["3", "2", "3"]);
  books.end("first");
  assert.equal(books.on("second"), "2-3", "the pool may lose one CPU more, not two");
  assert.deepEqual([books.on("one"), books.on("other")], ["1", "0"]);
});
