/** What the administrator's policy and a pod's own limit mean for exclusive claims. */
import assert from "node:assert/strict";
import { CpuSet } from "../../../src/cpu/cpu_set.ts";
import { Topology } from "../../../src/cpu/topology.ts";
import type { ExclusiveClaim } from "../../../src/ledger/claim.ts";
import { Ledger } from "../../../src/ledger/ledger.ts";
import { admit } from "../../../src/ledger/plan.ts";
import { release, releaseSandbox } from "../../../src/ledger/release.ts";
import { DEFAULT_POLICY } from "../../kit/policy.ts";
import { amd16, bigNode, topologyOf } from "../../kit/sysfs.ts";
import { Books, cpus, exclusive, pinned, ref, shared } from "../../kit/books.ts";

const placed = (count: number, placement: ExclusiveClaim["placement"]): ExclusiveClaim => ({
  kind: "exclusive",
  count,
  forbidden: CpuSet.empty,
  movable: true,
  placement,
});

Deno.test("a strict reservation leaves the reserved CPUs to the system's own containers", () => {
  const books = new Books(bigNode, { systemReserved: cpus("0,32"), strictReserved: true });
  assert.equal(books.create("web", shared()), "1-31,33-63");
  assert.equal(books.create("dns", { kind: "shared", forbidden: cpus(""), system: true }), "default");
  books.create("pin", pinned("0"));
  assert.equal(
    books.on("dns"),
    "1-63",
    "a pinned claim may use a reserved CPU, which then leaves every pool",
  );
  assert.equal(books.on("web"), "1-31,33-63");
});

Deno.test("a reservation that isn't strict only keeps exclusive claims off", () => {
  const books = new Books(bigNode, { systemReserved: cpus("0-3,32-35") });
  assert.equal(books.create("web", shared()), "default");
  assert.equal(books.create("db", exclusive(2)), "4,36");
});

Deno.test("local memory is that of the CPUs, and a move stays within it", () => {
  const books = new Books(bigNode, { exclusiveMems: "local" });
  assert.equal(books.create("db", exclusive(2)), "1,33 mems 0");
  books.create("pin", pinned("1"));
  assert.equal(books.on("db"), "2,34");
  const refused = books.create("all", pinned("1-7,32-39"));
  assert.match(refused, /2,34 are held exclusively by .*; moving it needs 2 CPUs, 1 is free/);
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

Deno.test("one thread of each core: the siblings are nobody's, and go with it", () => {
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

Deno.test("full cores: what can't be whole cores is refused in words", () => {
  const books = new Books(bigNode);
  assert.match(
    books.create("db", placed(3, "full-cores")),
    /needs 3 exclusive CPUs, but placement full-cores needs a multiple of 2 CPUs \(64 online/,
  );
  books.create("pin", pinned("1"));
  assert.equal(books.create("db", placed(2, "full-cores")), "2,34");
});

Deno.test("CPUs freed a moment ago are left to the container that had them, while its pod lives", () => {
  const books = new Books(amd16);
  books.create("db", exclusive(2));
  const before = books.on("db");
  books.end("db");
  books.create("other", exclusive(2));
  assert.notEqual(books.on("other"), before);
  assert.equal(books.create("db", exclusive(2)), before);
});

Deno.test("with its sandbox a pod is forgotten", () => {
  const books = new Books(bigNode);
  books.create("db", exclusive(2));
  const { container } = books.ledger.assignments.get("db") ?? { container: ref("db") };
  books.adopt(releaseSandbox(books.ledger, container.sandboxId, container.podUid));
  assert.deepEqual(books.ledger.recent, []);
  assert.equal(books.create("other", exclusive(2)), "1,33");
});

Deno.test("what is remembered of ended containers is bounded", () => {
  const ledger = Array.from({ length: 100 }, (_, i) => i).reduce(
    (next, i) => next.remembering({ podUid: `${i}`, name: "c", cpus: cpus("1") }),
    Ledger.empty(topologyOf(bigNode), DEFAULT_POLICY),
  );
  assert.equal(ledger.recent.length, 64);
  assert.equal(ledger.recent[0]?.podUid, "36", "the oldest is forgotten first");
});

for (const [isolatedCpus, expected] of [["ignore", "1,33"], ["prefer", "2,34"], ["avoid", "1,33"]] as const) {
  Deno.test(`isolated CPUs: ${isolatedCpus}`, () => {
    const known = topologyOf(bigNode);
    const isolated = isolatedCpus === "avoid" ? cpus("2-7,34-39") : cpus("2,34");
    const facts = { possible: known.online, present: known.online, isolated, nohzFull: CpuSet.empty };
    const topology = new Topology(known.cpus, known.nodes, facts);
    const empty = Ledger.empty(topology, { ...DEFAULT_POLICY, isolatedCpus });
    const plan = admit(empty, { container: ref("db"), claim: exclusive(2) });
    assert(plan.kind === "plan");
    assert.equal(`${plan.grant.cpus}`, expected);
    const more = admit(plan.next, { container: ref("more"), claim: exclusive(4) });
    assert(more.kind === "plan");
    assert.equal(
      more.grant.cpus?.intersects(isolated),
      isolatedCpus !== "avoid" && isolatedCpus !== "prefer",
    );
  });
}
