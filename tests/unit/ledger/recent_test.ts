/** What is remembered of earlier exclusive containers. */
import assert from "node:assert/strict";
import { Ledger } from "../../../src/ledger/ledger.ts";
import { admit } from "../../../src/ledger/plan.ts";
import { release } from "../../../src/ledger/release.ts";
import { topologyOf, twoCpuVm } from "../../kit/sysfs.ts";
import { DEFAULT_POLICY } from "../../kit/policy.ts";
import { Books, cpus, exclusive, placed, ref } from "../../kit/books.ts";

Deno.test("only the CPUs of claims are remembered, and only of known pods", () => {
  const empty = Ledger.empty(topologyOf({ ...twoCpuVm, coresPerNode: 4 }), DEFAULT_POLICY);
  const held = placed("a", exclusive(1), "1");
  const after = (assignment: Parameters<Ledger["with"]>[0]) => release(empty.with(assignment), "a").recent;
  assert.deepEqual(after(held).map(({ cpus }) => cpus.toString()), ["1"]);
  assert.deepEqual(after({ ...held, container: { ...held.container, podUid: "" } }), []);
  assert.deepEqual(after({ ...held, grant: cpus(""), degraded: "no room" }), []);
});

Deno.test("a container that is created a second time under its id is decided anew, as if it hadn't been", () => {
  const books = new Books({ ...twoCpuVm, coresPerNode: 4 });
  books.create("first", exclusive(1));
  assert.equal(books.create("again", exclusive(1)), "2");
  books.end("first");
  books.adopt(books.ledger.forgetting("uid-first"));
  assert.equal(books.create("again", exclusive(1)), "1");
});

/** One CPU for a container of the pod, after `first` had CPU 1 and `second` CPU 2, and these have ended. */
function after(ended: readonly string[], name: string): [string, number] {
  const ofPod = (id: string, name: string) => ({ ...ref(id), name, podUid: "pod" });
  let ledger = Ledger.empty(topologyOf({ ...twoCpuVm, coresPerNode: 4 }), DEFAULT_POLICY);
  const create = (id: string, name: string) => {
    const plan = admit(ledger, { container: ofPod(id, name), claim: exclusive(1) });
    assert(plan.kind === "plan");
    ledger = plan.next;
    return plan.adjustment.cpus?.toString() ?? "";
  };
  assert.deepEqual([create("a", "first"), create("b", "second")], ["1", "2"]);
  for (const id of ended) ledger = release(ledger, id);
  return [create("c", name), ledger.recent.length];
}

Deno.test("a container that comes back gets its CPUs again, and then they aren't kept for it any more", () => {
  assert.deepEqual(after(["a", "b"], "second"), ["2", 1]);
  assert.deepEqual(after(["b"], "second"), ["2", 0]);
});

Deno.test("another container of the pod doesn't get them for that, nor is it kept off", () => {
  assert.deepEqual(after(["b", "a"], "third"), ["1", 2]);
});
