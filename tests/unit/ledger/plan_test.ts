import assert from "node:assert/strict";
import { bigNode, twoCpuVm } from "../../kit/sysfs.ts";
import { admit } from "../../../src/ledger/plan.ts";
import { release } from "../../../src/ledger/release.ts";
import { Books, cpus, exclusive, pinned, ref, shared } from "../../kit/books.ts";

// bigNode: 2 sockets, 4 NUMA nodes of 8 cores; threads of a core are N and N+32; node k has 8k..8k+7 and its siblings.

Deno.test("a pinned container gets exactly its CPUs and the memory of their NUMA nodes", () => {
  const books = new Books(bigNode);
  assert.equal(books.create("one", pinned("2-3")), "2-3 mems 0");
  assert.equal(books.create("two", pinned("7,8")), "7-8 mems 0-1");
  assert.equal(books.create("three", pinned("31,63")), "31,63 mems 3");
});

Deno.test("pinned containers share CPUs with each other, which stay claimed until the last of them ends", () => {
  const books = new Books(bigNode);
  books.create("a", pinned("0,2,4"));
  assert.equal(books.create("b", pinned("2,4")), "2,4 mems 0");
  books.end("a");
  assert.equal(books.ledger.claimed.toString(), "2,4");
  books.end("b");
  assert(books.ledger.claimed.isEmpty);
});

Deno.test("a pinned CPU that doesn't exist is refused as invalid, with the ones that do", () => {
  const books = new Books(bigNode);
  const decision = books.decide("p", pinned("2,999"));
  assert(decision.kind === "refusal" && decision.reason === "invalid");
  assert.equal(
    decision.message,
    "cpuset: pod ns/p container c: weka.io/cores-ids names CPU 999, not online on this node (online: 0-63)",
  );
});

Deno.test("a pinned claim never leaves the shared pool empty, but may use reserved CPUs", () => {
  const books = new Books(twoCpuVm, { systemReserved: cpus("0") });
  assert.match(
    books.create("all", pinned("0-1")),
    /would leave 0 for the shared pool \(2 online, 1 reserved, 0 claimed, 1 kept/,
  );
  assert.equal(books.create("zero", pinned("0")), "0 mems 0");
  assert.match(books.create("rest", pinned("1")), /would leave 0 for the shared pool/);
});

Deno.test("a second pinned container on the same CPUs costs the pool nothing and is let in", () => {
  const books = new Books(twoCpuVm);
  books.create("a", pinned("1"));
  assert.equal(books.create("b", pinned("1")), "1 mems 0");
});

Deno.test("an exclusive container gets whole CPUs of its own and no memory binding", () => {
  const books = new Books(bigNode);
  const first = cpus(books.create("a", exclusive(4)));
  const second = cpus(books.create("b", exclusive(3)));
  assert.deepEqual([first.size, second.size], [4, 3]);
  assert(!first.intersects(second));
  assert(!books.ledger.sharedPool.intersects(first.union(second)));
});

Deno.test("exclusive avoids reserved and forbidden CPUs", () => {
  const books = new Books(bigNode, { systemReserved: cpus("0-1,32-33") });
  const grant = cpus(books.create("a", exclusive(8, "2-3,34")));
  assert(!grant.intersects(cpus("0-3,32-34")), `got ${grant}`);
});

Deno.test("too many exclusive CPUs are refused with the numbers", () => {
  const books = new Books(bigNode, { systemReserved: cpus("0,32") });
  books.create("big", exclusive(56));
  assert.equal(
    books.create("more", exclusive(8)),
    "cpuset: pod ns/more container c: needs 8 exclusive CPUs, 6 are free " +
      "(64 online, 2 reserved, 56 claimed, 1 kept for the shared pool)",
  );
});

Deno.test("the refusal counts what the pod itself forbids", () => {
  const books = new Books(bigNode);
  assert.match(
    books.create("p", exclusive(4, "0-60")),
    /needs 4 exclusive CPUs, 3 are free .*61 forbidden by the pod\)$/,
  );
});

