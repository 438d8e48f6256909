/** When there is no room for an exclusive claim, and what is said then. */
import assert from "node:assert/strict";
import type { Claim } from "../../../src/ledger/claim.ts";
import { twoCpuVm } from "../../kit/sysfs.ts";
import { Books, cpus, exclusive } from "../../kit/books.ts";

const FOUR_CORES = { ...twoCpuVm, coresPerNode: 4, threads: 2 };
const alone = (count: number): Claim => ({
  kind: "exclusive",
  count,
  forbidden: cpus(""),
  movable: true,
  placement: "single-thread",
});

Deno.test("idle siblings are counted against the minimum of the shared pool", () => {
  const books = new Books(FOUR_CORES, { minShared: 4 });
  assert.match(
    books.create("three", alone(3)),
    /needs 3 exclusive CPUs and 3 idle beside them, 4 are free \(8 online/,
  );
  assert.equal(books.create("two", alone(2)), "1-2");
  assert.equal(books.ledger.sharedPool.toString(), "0,3-4,7");
});

Deno.test("where the pool is below its minimum already, no CPU is free", () => {
  const books = new Books(twoCpuVm, { minShared: 4 });
  assert.match(books.create("one", exclusive(1)), /needs 1 exclusive CPU, 0 are free/);
});

Deno.test("with enough CPUs of the wrong kind the refusal names what is missing", () => {
  const books = new Books(FOUR_CORES, { systemReserved: cpus("4-7") });
  assert.match(books.create("db", alone(3)), /but placement single-thread needs 3 whole cores, 0 are free/);
  const one = new Books(FOUR_CORES, { systemReserved: cpus("0,2-4,6-7") });
  assert.match(
    one.create("db", alone(2)),
    /needs 2 exclusive CPUs, but placement single-thread needs 2 whole cores, 1 is free/,
  );
});

Deno.test("only CPUs that are online count as forbidden", () => {
  const books = new Books({ ...twoCpuVm, coresPerNode: 4, offline: "3" });
  assert.match(books.create("db", exclusive(3, "2-3,9")), /; 1 forbidden by the pod\)$/);
});
