/** What the administrator's policy and a pod's own limit mean for exclusive claims. */
import assert from "node:assert/strict";
import { CpuSet } from "../../../src/cpu/cpu_set.ts";
import type { ExclusiveClaim } from "../../../src/ledger/claim.ts";
import { admit } from "../../../src/ledger/plan.ts";
import { release } from "../../../src/ledger/release.ts";
import { bigNode } from "../../kit/sysfs.ts";
import { Books, exclusive, pinned, ref, shared } from "../../kit/books.ts";

const placed = (count: number, placement: ExclusiveClaim["placement"]): ExclusiveClaim => ({
  kind: "exclusive",
  count,
  forbidden: CpuSet.empty,
  movable: true,
  placement,
});

Deno.test("local memory is that of the CPUs, and a move stays within it", () => {
  const books = new Books(bigNode, { exclusiveMems: "local" });
  assert.equal(books.create("db", exclusive(2)), "1,33 mems 0");
  books.create("pin", pinned("1"));
  assert.equal(books.on("db"), "2,34");
  const refused = books.create("all", pinned("1-7,32-39"));
  assert.match(
    refused,
    /2,34 are held exclusively by .*; cannot reallocate it: moving it needs 2 CPUs, 1 is free/,
  );
});

Deno.test("a pod has no more exclusive CPUs than its own limit; the rest is shared, degraded, until some end", () => {
  let { ledger } = new Books(bigNode);
  const claim = { ...placed(2, "packed"), podLimit: 3 };
  const create = (name: string) => {
    const plan = admit(ledger, { container: { ...ref(name), podUid: "pod", name }, claim });
    assert(plan.kind === "plan");
    ledger = plan.next;
    return ledger.assignments.get(name);
  };
  assert.equal(`${create("a")?.grant}`, "1,33");
  const second = create("b");
  assert.equal(second?.grant.size, 0);
  assert.equal(
    second?.degraded,
    "needs 2 exclusive CPUs, but its pod's limit is 3, and its other containers have 2 of them",
  );
  ledger = release(ledger, "a");
  assert.equal(ledger.assignments.get("b")?.degraded, undefined);
  assert.equal(ledger.assignments.get("b")?.grant.size, 2);
});

Deno.test("one thread of each core: the siblings stay idle, and are released with it", () => {
  const books = new Books(bigNode);
  books.create("web", shared());
  assert.equal(books.create("db", placed(2, "single-thread")), "1-2");
  assert.equal(books.on("web"), "0,3-32,35-63");
  assert.equal(books.create("other", exclusive(2)), "3,35");
  books.create("pin", pinned("33"));
  assert.equal(books.on("db"), "2,4", "an idle sibling is as much in the way as the CPU itself");
  books.end("db");
  assert.equal(books.on("web"), "0-2,4-32,34,36-63");
});