Deno.test("on two CPUs one can be exclusive and the other always stays shared", () => {
  const books = new Books(twoCpuVm);
  assert.match(books.create("two", exclusive(2)), /needs 2 exclusive CPUs, 1 is free/);
  assert.equal(books.create("one", exclusive(1)), "1");
  assert.match(books.create("another", exclusive(1)), /needs 1 exclusive CPU, 0 are free/);
});

Deno.test("a shared container starts on the pool; nothing is written where that is every CPU", () => {
  const books = new Books(twoCpuVm);
  assert.equal(books.create("early", shared()), "default");
  books.create("db", exclusive(1));
  assert.equal(books.create("late", shared()), "0");
});

Deno.test("a set that the creation already names is only replaced when it is wrong", () => {
  const books = new Books(twoCpuVm);
  assert.equal(books.create("wide", shared(), "0-1"), "default");
  assert.equal(books.create("narrow", shared(), "1"), "0-1");
  assert.equal(books.create("right", pinned("1"), "1"), "default mems 0");
});

Deno.test("a shared container whose forbidden set leaves nothing is refused with both sets", () => {
  const books = new Books(twoCpuVm);
  books.create("db", exclusive(1));
  assert.equal(
    books.create("s", shared("0")),
    "cpuset: pod ns/s container c: weka.io/forbid-core-ids 0 forbids all of the shared pool (0); allow at least one of these CPUs",
  );
});

Deno.test("three shared pods with different forbidden sets each get the right rest", () => {
  const books = new Books(twoCpuVm);
  assert.equal(books.create("a", shared()), "default");
  assert.equal(books.create("b", shared("0")), "1");
  assert.equal(books.create("c", shared("1,7")), "0");
});

Deno.test("creating a container that is known already decides anew for it", () => {
  const books = new Books(twoCpuVm);
  books.create("a", exclusive(1));
  assert.equal(books.create("a", exclusive(1)), "1");
  assert.equal(books.ledger.assignments.size, 1);
});

Deno.test("the end of an unknown container is harmless", () => {
  const books = new Books(twoCpuVm);
  const before = books.ledger;
  books.end("nobody");
  assert.equal(books.ledger, before);
});

Deno.test("the same ledger and the same claim give the same CPUs", () => {
  const play = () => {
    const books = new Books(bigNode);
    return [5, 7, 1, 2, 9].map((n, i) => books.create(`c${i}`, exclusive(n)));
  };
  assert.deepEqual(play(), play());
});

Deno.test("a restarted container supersedes its predecessor and gets the same CPUs, whatever comes late", () => {
  const books = new Books(bigNode);
  books.create("other", exclusive(2));
  const before = books.create("db", exclusive(3));
  books.create("third", exclusive(2));
  const again = { ...ref("db"), id: "db-2" };
  const decision = admit(books.ledger, { container: again, claim: exclusive(3) });
  assert(decision.kind === "plan");
  assert.equal(decision.grant.cpus?.toString(), before);
  assert.equal(decision.next.assignments.get("db"), undefined);
  assert.equal(release(decision.next, "db"), decision.next, "a late stop of the old one changes nothing");
});

Deno.test("a restarted container that claims more is placed anew, without its predecessor in the way", () => {
  const books = new Books(twoCpuVm, { minShared: 0 });
  books.create("db", exclusive(1));
  const decision = admit(books.ledger, { container: { ...ref("db"), id: "db-2" }, claim: exclusive(2) });
  assert(decision.kind === "plan");
  assert.equal(decision.grant.cpus?.toString(), "0-1");
});

Deno.test("containers of pods without a uid supersede nobody", () => {
  const books = new Books(bigNode);
  const nameless = (id: string) => ({ ...ref("x"), id, podUid: "" });
  const one = admit(books.ledger, { container: nameless("1"), claim: exclusive(2) });
  assert(one.kind === "plan");
  const two = admit(one.next, { container: nameless("2"), claim: exclusive(2) });
  assert(two.kind === "plan" && two.next.assignments.size === 2);
});
