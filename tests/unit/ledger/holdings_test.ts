/** What the ledger won't hold, whoever asks for it: the last line of defence. */
import assert from "node:assert/strict";
import { AssertionError } from "../../../src/assert.ts";
import { Ledger } from "../../../src/ledger/ledger.ts";
import { admit } from "../../../src/ledger/plan.ts";
import { applyTopology } from "../../../src/ledger/topology_change.ts";
import { topologyOf, twoCpuVm } from "../../kit/sysfs.ts";
import { DEFAULT_POLICY } from "../../kit/policy.ts";
import { Books, cpus, exclusive, pinned, placed, ref, shared } from "../../kit/books.ts";

const EMPTY = Ledger.empty(topologyOf({ ...twoCpuVm, coresPerNode: 8 }), DEFAULT_POLICY);
const held = (name: string, count: number, list: string) => placed(name, exclusive(count), list);

Deno.test("a grant is as large as its claim, or smaller with a reason", () => {
  const why = { degraded: "no room" };
  assert.throws(() => EMPTY.with(held("a", 2, "1")), AssertionError);
  assert.throws(() => EMPTY.with({ ...held("a", 2, "1-3"), ...why }), AssertionError);
  assert.equal(EMPTY.with({ ...held("a", 2, "1"), ...why }).exclusive.toString(), "1");
});

Deno.test("not even one CPU may be held twice", () => {
  const pin = placed("p", pinned("2-3"), "2-3");
  const own = held("a", 2, "1-2");
  for (const [first, second] of [[pin, own], [own, pin], [own, held("b", 2, "2-3")]] as const) {
    assert.throws(() => EMPTY.with(first).with(second), AssertionError);
  }
});

Deno.test("not even one CPU may be reserved", () => {
  const strict = Ledger.empty(EMPTY.topology, { ...DEFAULT_POLICY, systemReserved: cpus("2-3") });
  assert.throws(() => strict.with(held("a", 2, "1-2")), AssertionError);
});

Deno.test("a container that claims otherwise holds otherwise, though its CPUs are the same", () => {
  const packed = held("a", 2, "1-2");
  const alone = { ...packed, claim: { ...exclusive(2), placement: "single-thread" as const } };
  const threads = Ledger.empty(topologyOf({ ...twoCpuVm, coresPerNode: 4, threads: 2 }), DEFAULT_POLICY);
  const ledger = threads.with(packed).with(alone);
  assert.equal(ledger.exclusive.toString(), "1-2,5-6");
  assert.equal(ledger.with(packed).exclusive.toString(), "1-2");
  assert(ledger.without("a").claimed.isEmpty);
});

Deno.test("pinned containers of one CPU are counted in each ledger by itself", () => {
  const pin = (name: string) => (placed(name, pinned("1"), "1"));
  const both = EMPTY.with(pin("a")).with(pin("b"));
  assert.equal(both.without("a").pinned.toString(), "1");
  assert.equal(both.without("b").pinned.toString(), "1", "a is still there, in this one");
  assert(both.without("a").without("b").pinned.isEmpty);
});

Deno.test("pinned CPUs that are taken already cost the pool nothing, however small it is", () => {
  const books = new Books({ ...twoCpuVm, coresPerNode: 4 }, { minShared: 3 });
  assert.equal(books.create("a", pinned("3")), "3 mems 0");
  const { topology } = books.ledger;
  books.adopt(applyTopology(books.ledger, { topology, policy: { ...DEFAULT_POLICY, minShared: 4 } }));
  assert.equal(books.create("b", pinned("3")), "3 mems 0");
  assert.match(books.create("c", pinned("2")), /would leave 2 for the shared pool/);
});

Deno.test("only exclusive CPUs count against the limit of a pod", () => {
  const ofPod = (name: string) => ({ ...ref(name), podUid: "pod" });
  const sidecar = EMPTY.with({ ...placed("sidecar", pinned("5"), "5"), container: ofPod("sidecar") })
    .with({ ...placed("shared", shared(), ""), container: ofPod("shared") });
  const claim = { kind: "exclusive", count: 2, forbidden: cpus(""), movable: true } as const;
  const plan = admit(sidecar, {
    container: ofPod("db"),
    claim: { ...claim, placement: "packed", podLimit: 2 },
  });
  assert(plan.kind === "plan");
  assert.equal(plan.next.assignments.get("db")?.grant.size, 2);
});
