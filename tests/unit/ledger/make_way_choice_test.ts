/** Who is moved first, and what is said where somebody can't be. */
import assert from "node:assert/strict";
import { twoCpuVm } from "../../kit/sysfs.ts";
import { Books, cpus, exclusive, pinned } from "../../kit/books.ts";

Deno.test("of several containers to move the one with the least choice is placed first, whatever it claims", () => {
  const books = new Books({ ...twoCpuVm, coresPerNode: 10 });
  books.recovered([["one", exclusive(1, "0-4,9"), "8"], ["four", exclusive(4, "0,6-9"), "1-4"]]);
  assert.equal(books.create("p", pinned("4,8")), "4,8 mems 0");
  assert.deepEqual([books.on("four"), books.on("one")], ["1-3,5", "6"]);
});

Deno.test("a container that can't be moved for lack of whole cores is named with the reason", () => {
  const books = new Books({ ...twoCpuVm, coresPerNode: 4, threads: 2 });
  books.create("db", {
    kind: "exclusive",
    count: 2,
    forbidden: cpus(""),
    movable: true,
    placement: "full-cores",
  });
  assert.equal(books.on("db"), "1,5");
  books.create("a", pinned("0,2-3"));
  assert.match(
    books.create("p", pinned("1")),
    /of these 1 is held exclusively by ns\/db container c; cannot reallocate it: moving it needs 2 CPUs, placement full-cores needs/,
  );
});
